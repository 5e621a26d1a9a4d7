"""A plugin teaches the sandbox methods and files: given to it, or installed and found by a path that is unknown."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from altcraft import Client, NotFound, Operation, PlainRequest, Polling, Reply, TaskRequest, Unauthorized
from altcraft_plugins.sandbox import (
    FaultPlan,
    File,
    MethodRegistry,
    Parameters,
    Platform,
    Refusal,
    Sandbox,
    plugin,
    serve,
)
from altcraft_plugins.sandbox.faults import TaskFails, TaskGoesBack
from altcraft_transports.wsgi import WsgiTransport
from hooks.conftest import install  # noqa: F401  # a fixture
from plugins.sandbox.api import TOKEN, environ, finish, post, send, start, status

FAST = Polling(initial=0.01, maximum=0.05)
BEARER = {"REQUEST_METHOD": "GET", "HTTP_AUTHORIZATION": f"Bearer {TOKEN}"}


class Doubled(PlainRequest[int], frozen=True):
    number: int


class Grown(TaskRequest[Any], frozen=True):
    by: int | None = None


class Page(Reply):
    data: list[int]
    total_count: int | None = None


class Number(Parameters, kw_only=True):
    number: int


class By(Parameters, kw_only=True):
    by: int | None = None


def double(asked: Number, platform: Platform) -> object:
    if asked.number > 1000:
        raise Refusal(404, "no such number")
    return asked.number * 2


def grow(asked: By, platform: Platform) -> object:
    with platform.rows() as rows:
        (profiles,) = rows.execute("SELECT count(*) FROM profiles WHERE database_id = 9").fetchone()
    return platform.start(asked, None if asked.by is None else {"profiles": profiles + asked.by})


def page(asked: Parameters, platform: Platform) -> object:
    return Page(data=[1, 2], error=0, error_text="", total_count=7)


def teach(methods: MethodRegistry) -> None:
    methods.register("numbers/double", Number, double)
    methods.register("/numbers/grow/", By, grow)
    methods.register("numbers/list", Parameters, page)
    methods.serve("/files/", lambda path, platform: File(path.encode(), "text/x") if path.endswith(".txt") else None)


@pytest.fixture
def taught():
    with Sandbox(worker=False, profiles=50, teachers=[teach]) as sandbox:
        yield sandbox


def test_a_taught_method_answers_in_both_formats(taught):
    assert post(taught, "numbers/double", {"number": 21}).json["data"] == 42
    assert post(taught, "numbers/double", {"number": 21}, "xml").xml.findtext("data") == "42"


def test_a_taught_method_refuses_as_the_others_do(taught):
    assert post(taught, "numbers/double", {"number": "x"}).status == 400
    assert post(taught, "numbers/double", {"number": 1, "token": "wrong"}).status == 401
    refused = post(taught, "numbers/double", {"number": 1001})
    assert (refused.status, refused.json["error_text"]) == (404, "no such number")


def test_a_taught_reply_may_have_keys_beside_its_data(taught):
    assert post(taught, "numbers/list", {}).json == {"error": 0, "error_text": "", "data": [1, 2], "total_count": 7}


def test_a_taught_task_advances_like_a_count_and_ends_with_its_result(taught):
    task = start(taught, "numbers/grow", by=1)
    assert status(taught, task) == {"status": "queued", "progress": 0, "result": None}
    taught.step()
    assert status(taught, task) == {"status": "running", "progress": 5, "result": None}
    finish(taught)
    assert status(taught, task) == {"status": "completed", "progress": 100, "result": {"profiles": 51}}
    assert [submission.operation for submission in taught.submissions()] == ["numbers/grow"]


def test_a_taught_task_may_end_without_a_result(taught):
    task = start(taught, "numbers/grow")
    finish(taught)
    assert status(taught, task) == {"status": "completed", "progress": 100, "result": None}


def test_a_taught_task_keeps_its_result_in_the_file(tmp_path):
    db = str(tmp_path / "kept.sqlite3")
    with Sandbox(db=db, worker=False, profiles=50, teachers=[teach]) as before:
        task = start(before, "numbers/grow", by=2)
        before.step()
    with Sandbox(db=db, worker=False, profiles=50) as after:
        assert status(after, task)["progress"] == 5
        finish(after)
        assert status(after, task)["result"] == {"profiles": 52}


@pytest.mark.parametrize(
    ("fault", "progresses", "end"),
    [
        (TaskGoesBack(at=50), [*range(5, 55, 5), 0, *range(5, 100, 5)], {"profiles": 51}),
        (TaskFails("no room", at=10), [5, 10], "no room"),
    ],
)
def test_a_taught_task_has_the_faults_of_the_plan(fault, progresses, end):
    with Sandbox(worker=False, profiles=50, teachers=[teach], faults=FaultPlan([fault])) as sandbox:
        task = start(sandbox, "numbers/grow", by=1)
        seen = []
        while sandbox.step():
            seen.append(status(sandbox, task)["progress"])
        assert seen[:-1] == progresses
        assert status(sandbox, task)["result"] == end


def test_the_worker_ends_taught_tasks():
    sandbox = Sandbox(pace=0, profiles=50, teachers=[teach])
    with Client("https://x.example", token=TOKEN, transport=WsgiTransport(sandbox), polling=FAST) as client:
        client.operations.register(Operation("numbers/grow", Grown))
        assert client.submit(Grown(3)).result(timeout=30) == {"profiles": 53}


def test_a_file_is_handed_out_for_the_token(taught):
    answer = send(taught, environ("", **BEARER, PATH_INFO="/files/a.txt"))
    assert (answer.status, answer.headers["Content-Type"], answer.body) == (200, "text/x", b"/files/a.txt")
    assert send(taught, environ("", REQUEST_METHOD="GET", PATH_INFO="/files/a.txt")).status == 401
    assert send(taught, environ("", **BEARER, PATH_INFO="/files/a.csv")).status == 404
    assert send(taught, environ("", **BEARER, PATH_INFO="/elsewhere")).status == 404
    assert send(taught, environ("", **{**BEARER, "REQUEST_METHOD": "POST"}, PATH_INFO="/files/a.txt")).status == 404


def test_a_served_sandbox_takes_teachers():
    with serve(port=0, pace=0, profiles=50, teachers=[teach]) as server, Client(server.url, token="sandbox") as client:
        client.operations.register(Operation("numbers/double", Doubled))
        assert client.call(Doubled(4)) == 8


SOURCE = """
from plugins.sandbox.test_taught import teach
"""
FAILING = """
raise SystemExit("no")
"""


def test_an_installed_teacher_is_found_by_a_path_that_is_unknown(install, caplog):  # noqa: F811
    install({"good_teacher": SOURCE, "bad_teacher": FAILING},
            {"bad": "bad_teacher:teach", "good": "good_teacher:teach"}, group="altcraft.sandbox")  # fmt: skip
    with (
        caplog.at_level(logging.WARNING, "altcraft.sandbox"),
        Client("sandbox:?pace=0&profiles=50", plugins=[plugin], polling=FAST) as client,
    ):
        client.operations.register(Operation("numbers/double", Doubled))
        assert client.call(Doubled(4)) == 8
    assert [record.message.split()[:3] for record in caplog.records] == [["the", "teacher", "bad"]]


def test_what_the_sandbox_was_given_goes_before_what_is_installed(install):  # noqa: F811
    install({"good_teacher": SOURCE}, {"good": "good_teacher:teach"}, group="altcraft.sandbox")

    def other(methods: MethodRegistry) -> None:
        methods.register("numbers/double", Number, lambda asked, platform: 0)
        methods.serve("/files/a", lambda path, platform: File(b"given"))

    with Sandbox(worker=False, profiles=50, teachers=[other]) as sandbox:
        assert post(sandbox, "numbers/list", {}).status == 200
        assert post(sandbox, "numbers/double", {"number": 21}).json["data"] == 0
        assert send(sandbox, environ("", **BEARER, PATH_INFO="/files/a.txt")).body == b"given"
        assert send(sandbox, environ("", **BEARER, PATH_INFO="/files/b.txt")).body == b"/files/b.txt"


def test_an_unknown_path_stays_unknown():
    with Client("sandbox:?profiles=50", plugins=[plugin]) as client:
        client.operations.register(Operation("numbers/double", Doubled))
        with pytest.raises(NotFound):
            client.call(Doubled(1))


def test_a_taught_method_wants_the_token(taught):
    with Client("https://x.example", token="wrong", transport=WsgiTransport(taught)) as client:
        client.operations.register(Operation("numbers/double", Doubled))
        with pytest.raises(Unauthorized):
            client.call(Doubled(1))
