"""What is sent again, and when: rules 3, 6 and 7 of the task machine."""

from __future__ import annotations

import math

import pytest

from altcraft import (
    AltcraftError,
    ApiError,
    BadRequest,
    ConnectError,
    ConnectionLost,
    DecodeError,
    NotFound,
    Polling,
    RateLimited,
    RequestTimeout,
    Retry,
    TaskStatus,
    UnsafeXml,
    WaitTimeout,
)
from altcraft.tasks.events import Began, Command, Emit, Failed, Finish, Responded, Send, Sleep, Woke
from altcraft.tasks.machine import FAILURES_KEPT, State, TaskMachine
from tasks.machines import DONE, REQUEST_TIMEOUT, RUNNING, STEADY, call, error_of, only, sleeping, task, waiting

# Rule 3: three things, three names.


def test_polling_paces_a_task_that_is_not_done() -> None:
    machine = waiting(polling=STEADY.replace(factor=2.0))
    slept, at = [], 0.0
    for _ in range(7):
        command = only(machine.handle(Responded(at, RUNNING)))
        assert isinstance(command, Sleep)
        slept.append(command.seconds)
        at += command.seconds
        machine.handle(Woke(at))
    assert slept == [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]


def test_the_next_delay_follows_from_the_whole_history() -> None:
    machine = waiting(polling=Polling(jitter=False))
    machine.handle(Responded(10.0, TaskStatus("running", 50)))
    assert machine.history.progress == 50
    assert machine.due == 10.0 + machine.policies.polling.next_delay(machine.history)
    assert machine.due > 11.0  # later than the first step: half the work took ten seconds


def test_a_failed_exchange_is_repeated_by_retry_and_not_by_polling() -> None:
    machine = waiting(retry=Retry(patience=29.0, base=2.0, maximum=8.0))
    first = only(machine.handle(Failed(1.0, RequestTimeout("slow"))))
    assert isinstance(first, Sleep)
    assert 1.0 <= first.seconds <= 2.0
    assert machine.state is State.BACKING_OFF
    assert machine.handle(Woke(1.0 + first.seconds)) == (Send(REQUEST_TIMEOUT),)
    second = only(machine.handle(Failed(10.0, RequestTimeout("slow"))))
    assert isinstance(second, Sleep)
    assert 2.0 <= second.seconds <= 4.0
    machine.handle(Woke(20.0))
    error = error_of(machine.handle(Failed(30.0, RequestTimeout("slow"))))
    assert isinstance(error, RequestTimeout)
    assert (error.operation, error.task_id) == ("segments/refresh_counters", "930b")


def test_an_answer_renews_the_patience_with_failures() -> None:
    machine = waiting(retry=Retry(patience=50.0))
    at = 0.0
    for _ in range(10):
        assert isinstance(only(machine.handle(Failed(at, ConnectionLost("reset")))), Sleep)
        at += 100
        machine.handle(Woke(at))
        assert isinstance(only(machine.handle(Responded(at, RUNNING))), Sleep)
        at += 100
        machine.handle(Woke(at))
    machine.handle(Failed(at, ConnectionLost("reset")))
    machine.handle(Woke(at + 100))
    assert isinstance(error_of(machine.handle(Failed(at + 100, ConnectionLost("reset")))), ConnectionLost)


def test_a_new_wait_begins_with_all_its_patience() -> None:
    machine = waiting(retry=Retry(patience=5.0))
    machine.handle(Failed(0.0, ConnectionLost("reset")))
    machine.handle(Woke(9.0))
    error_of(machine.handle(Failed(9.0, ConnectionLost("reset"))))
    assert machine.handle(Began(10.0)) == (Send(REQUEST_TIMEOUT),)
    assert isinstance(only(machine.handle(Failed(10.0, ConnectionLost("reset")))), Sleep)


@pytest.mark.parametrize("error", [BadRequest(400), NotFound(404), ApiError(500, "", 500), UnsafeXml("dtd")])
def test_a_refusal_that_a_retry_cannot_cure_ends_the_wait(error: AltcraftError) -> None:
    assert error_of(waiting(polling=STEADY.replace(grace=0)).handle(Failed(1.0, error))) is error


def unreadable(machine: TaskMachine, at: float) -> float:
    """Fails the poll under way, wakes the machine, and returns the time."""
    (command,) = machine.handle(Failed(at, DecodeError("cut short")))
    assert isinstance(command, Sleep)
    at += command.seconds
    assert isinstance(only(machine.handle(Woke(at))), Send)
    return at


def test_a_poll_whose_answer_cannot_be_read_is_repeated_three_times_in_a_row() -> None:
    machine = waiting()
    at = 0.0
    for _ in range(3):
        at = unreadable(machine, at)
    last = DecodeError("cut short")
    assert error_of(machine.handle(Failed(at, last))) is last


def test_an_answer_or_another_failure_lets_the_count_of_unreadable_ones_begin_anew() -> None:
    machine = waiting()
    at = 0.0
    for interruption in (Responded, ConnectionLost, Responded, ConnectionLost):
        for _ in range(3):
            at = unreadable(machine, at)
        event = Responded(at, RUNNING) if interruption is Responded else Failed(at, ConnectionLost("reset"))
        command = machine.handle(event)[-1]
        assert isinstance(command, Sleep)
        at += command.seconds
        machine.handle(Woke(at))


def test_unreadable_answers_are_repeated_no_longer_than_the_patience() -> None:
    machine = waiting(retry=Retry(patience=0.1, base=1.0))
    machine.handle(Failed(0.0, DecodeError("cut short")))
    machine.handle(Woke(0.1))
    assert isinstance(error_of(machine.handle(Failed(0.1, DecodeError("cut short")))), DecodeError)
    assert isinstance(error_of(waiting(retry=Retry(patience=0)).handle(Failed(0.0, DecodeError("x")))), DecodeError)


def test_a_result_that_does_not_fit_its_type_ends_the_wait_at_once() -> None:
    error = DecodeError("no number")
    error.is_lasting = True
    assert error_of(waiting().handle(Failed(1.0, error))) is error


def test_an_unreadable_answer_at_the_deadline_is_the_cause_of_the_timeout() -> None:
    cause = DecodeError("cut short")
    error = error_of(waiting(deadline=10.0).handle(Failed(10.0, cause)))
    assert isinstance(error, WaitTimeout)
    assert error.__cause__ is cause


def test_a_wait_that_times_out_over_a_failing_exchange_names_it_as_the_cause() -> None:
    cause = RequestTimeout("slow")
    error = error_of(waiting(deadline=10.0).handle(Failed(10.0, cause)))
    assert isinstance(error, WaitTimeout)
    assert error.__cause__ is cause
    assert "no poll was answered; the last poll failed" in str(error)


def test_a_refusal_at_the_deadline_is_the_error_of_the_wait() -> None:
    refusal = NotFound(404)
    assert error_of(waiting(deadline=10.0).handle(Failed(10.0, refusal))) is refusal


@pytest.mark.parametrize("early", [0.0, 0.1, 0.999])
def test_a_sleep_that_was_cut_short_goes_on(early: float) -> None:
    machine = sleeping()
    (command,) = machine.handle(Woke(early))
    assert command == Sleep(machine.due - early)
    assert machine.handle(Woke(machine.due)) == (Send(REQUEST_TIMEOUT),)


def test_a_backoff_that_was_cut_short_goes_on() -> None:
    machine = waiting()
    (command,) = machine.handle(Failed(0.0, ConnectError("refused")))
    assert isinstance(command, Sleep)
    assert machine.handle(Woke(0.1)) == (Sleep(pytest.approx(command.seconds - 0.1)),)
    assert machine.handle(Woke(command.seconds)) == (Send(REQUEST_TIMEOUT),)


# Rule 6: a poll may be repeated after any failure, a submission only when nothing was sent.


@pytest.mark.parametrize(
    "error",
    [ConnectError("c"), ConnectionLost("l"), RequestTimeout("r"), RateLimited(429, "", 429), ApiError(503, "", 503)],
)
def test_a_poll_is_repeated_after_any_failure_that_time_may_cure(error: AltcraftError) -> None:
    assert isinstance(only(waiting().handle(Failed(1.0, error))), Sleep)


@pytest.mark.parametrize(
    "error", [ConnectionLost("l"), RequestTimeout("r"), RateLimited(429, "", 429), ApiError(503, "", 503)]
)
def test_a_submission_that_may_have_been_processed_is_never_repeated(error: AltcraftError) -> None:
    machine = call(safe=False)
    assert machine.handle(Began(0.0)) == (Send(REQUEST_TIMEOUT),)
    assert machine.handle(Failed(1.0, error)) == (Finish(error=error),)


@pytest.mark.parametrize(
    "error", [ConnectionLost("l"), RequestTimeout("r"), RateLimited(429, "", 429), ApiError(503, "", 503)]
)
def test_a_reading_that_may_have_been_processed_is_repeated(error: AltcraftError) -> None:
    machine = call(safe=True)
    machine.handle(Began(0.0))
    (command,) = machine.handle(Failed(1.0, error))
    assert isinstance(command, Sleep)
    assert machine.handle(Woke(1.0 + command.seconds)) == (Send(REQUEST_TIMEOUT),)
    assert machine.handle(Responded(9.0, "answer")) == (Finish(result="answer"),)


@pytest.mark.parametrize("attempts", [1, 2, 4])
@pytest.mark.parametrize("safe", [True, False])
def test_after_a_connect_error_even_a_submission_is_repeated(attempts: int, safe: bool) -> None:
    machine, sent, at, error = call(safe=safe, retry=Retry(attempts=attempts)), 0, 0.0, ConnectError("refused")
    command: Command = only(machine.handle(Began(at)))
    while isinstance(command, Send):
        sent += 1
        command = only(machine.handle(Failed(at, error)))
        if isinstance(command, Sleep):
            assert machine.handle(Woke(at + command.seconds / 2)) == (Sleep(pytest.approx(command.seconds / 2)),)
            at += command.seconds
            command = only(machine.handle(Woke(at)))
    assert command == Finish(error=error)
    assert sent == attempts


@pytest.mark.parametrize(("asked", "waits"), [(30.0, True), (31.0, False), (86_400.0, False), (math.inf, False)])
def test_a_call_waits_for_a_server_no_longer_than_retry_allows(asked: float, waits: bool) -> None:
    machine, error = call(safe=True, retry=Retry(maximum=30.0)), ApiError(503, "", 503, asked)
    machine.handle(Began(0.0))
    assert machine.handle(Failed(0.0, error)) == ((Sleep(asked),) if waits else (Finish(error=error),))


def test_a_refused_call_ends_with_the_refusal() -> None:
    machine, error = call(safe=True), BadRequest(400)
    machine.handle(Began(0.0))
    assert machine.handle(Failed(1.0, error)) == (Finish(error=error),)
    assert machine.state is State.DONE


# Rule 7: an unknown status is data.


@pytest.mark.parametrize("status", ["queued", "", "COMPLETED", "done", "выполняется", "finished", "succes"])
@pytest.mark.parametrize("progress", [None, 0, 100, 12.5, -5, 1e9, math.nan])
def test_an_unknown_status_is_data(status: str, progress: float | None) -> None:
    state: TaskStatus[object] = TaskStatus(status, progress)
    emit, command = waiting().handle(Responded(1.0, state))
    assert emit == Emit("progress", state)
    assert isinstance(command, Sleep)
    assert 0 < command.seconds <= STEADY.maximum


# Outages, and replicas that lag behind.


def test_attempts_do_not_bound_a_wait() -> None:
    machine, at = waiting(retry=Retry(attempts=1, patience=300.0)), 0.0
    for _ in range(8):
        command = only(machine.handle(Failed(at, ConnectError("refused"))))
        assert isinstance(command, Sleep)
        at += command.seconds
        machine.handle(Woke(at))
    assert machine.handle(Responded(at, DONE))[-1] == Finish(result=["result"])


def test_the_last_repetition_comes_at_the_end_of_the_patience() -> None:
    machine, at, sleeps = waiting(retry=Retry(patience=20.0, base=8.0, maximum=16.0)), 0.0, []
    while isinstance(command := only(machine.handle(Failed(at, ConnectError("refused")))), Sleep):
        sleeps.append(command.seconds)
        at += command.seconds
        machine.handle(Woke(at))
    assert at == 20.0
    assert len(sleeps) >= 2


def test_the_deadline_ends_a_wait_before_its_patience_does() -> None:
    machine = waiting(deadline=10.0, retry=Retry(base=8.0, maximum=16.0))
    (sleep,) = machine.handle(Failed(4.0, ConnectError("refused")))
    assert sleep == Sleep(pytest.approx(6.0, abs=2.1))
    machine.handle(Woke(10.0))
    assert isinstance(error_of(machine.handle(Failed(10.0, ConnectError("refused")))), WaitTimeout)


def test_a_retry_after_beyond_the_patience_is_kept() -> None:
    machine = waiting(retry=Retry(patience=20.0))
    assert machine.handle(Failed(0.0, RateLimited(429, "", 429, retry_after=60.0))) == (Sleep(60.0),)


def test_a_patience_of_0_ends_a_wait_with_the_first_failure() -> None:
    failure = ConnectError("refused")
    assert error_of(waiting(retry=Retry(patience=0)).handle(Failed(1.0, failure))) is failure


def test_a_machine_remembers_the_first_failure_and_the_last_ones() -> None:
    machine = waiting(retry=Retry(patience=1e9))
    for number in range(100):
        machine.handle(Failed(number * 60.0, ConnectError(f"refused {number}")))
        machine.handle(Woke(number * 60.0 + 59))
    assert len(machine.failed) == FAILURES_KEPT
    assert machine.failed[0] == (0.0, "ConnectError: refused 0")
    assert machine.failed[-1] == (99 * 60.0, "ConnectError: refused 99")


def test_a_task_that_the_platform_does_not_know_yet_is_polled_again_within_the_grace() -> None:
    machine = waiting(polling=STEADY.replace(grace=5.0))
    assert machine.handle(Failed(0.1, NotFound(404))) == (Sleep(pytest.approx(1.0)),)
    machine.handle(Woke(1.1))
    assert machine.failed == ()
    assert isinstance(only(machine.handle(Responded(1.2, RUNNING))), Sleep)


def test_a_task_that_the_platform_does_not_know_after_the_grace_ends_the_wait() -> None:
    machine = waiting(polling=STEADY.replace(grace=5.0))
    assert isinstance(error_of(machine.handle(Failed(5.0, NotFound(404)))), NotFound)


def test_the_grace_is_for_tasks_submitted_here() -> None:
    machine = task(submitted=False)
    machine.handle(Began(0.0))
    assert isinstance(error_of(machine.handle(Failed(0.1, NotFound(404)))), NotFound)


def test_a_deadline_within_the_grace_is_a_timeout() -> None:
    machine = waiting(deadline=1.0)
    machine.handle(Failed(0.1, NotFound(404)))
    machine.handle(Woke(1.0))
    assert isinstance(error_of(machine.handle(Failed(1.0, NotFound(404)))), WaitTimeout)
