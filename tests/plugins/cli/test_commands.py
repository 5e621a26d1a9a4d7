"""Each command asks the platform for what was typed, however its options are spelled and wherever they stand."""

from __future__ import annotations

import json

import pytest

from altcraft import ConnectionLost, Retry
from altcraft.testing import reply
from plugins.cli.running import DATABASE, EMAIL, FAILED, REFRESH, RUNNING, SEGMENT, STARTED, TASK_ID, completed, task_of

OLD_TOKEN = f'{{"v":1,"task_id":"{TASK_ID}","operation":"segments/refresh_counters"}}'


@pytest.mark.parametrize(
    ("args", "path", "parameters"),
    [
        ("segments refresh 7 --resource 24", "segments", {"id": 7, "resource_id": 24}),
        ("segments refresh 7 --resource-id 24 --db-id 1", "segments", {"id": 7, "resource_id": 24, "db_id": 1}),
        ("segments refresh 7 --resource=24 --database=1", "segments", {"id": 7, "resource_id": 24, "db_id": 1}),
        ("segments refresh --list-id 1 --resource 24 7", "segments", {"id": 7, "resource_id": 24, "list_id": 1}),
        ("databases refresh 5 --resource 24", "databases", {"id": 5, "resource_id": 24}),
        (
            "databases refresh 5 --resource-id 24 --feedback https://me.example/hook",
            "databases",
            {"id": 5, "resource_id": 24, "feedback": {"url": "https://me.example/hook", "type": "JSON"}},
        ),
        ("resources refresh 24", "resources", {"id": 24}),
        ("resources refresh 24 --database 1", "resources", {"id": 24, "list_id": 1}),
        ("resources refresh 24 --list-id 1", "resources", {"id": 24, "list_id": 1}),
        ("resources refresh 24 --db-id 1", "resources", {"id": 24, "list_id": 1}),
    ],
)
def test_a_refresh_submits_and_follows(altcraft, args, path, parameters) -> None:
    ran = altcraft(*args.split(), script=[STARTED, RUNNING, completed(SEGMENT)])
    assert (ran.code, ran.err) == (0, "")
    assert altcraft.sent == [
        (f"{path}/refresh_counters", parameters),
        ("tasks/status", {"task_id": TASK_ID}),
        ("tasks/status", {"task_id": TASK_ID}),
    ]


@pytest.mark.parametrize(
    ("args", "path", "parameters"),
    [
        ("segments counters 7 --resource 24", "segments", {"id": 7, "resource_id": 24}),
        ("segments counters 7 --resource 24 --database 1", "segments", {"id": 7, "resource_id": 24, "list_id": 1}),
        ("segments counters 7 --resource 24 --db-id 1", "segments", {"id": 7, "resource_id": 24, "db_id": 1}),
        ("databases counters 5 --resource-id 24", "databases", {"id": 5, "resource_id": 24}),
    ],
)
def test_counters_are_read_at_once(altcraft, args, path, parameters) -> None:
    ran = altcraft(*args.split(), script=[reply([EMAIL])])
    assert (ran.code, ran.err) == (0, "")
    assert altcraft.sent == [(f"{path}/get_counters", parameters)]
    assert "email" in ran.out
    assert "209" in ran.out


@pytest.mark.parametrize("json", [(), ("--json",)])
def test_no_wait_prints_the_resume_token_and_polls_not_once(altcraft, json) -> None:
    ran = altcraft(*REFRESH, "--no-wait", *json, script=[STARTED])
    assert (ran.code, ran.err) == (0, "")
    assert len(altcraft.sent) == 1
    if json:
        (line,) = ran.lines
        assert (line["event"], line["task_id"], task_of(line["resume_token"])) == ("submitted", TASK_ID, TASK_ID)
    else:
        assert task_of(ran.out) == TASK_ID


@pytest.mark.parametrize("task", [TASK_ID, OLD_TOKEN, f'{{"v":1,"task_id":"{TASK_ID}","operation":"their/own"}}'])
def test_a_task_is_waited_for_by_id_and_by_token(altcraft, task) -> None:
    ran = altcraft("tasks", "wait", task, script=[RUNNING, completed(SEGMENT)])
    assert (ran.code, ran.err) == (0, "")
    assert altcraft.sent == [("tasks/status", {"task_id": TASK_ID})] * 2
    assert "Segment, database 1, resource 24" in ran.out


def by_task(**answers):
    """A script of one answer, which depends on the task: the next of its list, the last one again and again."""

    def answer(request):
        left = answers[json.loads(request.body)["task_id"]]
        found = left[0] if len(left) == 1 else left.pop(0)
        if isinstance(found, Exception):
            raise found
        return found

    return {"script": [answer], "repeat": True}


def test_several_tasks_are_followed_and_each_is_shown_below_its_id(altcraft) -> None:
    script = by_task(a=[RUNNING, RUNNING, completed(SEGMENT)], b=[completed(DATABASE)])
    ran = altcraft("tasks", "wait", "a", "b", **script)
    assert (ran.code, ran.err) == (0, "")
    for name, kind in (("a", "Segment"), ("b", "Database")):
        assert f"task {name}:\n{kind}" in ran.out
    assert sorted(parameters["task_id"] for _, parameters in altcraft.sent) == ["a", "a", "a", "b"]


def test_many_tasks_take_no_longer_than_the_longest(altcraft) -> None:
    names = [f"t{number}" for number in range(40)]
    answers = {name: [RUNNING, RUNNING, completed(DATABASE)] for name in names}
    ran = altcraft("tasks", "wait", *names, "--json", "--timeout", "10", **by_task(**answers))
    assert ran.code == 0
    assert sorted(line["task_id"] for line in ran.lines if line["event"] == "result") == sorted(names)


def test_the_failure_of_one_task_is_no_end_for_the_others(altcraft) -> None:
    ran = altcraft(
        "tasks",
        "wait",
        "a",
        "b",
        "c",
        **by_task(a=[FAILED], b=[reply(error=404, status=404)], c=[RUNNING, completed(DATABASE)]),
    )
    assert ran.code == 1
    assert "Database" in ran.out
    assert "task a" in ran.err
    assert "task b" in ran.err
    assert [parameters["task_id"] for _, parameters in altcraft.sent].count("b") == 1
    assert "at2_" not in ran.out  # no way back to a task that has failed, nor to one that there isn't


def test_a_task_that_is_named_twice_is_followed_twice(altcraft) -> None:
    ran = altcraft("tasks", "wait", "a", "a", **by_task(a=[completed(SEGMENT)]))
    assert ran.code == 0
    assert ran.out.count("task a:") == 2


def test_a_poll_that_fails_is_repeated_and_ends_no_wait(altcraft) -> None:
    script = by_task(a=[ConnectionLost("reset"), RUNNING, RUNNING, completed(SEGMENT)], b=[completed(DATABASE)])
    ran = altcraft("tasks", "wait", "a", "b", **script, retry=Retry(attempts=1))
    assert (ran.code, ran.err) == (0, "")
    assert "Database" in ran.out
    assert "Segment" in ran.out


def test_the_token_of_a_refresh_knows_what_it_counts_and_the_heading_says_it(altcraft) -> None:
    token = altcraft(*REFRESH, "--no-wait", script=[STARTED]).out.strip()
    bare = {"channels": [EMAIL]}
    for args in (("wait", token), ("wait", token, "b"), ("status", token)):
        ran = altcraft("tasks", *args, **by_task(**{TASK_ID: [completed(bare)], "b": [completed(bare)]}))
        assert ran.code == 0
        assert "\nSegment 7, database 1, resource 24\n" in "\n" + ran.out
    _, line = altcraft("tasks", "wait", token, "--json", script=[completed(bare)]).lines
    assert line["request"] == {"id": 7, "resource_id": 24, "db_id": 1}
    rows = altcraft("tasks", "wait", token, "--csv", script=[completed(bare)]).out
    assert rows.splitlines()[1].startswith("7,")


def test_the_status_of_a_task_is_one_poll(altcraft) -> None:
    ran = altcraft("tasks", "status", TASK_ID, script=[RUNNING])
    assert ran == (0, f"task {TASK_ID}: running, 40 %\n", "")


def test_the_status_of_a_finished_task_shows_its_result(altcraft) -> None:
    ran = altcraft("tasks", "status", TASK_ID, script=[completed(DATABASE)])
    assert ran.code == 0
    assert ran.out.startswith(f"task {TASK_ID}: completed, 100 %\n")
    assert "1336 profiles" in ran.out


def test_a_result_that_is_no_statistics_is_shown_as_json(altcraft) -> None:
    files = {"errors": [], "total": 1343, "type": "database"}
    ran = altcraft("tasks", "wait", TASK_ID, script=[reply({"status": "completed", "result": files})])
    assert ran.code == 0
    assert '"total": 1343' in ran.out


def test_an_empty_result_is_said_to_be_one(altcraft) -> None:
    ran = altcraft(*REFRESH, script=[STARTED, completed()])
    assert (ran.code, ran.out) == (0, "segment 7: a result without statistics\n")


OPTIONS = ("--url", "https://other.example", "--codec", "xml", "--auth", "bearer", "--request-timeout", "3", "--json")


@pytest.mark.parametrize(
    "args",
    [(*OPTIONS, *REFRESH), ("segments", *OPTIONS, *REFRESH[1:]), (*REFRESH, *OPTIONS)],
    ids=["before", "between", "after"],
)
def test_connection_options_stand_before_the_command_or_after_it(altcraft, args) -> None:
    ran = altcraft(*args, script=[STARTED, completed(SEGMENT)])
    assert ran.events == ["submitted", "progress", "result"]
    (connection,) = altcraft.connections
    assert (connection.url, connection.codec, connection.auth) == ("https://other.example", "xml", "bearer")
    assert connection.request_timeout == 3


def test_the_option_after_the_command_wins_over_the_one_before(altcraft) -> None:
    altcraft("--codec", "xml", *REFRESH, "--codec", "json", script=[STARTED, completed(SEGMENT)])
    assert altcraft.connections[0].codec == "json"


def test_the_option_wins_over_the_environment(altcraft) -> None:
    altcraft(*REFRESH, "--url", "https://other.example", script=[STARTED, completed(SEGMENT)])
    altcraft(*REFRESH, script=[STARTED, completed(SEGMENT)])
    assert [connection.url for connection in altcraft.connections] == ["https://other.example", "https://example.com"]


@pytest.mark.parametrize("args", [("--timeout", "5", *REFRESH), (*REFRESH, "--timeout", "5")])
def test_the_timeout_stands_before_the_command_or_after_it(altcraft, args) -> None:
    assert altcraft(*args, script=[STARTED, RUNNING], repeat=True).code == 3
    assert altcraft.transports[0].clock.now == pytest.approx(5)
