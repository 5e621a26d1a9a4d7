"""Hooks of submissions and of waits: each start has its end."""

from __future__ import annotations

import contextlib
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

import altcraft
from altcraft import HttpResponse, TaskFailed, WaitTimeout
from altcraft.schema import Feedback, ResourcesRefreshCounters, SegmentsRefreshCounters
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


def test_a_submission_in_the_time_of_a_test_is_one_of_this_process_however_long_the_machine_runs() -> None:
    with client([STARTED]) as made:
        task = made.segments.refresh_counters(7, resource_id=24)
    assert task.submitted_at is not None
    assert timedelta(0) <= datetime.now(timezone.utc) - task.submitted_at < timedelta(hours=1)


def test_a_submission_tells_plain_values_without_the_token_feedback_and_defaults() -> None:
    recorder = Recorder()
    feedback = Feedback(url="https://caller.example/cb/secret")
    with client([STARTED], recorder) as made:
        made.submit(ResourcesRefreshCounters(24, feedback=feedback))
    (call,) = recorder.of("altcraft_submitting")
    assert call["submission"].fields == {"id": 24}


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


TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def traced(value: str) -> object:
    """A plugin that puts every submission at a place in a trace."""

    def put(submission: altcraft.Submission) -> None:
        submission.traceparent = value

    return plugin("altcraft_submitting", put)


def test_a_traceparent_that_a_plugin_sets_travels_in_the_resume_token() -> None:
    with client([STARTED], traced(TRACEPARENT)) as made:
        task = made.segments.refresh_counters(7, resource_id=24)
        again = made.tasks.resume(task.resume_token)
    assert task.traceparent == again.traceparent == TRACEPARENT
    assert task.submitted_at == again.submitted_at
    assert (again.polls, made.tasks.resume("t-1").submitted_at, made.tasks.resume("t-1").traceparent) == (0, None, "")


@pytest.mark.parametrize(
    "value", ["00-0-0-01", TRACEPARENT.replace("00-", "01-"), TRACEPARENT + "\n", "00-" + "0" * 52]
)
def test_a_traceparent_that_is_none_ends_the_submission_before_it_is_sent(value: str) -> None:
    recorder = Recorder()
    with client([], traced(value), recorder) as made, pytest.raises(ValueError, match="traceparent"):
        made.segments.refresh_counters(7, resource_id=24)
    assert recorder.names == ["submitting", "submission_failed"]


def test_the_polls_of_a_task_are_counted_over_its_handles() -> None:
    with client([STARTED, RUNNING, RUNNING, DONE]) as made:
        task = made.segments.refresh_counters(7, resource_id=24)
        task.poll()
        task.step()
        again = made.tasks.resume(task.resume_token)
        assert (task.polls, again.polls) == (2, 2)
        again.result()
        assert again.polls == 3


def test_an_exchange_knows_its_task_and_the_wait_that_it_belongs_to() -> None:
    recorder = Recorder()
    with client([STARTED, RUNNING, RUNNING, DONE], recorder) as made:
        task = made.segments.refresh_counters(7, resource_id=24)
        task.poll()
        task.result()
    submission, poll, first, last = (call["exchange"] for call in recorder.of("altcraft_exchange_started"))
    assert (submission.task, submission.wait) == (None, None)
    assert poll.wait is None
    assert len({id(exchange.task) for exchange in (poll, first, last)}) == 1
    (started,), (ended,) = recorder.of("altcraft_wait_started"), recorder.of("altcraft_wait_ended")
    assert first.wait is last.wait is started["wait"] is ended["wait"]
    assert not first.wait.is_grouped


def test_the_exchanges_of_a_group_know_the_wait_of_their_task() -> None:
    recorder = Recorder()
    with client([DONE, DONE], recorder) as made:
        tasks = [made.tasks.resume(name) for name in ("t-1", "t-2")]
        made.tasks.wait(tasks)
    waits = {call["task"].id: call["wait"] for call in recorder.of("altcraft_wait_started")}
    assert all(wait.is_grouped for wait in waits.values())
    exchanges = [call["exchange"] for call in recorder.of("altcraft_exchange_finished")]
    assert [waits[exchange.task_id] is exchange.wait for exchange in exchanges] == [True, True]
    assert {call["task"].id: call["wait"] for call in recorder.of("altcraft_wait_ended")} == waits
