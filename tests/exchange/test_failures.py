"""Why a task failed: what the platform sends in place of a result is kept, and quoted."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest

from altcraft import DecodeError, Operation, SegmentStatistics, TaskFailed, TaskRequest, TaskStatus, Unauthorized
from altcraft.codecs import default_registry
from altcraft.operations import default_operations, unknown_task
from altcraft.schema import SegmentsRefreshCounters
from altcraft.testing import reply
from both_clients import World
from exchange import DONE, TOKEN, XML, answer, both_formats, exchange
from golden import ProfilesExport

FAILED = frozenset({"failed", "error"})
SEGMENTS = default_operations().by_request(SegmentsRefreshCounters)


class Export(TaskRequest[ProfilesExport], frozen=True):
    """A task whose result is an object."""


class Nothing(TaskRequest[None], frozen=True):
    """A task without a result."""


EXPORT, NOTHING = Operation("x/export", Export), Operation("x/nothing", Nothing)
every_operation = pytest.mark.parametrize("operation", [SEGMENTS, EXPORT, NOTHING, unknown_task()], ids=repr)


def failed(result: object, operation: Operation[Any], format_: str = "json", status: str = "failed") -> TaskStatus[Any]:
    body = {"data": {"status": status, "progress": 40, "result": result}, "error": 0, "error_text": ""}
    response = answer(default_registry().by_name(format_).encode(body), {})
    return exchange(format_).status(operation, response, DONE, FAILED)


@every_operation
@both_formats
@pytest.mark.parametrize("status", ["failed", "error"])
def test_the_reason_of_a_failure_is_kept_without_a_type(operation: Operation[Any], format_: str, status: str) -> None:
    reasons: list[object] = ["database is locked", {"errors": ["lock timeout", "no space"]}, {"code": "17"}]
    for reason in reasons:
        assert failed(reason, operation, format_, status) == TaskStatus(status, 40, reason)


@every_operation
@pytest.mark.parametrize("reason", [5, 0.5, True, [], ["a", 1, None], {}, {"a": [{"b": None}]}, ""])
def test_a_reason_may_be_anything(operation: Operation[Any], reason: object) -> None:
    assert failed(reason, operation) == TaskStatus("failed", 40, reason)


@every_operation
@both_formats
def test_a_failure_without_a_reason_has_none(operation: Operation[Any], format_: str) -> None:
    assert failed(None, operation, format_).result in (None, "")


def test_a_reason_that_looks_like_the_result_is_no_result() -> None:
    reason = [{"list_id": 1, "channels": []}]
    assert failed(reason, SEGMENTS).result == reason
    assert failed(reason, SEGMENTS, status="completed").result == [SegmentStatistics(list_id=1)]


@pytest.mark.parametrize("status", ["running", "queued"])
def test_before_the_end_a_result_of_another_type_is_left_out(status: str) -> None:
    assert failed("half of it", SEGMENTS, status=status) == TaskStatus(status, 40)


def test_a_token_in_a_reason_is_masked() -> None:
    reason = {"why": f"no such token: {TOKEN}", TOKEN: [TOKEN.upper(), f"Bearer {TOKEN}"]}
    state = failed(reason, SEGMENTS)
    assert state.result == {"why": "no such token: ***", "***": ["***", "Bearer ***"]}
    assert TOKEN not in repr(TaskFailed(state))


def test_a_token_deep_in_a_long_reason_is_masked() -> None:
    state = failed(["x" * 200_000 + f"token {TOKEN.upper()}"], SEGMENTS)
    assert state.result[0].endswith("token ***")
    assert len(state.result[0]) > 200_000


def test_a_success_of_another_shape_is_no_failure() -> None:
    with pytest.raises(DecodeError):
        failed("database is locked", SEGMENTS, status="completed")


@pytest.mark.parametrize("reason", ["database is locked", {"error": "database is locked"}])
@both_formats
def test_the_error_of_a_client_says_why_the_task_failed(world: World, format_: str, reason: object) -> None:
    script = [
        reply({"task_id": "t-1"}, codec=format_),
        reply({"status": "failed", "progress": 40, "result": reason}, codec=format_),
    ]
    client = world.client(script, codec=format_)
    task = world.do(client.databases.refresh_counters(5, resource_id=24))
    with pytest.raises(TaskFailed, match=r"'failed' at 40 %: .*database is locked") as caught:
        world.do(task.result())
    assert caught.value.status.result == reason


def test_a_failure_with_an_element_in_it_is_kept_in_xml() -> None:
    body = "<xml><data><status>failed</status><result><a/><b>1</b><b>2</b></result></data><error>0</error></xml>"
    state = exchange("xml").status(SEGMENTS, answer(body, XML), DONE, FAILED)
    assert state.result == {"a": "", "b": ["1", "2"]}


@pytest.mark.parametrize("depth", [50, 400, 900])
def test_a_reason_of_any_depth_is_a_failure(depth: int) -> None:
    body = '{"data":{"status":"failed","result":%s},"error":0}' % ("[" * depth + "]" * depth)
    state = exchange().status(SEGMENTS, answer(body), DONE, FAILED)
    assert state.status == "failed"
    assert len(str(TaskFailed(state))) < 500


# The deepest that an interpreter reads: 1,000 levels for CPython 3.10 and 3.11, 1,500 for 3.12, 10,000 for 3.13.
@pytest.mark.parametrize("depth", [1_400, 9_000])
def test_a_reason_deeper_than_some_interpreters_read_is_a_failure_or_a_decode_error(depth: int) -> None:
    body = '{"data":{"status":"failed","result":%s},"error":0}' % ("[" * depth + "]" * depth)
    with suppress(DecodeError):
        state = exchange().status(SEGMENTS, answer(body), DONE, FAILED)
        assert len(str(TaskFailed(state))) < 500


@pytest.mark.parametrize("depth", [5, 50, 400, 900])
def test_an_explanation_of_any_depth_does_not_cost_the_code(depth: int) -> None:
    body = '{"error":401,"error_text":%s}' % ("[" * depth + '"why"' + "]" * depth)
    with pytest.raises(Unauthorized) as caught:
        exchange().status(SEGMENTS, answer(body), DONE, FAILED)
    assert caught.value.text == ("why" if depth == 5 else "…")
