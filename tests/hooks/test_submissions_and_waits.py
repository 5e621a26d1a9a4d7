"""Hooks of submissions and of waits: each start has its end."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest

import altcraft
from altcraft import HttpResponse, TaskFailed, WaitTimeout
from altcraft.schema import SegmentsRefreshCounters
from altcraft.testing import reply
from hooks.plugins import DONE, FAILED, RUNNING, STARTED, Recorder, client, plugin, raises

pytestmark = pytest.mark.usefixtures("both_clients")


def test_a_submission_is_announced_and_ends_in_a_task_or_a_failure() -> None:
    recorder = Recorder()
    request = SegmentsRefreshCounters(7, 24, db_id=1)
    script = [STARTED, reply(error=400, error_text="no such segment"), altcraft.ConnectionLost("reset")]
    with client(script, recorder) as made:
        task = made.submit(request, key="my-key", note="crm-42")
        for refused in (altcraft.BadRequest, altcraft.ConnectionLost):
            with pytest.raises(refused):
                made.submit(request)
    first, second, third = (call["submission"] for call in recorder.of("altcraft_submitting"))
    assert (first.key, first.operation, first.request, first.note) == (
        "my-key", "segments/refresh_counters", request, "crm-42",
    )  # fmt: skip
    assert first.submitted_at.tzinfo is not None
    assert len({first.key, second.key, third.key}) == 3
    (submitted,) = recorder.of("altcraft_task_submitted")
    assert submitted["submission"] is first
    assert (task.request, task.key, task.note) == (request, "my-key", "crm-42")
    failed = recorder.of("altcraft_submission_failed")
    assert [call["submission"] for call in failed] == [second, third]
    assert [call["in_doubt"] for call in failed] == [False, True]


@pytest.mark.parametrize(
    ("outcome", "in_doubt"),
    [
        (altcraft.ConnectError("refused"), False),
        (altcraft.RequestTimeout("slow"), True),
        (KeyboardInterrupt(), True),
        (reply(error=401, status=401), False),
        (reply(error=429, status=429), False),
        (HttpResponse(502, {}, b"<html>bad gateway</html>"), True),
        (HttpResponse(200, {}, b"<html>welcome</html>"), True),
        (reply({}), True),
    ],
    ids=["connect", "timeout", "interrupt", "refused", "rate", "gateway", "page", "no id"],
)
def test_a_failed_submission_says_whether_a_task_may_have_been_started(outcome: Any, in_doubt: bool) -> None:
    recorder = Recorder()
    made = client([outcome], recorder, retry=altcraft.Retry(attempts=1))
    with made, pytest.raises((altcraft.AltcraftError, KeyboardInterrupt)):
        made.segments.refresh_counters(7, resource_id=24)
    (failed,) = recorder.of("altcraft_submission_failed")
    assert failed["in_doubt"] is in_doubt


def test_the_key_stays_the_same_over_the_retries_of_a_submission() -> None:
    recorder = Recorder()
    with client([altcraft.ConnectError("refused"), STARTED], recorder) as made:
        made.segments.refresh_counters(7, resource_id=24)
    assert len(recorder.of("altcraft_submitting")) == 1
    assert len(recorder.of("altcraft_exchange_started")) == 2


def test_what_submitting_raises_ends_the_submission_before_it_is_sent() -> None:
    recorder = Recorder()
    made = client([], plugin("altcraft_submitting", raises), recorder)
    with made, pytest.raises(ValueError, match="a bug in a plugin"):
        made.segments.refresh_counters(7, resource_id=24)
    assert recorder.names == ["submitting", "submission_failed"]
    assert recorder.of("altcraft_submission_failed")[0]["in_doubt"] is False


@pytest.mark.parametrize(
    ("script", "error"),
    [
        ([DONE], None),
        ([FAILED], None),
        ([RUNNING] * 50, WaitTimeout),
        ([reply(error=403)], altcraft.Forbidden),
        ([KeyboardInterrupt()], KeyboardInterrupt),
    ],
    ids=["done", "failed", "timeout", "refusal", "interrupt"],
)
def test_every_wait_has_its_start_and_its_end(script: list[Any], error: type[BaseException] | None) -> None:
    recorder = Recorder()
    with client(script, recorder) as made:
        task = made.tasks.resume("t-1")
        with contextlib.suppress(TaskFailed, error or TaskFailed):
            task.result(timeout=5)
    (started,), (ended,) = recorder.of("altcraft_wait_started"), recorder.of("altcraft_wait_ended")
    assert started["task"] is ended["task"]
    assert ended["error"] is None if error is None else isinstance(ended["error"], error)
    assert recorder.names[0] == "wait_started"
    assert recorder.names[-1] == "wait_ended"


def test_a_request_that_cannot_be_written_leaves_no_doubt() -> None:
    class Filtered(altcraft.TaskRequest[list[str]], frozen=True):
        filter: str

    recorder = Recorder()
    with client([], recorder, codec="xml") as made:
        made.operations.register(altcraft.Operation("filtered", Filtered))
        with pytest.raises(altcraft.EncodeError):
            made.submit(Filtered("a\0b"))
    assert [call["in_doubt"] for call in recorder.of("altcraft_submission_failed")] == [False]
