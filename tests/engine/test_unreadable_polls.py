"""Answers to polls that can't be read: cut short, garbled, or a proxy's. And what no repetition cures."""

from __future__ import annotations

import msgspec
import pytest

from altcraft import DecodeError, HttpResponse, Operation, Submission, TaskFailed, TaskRequest, UnsafeXml, hookimpl
from altcraft.testing import reply
from both_clients import World

STARTED = reply({"task_id": "t-1"})
RUNNING = reply({"status": "running", "progress": 40})
DONE = reply({"status": "completed", "progress": 100, "result": []})
FAILED = reply({"status": "failed", "result": "database is locked"})
JSON = {"Content-Type": "application/json"}
UNREADABLE = {
    "cut short": HttpResponse(200, JSON, DONE.body[:-20]),
    "garbled": HttpResponse(200, JSON, b"\xff\xfe\x00" + DONE.body[3:]),
    "empty": HttpResponse(200, JSON, b""),
    "a page": HttpResponse(200, {"Content-Type": "text/html"}, b"<html><title>Maintenance</title></html>"),
    "another service's": HttpResponse(200, JSON, b'{"ok": true}'),
    "without a status": reply({}),
    "not compressed as it says": DecodeError("the body can't be decompressed"),
}
unreadable = pytest.mark.parametrize("answer", UNREADABLE.values(), ids=UNREADABLE.keys())


def submit(world: World, client):
    return world.do(client.segments.refresh_counters(7, resource_id=24, db_id=1))


@unreadable
def test_a_wait_goes_on_after_a_few_of_them(world: World, answer) -> None:
    client = world.client([STARTED, answer, answer, RUNNING, answer, answer, answer, DONE])
    assert world.do(submit(world, client).result(timeout=600)) == []
    assert len(client.fake.requests) == 8


@unreadable
def test_a_wait_ends_with_the_fourth_in_a_row_and_can_be_resumed(world: World, answer) -> None:
    client = world.client([STARTED, *[answer] * 4, DONE])
    task = submit(world, client)
    with pytest.raises(DecodeError) as caught:
        world.do(task.result(timeout=600))
    assert len(caught.value.attempts) == 3
    assert caught.value.resume_token
    assert world.do(client.tasks.resume(caught.value.resume_token).result(timeout=600)) == []


def test_a_group_goes_on_after_a_few_of_them(world: World) -> None:
    started = [reply({"task_id": f"t-{number}"}) for number in range(3)]
    client = world.client([*started, *[UNREADABLE["cut short"]] * 3, DONE], repeat=True)
    tasks = [submit(world, client) for _ in range(3)]
    done, not_done = world.do(client.tasks.wait(tasks, timeout=600))
    assert (len(done), len(not_done)) == (3, 0)


def test_a_step_that_meets_one_says_when_to_look_again(world: World) -> None:
    client = world.client([STARTED, UNREADABLE["cut short"], DONE])
    task = submit(world, client)
    step = world.do(task.step())
    assert not step.done
    assert step.delay is not None
    assert 0 < step.delay < 60


class Row(msgspec.Struct):
    number: int


class Rows(TaskRequest[list[Row]], frozen=True):
    pass


def test_a_result_of_another_type_ends_the_wait_at_once(world: World) -> None:
    wrong = reply({"status": "completed", "result": [{"number": "many"}]})
    client = world.client([STARTED, wrong])
    client.operations.register(Operation("rows/get", Rows))
    task = world.do(client.submit(Rows()))
    with pytest.raises(DecodeError) as caught:
        world.do(task.result(timeout=600))
    assert caught.value.is_lasting
    assert caught.value.attempts == ()


XML = {"Content-Type": "application/xml"}
BEYOND_LIMITS = {
    "too deep, JSON": HttpResponse(200, JSON, b'{"data": {"status": "running", "result": ' + b"[" * 100_000),
    "too deep, XML": HttpResponse(200, XML, b"<xml>" + b"<a>" * 200 + b"</a>" * 200 + b"</xml>"),
    "too many values": HttpResponse(200, JSON, b'{"data": [' + b"0," * 1_000_000 + b"0]}"),
    "too many elements": HttpResponse(200, XML, b"<xml>" + b"<a/>" * 1_000_001 + b"</xml>"),
    "too many attributes": HttpResponse(200, XML, b"<xml " + b"".join(b" a%d=''" % n for n in range(1_001)) + b"/>"),
}


@pytest.mark.parametrize("answer", BEYOND_LIMITS.values(), ids=BEYOND_LIMITS.keys())
def test_a_reply_beyond_a_limit_ends_the_wait_at_once(world: World, answer: HttpResponse) -> None:
    """The next one would take as much time and memory."""
    client = world.client([STARTED, answer])
    task = submit(world, client)
    with pytest.raises(DecodeError) as caught:
        world.do(task.result(timeout=600))
    assert caught.value.is_lasting


def test_another_kind_of_decode_error_counts_as_one(world: World) -> None:
    class CborError(DecodeError):
        """A codec of a plugin may have a kind of its own."""

    client = world.client([STARTED, *[CborError("cut short")] * 4])
    task = submit(world, client)
    with pytest.raises(CborError):
        world.do(task.result(timeout=600))


def test_a_document_type_ends_the_wait_at_once(world: World) -> None:
    alarm = HttpResponse(200, {"Content-Type": "application/xml"}, b"<!DOCTYPE xml [<!ENTITY a 'b'>]><xml>&a;</xml>")
    client = world.client([STARTED, alarm])
    task = submit(world, client)
    with pytest.raises(UnsafeXml):
        world.do(task.result(timeout=600))


@unreadable
def test_a_submission_is_not_repeated_and_is_in_doubt(world: World, answer) -> None:
    doubts = []

    class Doubts:
        @hookimpl
        def altcraft_submission_failed(self, submission: Submission, in_doubt: bool) -> None:
            doubts.append(in_doubt)

    client = world.client([answer], plugins=[Doubts()])
    with pytest.raises(DecodeError):
        submit(world, client)
    assert doubts == [True]


def test_a_failed_task_is_done_for_a_step_and_its_result_raises(world: World) -> None:
    client = world.client([STARTED, FAILED])
    task = submit(world, client)
    step = world.do(task.step())
    assert step.done
    with pytest.raises(TaskFailed, match="database is locked"):
        world.do(task.result(timeout=0))
