"""How a wait begins, ends and stalls: rules 1, 2 and 4 of the task machine, and cancelling."""

from __future__ import annotations

import math

import pytest

from altcraft import (
    BadRequest,
    ClientClosed,
    ConnectError,
    RateLimited,
    Retry,
    TaskFailed,
    TaskStalled,
    TaskStatus,
    WaitTimeout,
)
from altcraft.schema import TaskStatusRequest
from altcraft.tasks.events import (
    Began,
    Cancelled,
    Emit,
    Event,
    Failed,
    Finish,
    Notified,
    Observed,
    Responded,
    Send,
    Sleep,
    Woke,
)
from altcraft.tasks.machine import LAST_POLL, Policies, State, TaskMachine
from tasks.machines import (
    DONE,
    FAILED,
    REQUEST_TIMEOUT,
    RUNNING,
    STEADY,
    call,
    emits,
    error_of,
    only,
    sleeping,
    task,
    waiting,
)

# Rule 1: a wait ends with final data or an error.


@pytest.mark.parametrize("status", ["completed", "success"])
def test_a_done_task_ends_the_wait_with_its_result(status: str) -> None:
    commands = waiting().handle(Responded(1.0, TaskStatus(status, 100, ["result"])))
    assert commands[-1] == Finish(result=["result"])


@pytest.mark.parametrize("status", ["failed", "error", "canceled", "cancelled"])
def test_a_failed_task_ends_the_wait_with_task_failed(status: str) -> None:
    error = error_of(waiting().handle(Responded(1.0, TaskStatus(status, 50))))
    assert isinstance(error, TaskFailed)
    assert error.status == TaskStatus(status, 50)
    assert (error.operation, error.task_id) == ("segments/refresh_counters", "930b")


@pytest.mark.parametrize("partial", [None, ["half"], []])
def test_a_partial_result_never_ends_a_wait(partial: list[str] | None) -> None:
    for at, deadline in ((1.0, None), (1.0, 5.0)):
        command = only(waiting(deadline).handle(Responded(at, TaskStatus("running", 99, partial))))
        assert isinstance(command, Sleep)
    assert isinstance(error_of(waiting(5.0).handle(Responded(5.0, TaskStatus("running", 99, partial)))), WaitTimeout)


def test_progress_of_a_hundred_alone_ends_nothing() -> None:
    assert isinstance(only(waiting().handle(Responded(1.0, TaskStatus("running", 100, ["r"])))), Sleep)


def test_which_statuses_end_a_task_is_a_setting() -> None:
    polling = STEADY.replace(done={"ready"}, failed={"completed"})
    assert only(waiting(polling=polling).handle(Responded(1.0, TaskStatus("ready", None, 5)))) == Finish(result=5)
    assert isinstance(error_of(waiting(polling=polling).handle(Responded(1.0, DONE))), TaskFailed)


def test_a_result_may_be_none_and_the_wait_still_ends_with_it() -> None:
    assert waiting().handle(Responded(1.0, TaskStatus("completed")))[-1] == Finish()


# Rule 2: the first poll is immediate; sleeps and exchanges are cut to the time that is left.


@pytest.mark.parametrize("deadline", [None, 100.0, 5.0])
@pytest.mark.parametrize("submitted", [True, False])
def test_the_first_poll_is_immediate(deadline: float | None, submitted: bool) -> None:
    limit = min(REQUEST_TIMEOUT, deadline or math.inf)
    assert task(submitted=submitted).handle(Began(0.0, deadline)) == (Send(limit),)


@pytest.mark.parametrize("deadline", [50.0, 49.0])
def test_a_wait_that_begins_past_its_deadline_polls_once(deadline: float) -> None:
    machine = task()
    assert machine.handle(Began(50.0, deadline)) == (Send(LAST_POLL),)
    assert machine.handle(Responded(50.5, DONE))[-1] == Finish(result=["result"])


def test_a_sleep_is_cut_to_the_deadline_and_followed_by_one_last_poll_there() -> None:
    machine = waiting(deadline=0.25)
    assert only(machine.handle(Responded(0.0, RUNNING))) == Sleep(0.25)
    assert machine.handle(Woke(0.25)) == (Send(LAST_POLL),)
    error = error_of(machine.handle(Responded(0.3, RUNNING)))
    assert isinstance(error, WaitTimeout)
    assert str(error) == "segments/refresh_counters, task 930b: not done in time, last seen 'running' at 5 %"


def test_the_last_poll_counts() -> None:
    machine = sleeping(deadline=0.25)
    machine.handle(Woke(0.25))
    assert machine.handle(Responded(1.0, DONE))[-1] == Finish(result=["result"])


def test_the_last_poll_is_short_though_a_request_may_take_longer() -> None:
    machine = TaskMachine("t", "p", Policies(STEADY, Retry(), 0.2), at=0.0, submitted=True)
    assert machine.handle(Began(5.0, 5.0)) == (Send(0.2),)


@pytest.mark.parametrize(("left", "timeout"), [(100.0, REQUEST_TIMEOUT), (10.0, 10.0), (3.5, 3.5), (0.001, 0.001)])
def test_an_exchanges_timeout_is_cut_to_what_is_left(left: float, timeout: float) -> None:
    (command,) = task().handle(Began(100.0, 100.0 + left))
    assert isinstance(command, Send)
    assert command.timeout == pytest.approx(timeout)


def test_a_backoff_is_cut_to_the_deadline_and_followed_by_one_last_poll_there() -> None:
    machine = waiting(deadline=0.1)
    assert machine.handle(Failed(0.0, ConnectError("refused"))) == (Sleep(0.1),)
    assert machine.handle(Woke(0.1)) == (Send(LAST_POLL),)
    assert machine.handle(Responded(0.2, DONE))[-1] == Finish(result=["result"])


def test_a_retry_after_beyond_the_deadline_does_not_prolong_the_wait() -> None:
    machine = waiting(deadline=5.0)
    assert machine.handle(Failed(1.0, RateLimited(429, "", 429, 3600.0))) == (Sleep(4.0),)
    assert machine.handle(Woke(5.0)) == (Send(LAST_POLL),)


def test_the_tasks_own_deadline_counts_from_its_submission() -> None:
    machine = task(STEADY.replace(deadline=60.0), at=100.0)
    assert machine.handle(Began(155.0)) == (Send(5.0),)
    assert isinstance(error_of(machine.handle(Responded(160.0, RUNNING))), WaitTimeout)


@pytest.mark.parametrize(("timeout", "left"), [(3.0, 3.0), (30.0, 5.0), (None, 5.0)])
def test_the_earlier_of_the_two_deadlines_counts(timeout: float | None, left: float) -> None:
    machine = task(STEADY.replace(deadline=60.0), at=100.0)
    assert machine.handle(Began(155.0, None if timeout is None else 155.0 + timeout)) == (Send(left),)


def test_a_wait_without_deadline_lasts_as_long_as_the_task() -> None:
    machine, at = waiting(), 0.0
    for _ in range(1000):
        command = only(machine.handle(Responded(at, RUNNING)))
        assert isinstance(command, Sleep)
        at += command.seconds
        assert machine.handle(Woke(at)) == (Send(REQUEST_TIMEOUT),)
    assert at > 3600
    assert machine.handle(Responded(at, DONE))[-1] == Finish(result=["result"])


# Stalling.


def test_a_wait_is_stalled_after_stall_after_seconds_without_a_change() -> None:
    machine = waiting(polling=STEADY.replace(initial=15.0, stall_after=20.0))
    assert only(machine.handle(Responded(1.0, RUNNING))) == Sleep(15.0)
    machine.handle(Woke(16.0))
    assert only(machine.handle(Responded(16.0, RUNNING))) == Sleep(5.0)
    machine.handle(Woke(21.0))
    error = error_of(machine.handle(Responded(21.0, RUNNING)))
    assert isinstance(error, TaskStalled)
    assert "no progress for 20 s, last seen 'running' at 5 %" in str(error)
    assert error.status == RUNNING


@pytest.mark.parametrize("moved", [TaskStatus("running", 6), TaskStatus("counting", 5), TaskStatus("running", 4)])
def test_any_change_of_status_or_progress_restarts_the_stall_time(moved: TaskStatus[object]) -> None:
    machine = waiting(polling=STEADY.replace(stall_after=20.0))
    machine.handle(Responded(1.0, RUNNING))
    machine.handle(Woke(30.0))
    assert isinstance(only(machine.handle(Responded(30.0, moved))), Sleep)


def test_a_second_wait_starts_its_stall_time_anew() -> None:
    machine = waiting(polling=STEADY.replace(initial=15.0, stall_after=20.0))
    machine.handle(Responded(1.0, RUNNING))
    machine.handle(Woke(21.0))
    assert isinstance(error_of(machine.handle(Responded(21.0, RUNNING))), TaskStalled)
    machine.handle(Began(100.0))
    assert only(machine.handle(Responded(100.0, RUNNING))) == Sleep(20.0)
    machine.handle(Woke(120.0))
    assert isinstance(error_of(machine.handle(Responded(120.0, RUNNING))), TaskStalled)


def test_a_task_that_is_done_is_not_stalled_however_late_the_poll_is() -> None:
    machine = waiting(polling=STEADY.replace(stall_after=20.0))
    machine.handle(Responded(1.0, RUNNING))
    machine.handle(Woke(500.0))
    assert machine.handle(Responded(500.0, DONE))[-1] == Finish(result=["result"])


# Rule 4: the terminal state is emitted too, then exactly one of completed and failed.


@pytest.mark.parametrize(
    ("status", "emitted"),
    [
        (RUNNING, ["progress"]),
        (DONE, ["progress", "completed"]),
        (FAILED, ["progress", "failed"]),
    ],
)
def test_every_state_is_emitted_as_progress_before_the_end_is(status: TaskStatus[object], emitted: list[str]) -> None:
    commands = waiting().handle(Responded(1.0, status))
    assert emits(commands) == emitted
    assert commands[0] == Emit("progress", status)
    assert emits(task().handle(Observed(1.0, status))) == emitted


def test_the_end_is_emitted_with_the_value_that_the_wait_ends_with() -> None:
    *_, completed, finish = waiting().handle(Responded(1.0, DONE))
    assert (completed, finish) == (Emit("completed", ["result"]), Finish(result=["result"]))
    *_, failed, finish = waiting().handle(Responded(1.0, FAILED))
    assert isinstance(finish, Finish)
    assert isinstance(failed, Emit)
    assert failed.value is finish.error


@pytest.mark.parametrize("first", [DONE, FAILED])
@pytest.mark.parametrize("second", [DONE, FAILED, RUNNING])
def test_the_first_terminal_state_is_final(first: TaskStatus[object], second: TaskStatus[object]) -> None:
    machine = waiting()
    outcome = machine.handle(Observed(1.0, first)) and machine.outcome
    assert outcome is not None
    for event in (
        Observed(2.0, second),
        Responded(2.0, second),
        Began(3.0),
        Responded(3.0, second),
        Observed(4.0, second),
    ):
        commands = machine.handle(event)
        assert not emits(commands)
        assert set(map(id, commands)) <= {id(outcome)}
    assert machine.outcome is outcome
    assert machine.status is first


def test_waiting_for_a_task_whose_outcome_is_known_needs_no_exchange() -> None:
    machine = waiting()
    machine.handle(Responded(1.0, DONE))
    assert machine.handle(Began(100.0, 100.0)) == (Finish(result=["result"]),)


@pytest.mark.parametrize(
    "event", [Responded(5.0, RUNNING), Failed(5.0, BadRequest(400)), Cancelled(5.0), Notified(5.0)]
)
def test_events_after_the_end_change_nothing(event: Event) -> None:
    machine = waiting()
    machine.handle(Observed(1.0, DONE))
    assert machine.handle(event) == (Finish(result=["result"]),)


# Cancelling.


@pytest.mark.parametrize("machine", [task(), waiting(), sleeping()])
def test_closing_the_client_ends_the_wait(machine: TaskMachine) -> None:
    error = error_of(machine.handle(Cancelled(1.0)))
    assert isinstance(error, ClientClosed)
    assert (error.operation, error.task_id) == ("segments/refresh_counters", "930b")
    assert machine.state is State.IDLE


def test_closing_the_client_ends_a_backoff() -> None:
    machine = waiting()
    machine.handle(Failed(0.0, ConnectError("refused")))
    assert isinstance(error_of(machine.handle(Cancelled(0.1))), ClientClosed)


def test_closing_the_client_ends_a_call() -> None:
    idle, sending, backing_off = call(safe=True), call(safe=True), call(safe=True)
    sending.handle(Began(0.0))
    backing_off.handle(Began(0.0))
    backing_off.handle(Failed(0.0, ConnectError("refused")))
    for machine in (idle, sending, backing_off):
        assert isinstance(error_of(machine.handle(Cancelled(1.0))), ClientClosed)
        assert machine.state is State.DONE


@pytest.mark.parametrize("ending", [Cancelled(1.0), Failed(1.0, BadRequest(400))])
def test_a_task_whose_wait_ended_with_an_error_can_be_waited_for_again(ending: Event) -> None:
    machine = waiting()
    error_of(machine.handle(ending))
    assert machine.handle(Began(2.0)) == (Send(REQUEST_TIMEOUT),)
    assert machine.handle(Responded(3.0, DONE))[-1] == Finish(result=["result"])


def test_a_wait_timeout_carries_the_last_status() -> None:
    machine = sleeping(deadline=0.25)
    machine.handle(Woke(0.25))
    error = error_of(machine.handle(Responded(0.3, TaskStatus("running", 7))))
    assert isinstance(error, WaitTimeout)
    assert error.status == TaskStatus("running", 7)


def test_every_poll_asks_for_the_task_by_its_id() -> None:
    assert task().request == TaskStatusRequest("930b")
