"""The task loop, by its rules: events go in, commands are looked at, nothing else takes part."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from altcraft import (
    AltcraftError,
    ApiError,
    BadRequest,
    ClientClosed,
    ConnectError,
    ConnectionLost,
    DecodeError,
    Feedback,
    NotFound,
    Polling,
    RateLimited,
    RequestTimeout,
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
    Command,
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
from altcraft.tasks.hints import HintBreaker
from altcraft.tasks.machine import LAST_LOOK, CallMachine, Policies, State, TaskMachine
from altcraft.tasks.resume import parse_resume_token

STEADY = Polling(jitter=False, predict=False)  # steps of 1, 1.5, 2.25 ... 30 s
REQUEST_TIMEOUT = 10.0
RUNNING = TaskStatus("running", 5)
DONE = TaskStatus("completed", 100, ["result"])
FAILED = TaskStatus("failed", 50)
EVENTS: dict[type[Event], Event] = {
    Began: Began(0.0), Responded: Responded(0.0, RUNNING), Failed: Failed(0.0, BadRequest(400)), Woke: Woke(0.0),
    Notified: Notified(0.0), Observed: Observed(0.0, RUNNING), Cancelled: Cancelled(0.0),
}  # fmt: skip


def task(
    polling: Polling = STEADY, retry: Retry | None = None, *, at: float = 0.0, submitted: bool = True
) -> TaskMachine:
    return TaskMachine(
        "930b",
        "segments/refresh_counters",
        Policies(polling, retry or Retry(), REQUEST_TIMEOUT),
        at=at,
        submitted=submitted,
    )


def call(*, safe: bool, retry: Retry | None = None) -> CallMachine:
    return CallMachine(Policies(STEADY, retry or Retry(), REQUEST_TIMEOUT), safe=safe)


def waiting(deadline: float | None = None, polling: Polling = STEADY, retry: Retry | None = None) -> TaskMachine:
    """A task whose wait has begun at 0, and whose first poll is under way."""
    machine = task(polling, retry)
    machine.handle(Began(0.0, deadline))
    return machine


def sleeping(deadline: float | None = None, polling: Polling = STEADY) -> TaskMachine:
    """A task that was looked at at 0, and is slept over."""
    machine = waiting(deadline, polling)
    machine.handle(Responded(0.0, RUNNING))
    return machine


def only(commands: tuple[Command, ...]) -> Command:
    """The last command; those before it are all Emits."""
    assert commands
    assert all(isinstance(command, Emit) for command in commands[:-1])
    return commands[-1]


def emits(commands: tuple[Command, ...]) -> list[str]:
    return [command.what for command in commands if isinstance(command, Emit)]


def error_of(commands: tuple[Command, ...]) -> AltcraftError:
    finish = only(commands)
    assert isinstance(finish, Finish)
    assert finish.error is not None
    assert finish.result is None
    return finish.error


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


# Rule 2: the first poll is immediate, and everything is cut to what is left.


@pytest.mark.parametrize("deadline", [None, 100.0, 5.0])
@pytest.mark.parametrize("submitted", [True, False])
def test_the_first_poll_is_immediate(deadline: float | None, submitted: bool) -> None:
    limit = min(REQUEST_TIMEOUT, deadline or math.inf)
    assert task(submitted=submitted).handle(Began(0.0, deadline)) == (Send(limit),)


@pytest.mark.parametrize("deadline", [50.0, 49.0])
def test_a_wait_whose_time_is_up_from_the_start_still_looks_once(deadline: float) -> None:
    machine = task()
    assert machine.handle(Began(50.0, deadline)) == (Send(LAST_LOOK),)
    assert machine.handle(Responded(50.5, DONE))[-1] == Finish(result=["result"])


def test_a_sleep_is_cut_to_the_deadline_and_followed_by_one_last_poll_there() -> None:
    machine = waiting(deadline=0.25)
    assert only(machine.handle(Responded(0.0, RUNNING))) == Sleep(0.25)
    assert machine.handle(Woke(0.25)) == (Send(LAST_LOOK),)
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
    assert machine.handle(Woke(0.1)) == (Send(LAST_LOOK),)
    assert machine.handle(Responded(0.2, DONE))[-1] == Finish(result=["result"])


def test_a_retry_after_beyond_the_deadline_does_not_prolong_the_wait() -> None:
    machine = waiting(deadline=5.0)
    assert machine.handle(Failed(1.0, RateLimited(429, "", 429, 3600.0))) == (Sleep(4.0),)
    assert machine.handle(Woke(5.0)) == (Send(LAST_LOOK),)


def test_the_tasks_own_deadline_counts_from_its_submission() -> None:
    machine = task(STEADY.replace(deadline=60.0), at=100.0)
    assert machine.handle(Began(155.0)) == (Send(5.0),)
    assert isinstance(error_of(machine.handle(Responded(160.0, RUNNING))), WaitTimeout)


@pytest.mark.parametrize(("timeout", "left"), [(3.0, 3.0), (30.0, 5.0), (None, 5.0)])
def test_of_the_tasks_deadline_and_the_waits_the_earlier_one_counts(timeout: float | None, left: float) -> None:
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


def test_polling_is_asked_with_all_that_the_polls_have_shown() -> None:
    machine = waiting(polling=Polling(jitter=False))
    machine.handle(Responded(10.0, TaskStatus("running", 50)))
    assert machine.history.progress == 50
    assert machine.due == 10.0 + machine.policies.polling.next_delay(machine.history)
    assert machine.due > 11.0  # later than the first step: half the work took ten seconds


def test_a_failed_exchange_is_repeated_by_retry_and_not_by_polling() -> None:
    machine = waiting(retry=Retry(attempts=3, base=2.0, maximum=8.0))
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


def test_an_answer_makes_the_failures_before_it_forgotten() -> None:
    machine = waiting(retry=Retry(attempts=2))
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


def test_a_new_wait_begins_with_all_its_attempts() -> None:
    machine = waiting(retry=Retry(attempts=2))
    machine.handle(Failed(0.0, ConnectionLost("reset")))
    machine.handle(Woke(9.0))
    error_of(machine.handle(Failed(9.0, ConnectionLost("reset"))))
    assert machine.handle(Began(10.0)) == (Send(REQUEST_TIMEOUT),)
    assert isinstance(only(machine.handle(Failed(10.0, ConnectionLost("reset")))), Sleep)


@pytest.mark.parametrize("error", [BadRequest(400), NotFound(404), ApiError(500, "", 500), DecodeError("html")])
def test_a_refusal_that_would_only_be_repeated_ends_the_wait(error: AltcraftError) -> None:
    assert error_of(waiting().handle(Failed(1.0, error))) is error


def test_a_wait_that_times_out_over_a_failing_exchange_names_it_as_the_cause() -> None:
    cause = RequestTimeout("slow")
    error = error_of(waiting(deadline=10.0).handle(Failed(10.0, cause)))
    assert isinstance(error, WaitTimeout)
    assert error.__cause__ is cause
    assert "no poll was answered; the last poll failed" in str(error)


def test_a_refusal_at_the_deadline_is_told_as_such() -> None:
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


# Stalling.


def test_a_task_that_has_not_moved_for_so_long_is_stalled_and_seen_to_be_in_time() -> None:
    machine = waiting(polling=STEADY.replace(initial=15.0, stall_after=20.0))
    assert only(machine.handle(Responded(1.0, RUNNING))) == Sleep(15.0)
    machine.handle(Woke(16.0))
    assert only(machine.handle(Responded(16.0, RUNNING))) == Sleep(5.0)
    machine.handle(Woke(21.0))
    error = error_of(machine.handle(Responded(21.0, RUNNING)))
    assert isinstance(error, TaskStalled)
    assert "no progress for 20 s, last seen 'running' at 5 %" in str(error)
    assert error.status == RUNNING
    assert parse_resume_token(error.resume_token).task_id == "930b"


@pytest.mark.parametrize("moved", [TaskStatus("running", 6), TaskStatus("counting", 5), TaskStatus("running", 4)])
def test_any_change_of_status_or_progress_is_a_move(moved: TaskStatus[object]) -> None:
    machine = waiting(polling=STEADY.replace(stall_after=20.0))
    machine.handle(Responded(1.0, RUNNING))
    machine.handle(Woke(30.0))
    assert isinstance(only(machine.handle(Responded(30.0, moved))), Sleep)


def test_a_task_that_is_done_is_not_stalled_however_late_it_is_seen() -> None:
    machine = waiting(polling=STEADY.replace(stall_after=20.0))
    machine.handle(Responded(1.0, RUNNING))
    machine.handle(Woke(500.0))
    assert machine.handle(Responded(500.0, DONE))[-1] == Finish(result=["result"])


# Rule 4: the terminal state is seen too, and one of completed and failed is emitted, once.


@pytest.mark.parametrize(
    ("status", "emitted"),
    [
        (RUNNING, ["progress"]),
        (DONE, ["progress", "completed"]),
        (FAILED, ["progress", "failed"]),
    ],
)
def test_whoever_watches_sees_every_state_before_the_end_is_told(
    status: TaskStatus[object], emitted: list[str]
) -> None:
    commands = waiting().handle(Responded(1.0, status))
    assert emits(commands) == emitted
    assert commands[0] == Emit("progress", status)
    assert emits(task().handle(Observed(1.0, status))) == emitted


def test_what_is_told_of_the_end_is_what_the_wait_ends_with() -> None:
    *_, completed, finish = waiting().handle(Responded(1.0, DONE))
    assert (completed, finish) == (Emit("completed", ["result"]), Finish(result=["result"]))
    *_, failed, finish = waiting().handle(Responded(1.0, FAILED))
    assert isinstance(finish, Finish)
    assert isinstance(failed, Emit)
    assert failed.value is finish.error


@pytest.mark.parametrize("first", [DONE, FAILED])
@pytest.mark.parametrize("second", [DONE, FAILED, RUNNING])
def test_the_first_terminal_state_is_for_good(first: TaskStatus[object], second: TaskStatus[object]) -> None:
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


def test_waiting_for_a_task_whose_end_is_known_needs_no_exchange() -> None:
    machine = waiting()
    machine.handle(Responded(1.0, DONE))
    assert machine.handle(Began(100.0, 100.0)) == (Finish(result=["result"]),)


@pytest.mark.parametrize(
    "event", [Responded(5.0, RUNNING), Failed(5.0, BadRequest(400)), Cancelled(5.0), Notified(5.0)]
)
def test_what_comes_after_the_end_changes_nothing(event: Event) -> None:
    machine = waiting()
    machine.handle(Observed(1.0, DONE))
    assert machine.handle(event) == (Finish(result=["result"]),)


# Rule 5: a hint makes the machine poll now, and only the poll is believed.


def test_a_hint_ends_a_sleep_with_a_poll() -> None:
    assert sleeping().handle(Notified(0.1)) == (Send(REQUEST_TIMEOUT),)


def test_a_hint_is_not_believed() -> None:
    machine = sleeping()
    machine.handle(Notified(0.1))
    assert machine.outcome is None
    assert isinstance(only(machine.handle(Responded(0.2, RUNNING))), Sleep)


@pytest.mark.parametrize("hints", [1, 2, 1000])
def test_however_many_hints_during_a_poll_earn_one_more_poll(hints: int) -> None:
    machine = waiting()
    for _ in range(hints):
        assert machine.handle(Notified(0.1)) == ()
    assert machine.handle(Responded(0.2, RUNNING)) == (Emit("progress", RUNNING), Send(REQUEST_TIMEOUT))
    assert isinstance(only(machine.handle(Responded(0.3, RUNNING))), Sleep)


def test_a_hint_during_the_poll_that_finds_the_end_earns_none() -> None:
    machine = waiting()
    machine.handle(Notified(0.1))
    assert machine.handle(Responded(0.2, DONE))[-1] == Finish(result=["result"])


@pytest.mark.parametrize("hints", [1, 50])
def test_hints_during_a_backoff_wait_for_it_to_end(hints: int) -> None:
    machine = waiting()
    (backoff,) = machine.handle(Failed(0.0, ConnectError("refused")))
    assert isinstance(backoff, Sleep)
    for _ in range(hints):
        (rest,) = machine.handle(Notified(0.1))
        assert rest == Sleep(pytest.approx(backoff.seconds - 0.1))
    assert machine.handle(Woke(backoff.seconds)) == (Send(REQUEST_TIMEOUT),)
    assert isinstance(only(machine.handle(Responded(2.0, RUNNING))), Sleep)


def test_a_hint_before_a_failing_poll_does_not_skip_the_backoff() -> None:
    machine = waiting()
    machine.handle(Notified(0.1))
    assert isinstance(only(machine.handle(Failed(0.2, ConnectError("refused")))), Sleep)


def test_a_hint_at_the_deadline_earns_no_poll_beyond_it() -> None:
    machine = waiting(deadline=5.0)
    machine.handle(Notified(4.9))
    assert isinstance(error_of(machine.handle(Responded(5.0, RUNNING))), WaitTimeout)


def test_a_hint_while_nobody_waits_does_nothing() -> None:
    machine = task()
    assert machine.handle(Notified(1.0)) == ()
    assert machine.state is State.IDLE


def test_a_status_learnt_elsewhere_during_a_sleep_is_told_and_remembered() -> None:
    machine = sleeping()
    assert machine.handle(Observed(0.1, TaskStatus("running", 50))) == (Emit("progress", TaskStatus("running", 50)),)
    assert machine.status == TaskStatus("running", 50)
    assert machine.history.progress == 50
    machine.handle(Observed(0.2, DONE))
    assert machine.handle(Woke(0.3)) == (Finish(result=["result"]),)


# Rule 6: what may be asked for again, and when.


@pytest.mark.parametrize(
    "error",
    [ConnectError("c"), ConnectionLost("l"), RequestTimeout("r"), RateLimited(429, "", 429), ApiError(503, "", 503)],
)
def test_a_status_is_asked_for_again_after_any_failure_that_may_pass(error: AltcraftError) -> None:
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
def test_where_nothing_was_sent_anything_is_repeated_as_often_as_retry_says(attempts: int, safe: bool) -> None:
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


# Rule 7: statuses that nobody has heard of.


@pytest.mark.parametrize("status", ["queued", "", "COMPLETED", "done", "выполняется", "finished", "succes"])
@pytest.mark.parametrize("progress", [None, 0, 100, 12.5, -5, 1e9, math.nan])
def test_a_status_that_nobody_has_heard_of_is_data(status: str, progress: float | None) -> None:
    state: TaskStatus[object] = TaskStatus(status, progress)
    emit, command = waiting().handle(Responded(1.0, state))
    assert emit == Emit("progress", state)
    assert isinstance(command, Sleep)
    assert 0 < command.seconds <= STEADY.maximum


# Rule 8: a task with feedback is left alone until the hint is late.


def announced(trust: HintBreaker, polling: Polling = STEADY, deadline: float | None = None) -> TaskMachine:
    """A task whose end is to be announced, slept over after its first poll."""
    machine = TaskMachine(
        "930b",
        "p",
        Policies(polling, Retry(), REQUEST_TIMEOUT, trust),
        at=0.0,
        submitted=True,
        feedback=Feedback("http://me"),
    )
    machine.handle(Began(0.0, deadline))
    machine.handle(Responded(0.0, TaskStatus("running")))
    return machine


def next_poll(machine: TaskMachine) -> float:
    """When a machine that sleeps polls next, if nothing happens before."""
    for _ in range(1000):
        at = machine.due
        if isinstance(machine.handle(Woke(at))[-1], Send):
            return at
    raise AssertionError("it never polls")


UNCHECKED = STEADY.replace(hint_checks=0)
PREDICTING = STEADY.replace(predict=True)


def test_a_task_with_feedback_is_left_alone_for_as_long_as_patience_lasts() -> None:
    assert next_poll(announced(HintBreaker(), UNCHECKED)) == UNCHECKED.hint_patience > next_poll(sleeping())


def test_a_task_that_is_left_alone_wakes_without_a_poll_to_think_it_over() -> None:
    machine = announced(HintBreaker(), UNCHECKED)
    for _ in range(4):
        (command,) = machine.handle(Woke(machine.due))
        assert isinstance(command, Sleep)
        assert command.seconds < UNCHECKED.hint_patience / 4
    assert machine.history.polls == 1


def test_as_soon_as_hints_are_found_unreliable_whoever_is_left_alone_is_polled() -> None:
    trust = HintBreaker()
    machine = announced(trust, UNCHECKED)
    machine.handle(Woke(machine.due))
    trust.ended(False)
    assert machine.handle(Woke(machine.due)) == (Send(REQUEST_TIMEOUT),)


def test_a_few_of_those_left_alone_are_looked_at_once_when_they_have_had_time_to_show_progress() -> None:
    trust = HintBreaker()
    polls = [next_poll(announced(trust, PREDICTING.replace(hint_checks=2))) for _ in range(4)]
    assert polls == [2.0, 2.0, 10.0, 10.0]


def test_nobody_is_checked_where_progress_is_to_tell_nothing() -> None:
    assert next_poll(announced(HintBreaker(), STEADY)) == 10.0


def test_a_task_whose_first_look_has_shown_progress_needs_no_check() -> None:
    trust = HintBreaker()
    policies = Policies(PREDICTING, Retry(), REQUEST_TIMEOUT, trust)
    machine = TaskMachine("930b", "p", policies, at=-2.0, submitted=True, feedback=Feedback("http://me"))
    machine.handle(Began(0.0))
    machine.handle(Responded(0.0, TaskStatus("running", 25)))
    assert 6.0 < next_poll(machine) < 6.5
    assert [trust.check(8) for _ in range(9)] == [True] * 8 + [False]


def test_what_a_check_has_shown_of_the_end_bounds_the_patience() -> None:
    machine = announced(HintBreaker(), PREDICTING)
    at = next_poll(machine)
    machine.handle(Responded(at, TaskStatus("running", 50)))
    assert 4.0 < next_poll(machine) < 4.5


def test_a_check_that_shows_no_progress_is_not_repeated() -> None:
    machine = announced(HintBreaker(), PREDICTING)
    at = next_poll(machine)
    machine.handle(Responded(at, TaskStatus("running", 0)))
    assert next_poll(machine) == 10.0


def test_a_hint_that_comes_after_a_check_ends_the_task_by_a_single_further_poll() -> None:
    trust = HintBreaker()
    machine = announced(trust, PREDICTING)
    at = next_poll(machine)
    machine.handle(Responded(at, TaskStatus("running", 50)))
    assert machine.handle(Notified(4.0)) == (Send(REQUEST_TIMEOUT),)
    assert machine.handle(Responded(4.0, DONE))[-1] == Finish(result=["result"])
    assert machine.history.polls == 3
    assert trust.holds


def test_the_backoff_of_a_failed_poll_is_no_time_to_think() -> None:
    machine = announced(HintBreaker(), UNCHECKED)
    machine.handle(Notified(1.0))
    machine.handle(Failed(1.0, RequestTimeout("slow")))
    assert machine.handle(Woke(machine.due)) == (Send(REQUEST_TIMEOUT),)


def test_a_deadline_is_kept_by_a_task_that_is_left_alone() -> None:
    machine = announced(HintBreaker(), UNCHECKED, deadline=7.0)
    assert next_poll(machine) == 7.0


def test_a_task_with_feedback_is_polled_at_once_when_the_hint_comes() -> None:
    machine = announced(HintBreaker())
    assert machine.handle(Notified(3.0)) == (Send(REQUEST_TIMEOUT),)
    assert machine.handle(Responded(3.1, DONE))[-1] == Finish(result=["result"])


def test_a_hint_that_came_too_early_is_spent() -> None:
    machine = announced(HintBreaker())
    machine.handle(Notified(3.0))
    machine.handle(Responded(3.0, TaskStatus("running")))
    assert machine.due - 3.0 < STEADY.hint_patience / 2


def test_once_an_end_came_without_a_hint_no_task_is_left_alone() -> None:
    trust = HintBreaker()
    first, second = announced(trust), announced(trust)
    next_poll(first)
    first.handle(Responded(20.0, DONE))
    assert not trust.holds
    assert next_poll(second) < 1.0
    second.handle(Responded(20.0, TaskStatus("running")))
    assert second.due - 20.0 < STEADY.hint_patience / 2
    assert announced(trust).due < STEADY.hint_patience / 2


def test_ends_that_were_announced_keep_the_trust() -> None:
    trust = HintBreaker()
    for _ in range(3):
        machine = announced(trust)
        machine.handle(Notified(3.0))
        machine.handle(Responded(3.1, DONE))
    assert trust.holds


# Cancelling.


@pytest.mark.parametrize("machine", [task(), waiting(), sleeping()])
def test_a_closed_client_ends_the_wait_and_leads_back_to_the_task(machine: TaskMachine) -> None:
    error = error_of(machine.handle(Cancelled(1.0)))
    assert isinstance(error, ClientClosed)
    assert error.resume_token is not None
    token = parse_resume_token(error.resume_token)
    assert (token.task_id, token.operation) == ("930b", "segments/refresh_counters")
    assert machine.state is State.IDLE


def test_a_closed_client_ends_a_backoff_too() -> None:
    machine = waiting()
    machine.handle(Failed(0.0, ConnectError("refused")))
    assert isinstance(error_of(machine.handle(Cancelled(0.1))), ClientClosed)


def test_a_closed_client_ends_a_call() -> None:
    idle, sending, backing_off = call(safe=True), call(safe=True), call(safe=True)
    sending.handle(Began(0.0))
    backing_off.handle(Began(0.0))
    backing_off.handle(Failed(0.0, ConnectError("refused")))
    for machine in (idle, sending, backing_off):
        assert isinstance(error_of(machine.handle(Cancelled(1.0))), ClientClosed)
        assert machine.state is State.DONE


@pytest.mark.parametrize("ending", [Cancelled(1.0), Failed(1.0, BadRequest(400))])
def test_a_wait_that_ended_with_an_error_can_be_begun_again(ending: Event) -> None:
    machine = waiting()
    error_of(machine.handle(ending))
    assert machine.handle(Began(2.0)) == (Send(REQUEST_TIMEOUT),)
    assert machine.handle(Responded(3.0, DONE))[-1] == Finish(result=["result"])


def test_an_error_of_waiting_carries_the_last_status_and_leads_back_to_the_task() -> None:
    machine = sleeping(deadline=0.25)
    machine.handle(Woke(0.25))
    error = error_of(machine.handle(Responded(0.3, TaskStatus("running", 7))))
    assert isinstance(error, WaitTimeout)
    assert error.status == TaskStatus("running", 7)
    assert parse_resume_token(error.resume_token).operation == "segments/refresh_counters"


def test_every_poll_asks_for_the_task_by_its_id() -> None:
    assert task().request == TaskStatusRequest("930b")


# The table.

IMPOSSIBLE = {
    TaskMachine: {
        *itertools.product([State.IDLE], [Responded, Failed, Woke]),
        *itertools.product([State.SENDING], [Began, Woke]),
        *itertools.product([State.SLEEPING, State.BACKING_OFF], [Began, Responded, Failed]),
    },
    CallMachine: {
        *itertools.product([State.IDLE], [Responded, Failed, Woke, Notified, Observed]),
        *itertools.product([State.SENDING], [Began, Woke, Notified, Observed]),
        *itertools.product([State.SLEEPING], EVENTS),
        *itertools.product([State.BACKING_OFF], [Began, Responded, Failed, Notified, Observed]),
        *itertools.product([State.DONE], EVENTS),
    },
}


@pytest.mark.parametrize("kind", [TaskMachine, CallMachine])
def test_every_event_in_every_state_is_in_the_table_or_impossible_on_purpose(kind: type[TaskMachine]) -> None:
    everything = set(itertools.product(State, EVENTS))
    assert set(kind.TABLE) | IMPOSSIBLE[kind] == everything
    assert not set(kind.TABLE) & IMPOSSIBLE[kind]


def test_the_table_knows_every_event_that_there_is() -> None:
    assert set(Event.__subclasses__()) == set(EVENTS)


@pytest.mark.parametrize(
    ("kind", "state", "event"),
    [(kind, state, event) for kind, pairs in IMPOSSIBLE.items() for state, event in sorted(pairs, key=str)],
)
def test_an_impossible_event_is_a_runtime_error_that_changes_nothing(
    kind: type, state: State, event: type[Event]
) -> None:
    machine = task() if kind is TaskMachine else call(safe=True)
    machine.state = state
    with pytest.raises(RuntimeError, match=f"{event.__name__} makes no sense while {state.value}"):
        machine.handle(EVENTS[event])
    assert machine.state is state


# All of it, in any order.

errors = st.sampled_from(
    [
        ConnectError("c"),
        ConnectionLost("l"),
        RequestTimeout("r"),
        RateLimited(429, "", 429, 7.0),
        ApiError(503, "", 503),
        NotFound(404),
        DecodeError("d"),
    ]
)
open_states = st.builds(
    TaskStatus,
    st.sampled_from(["queued", "running", "", "finishing"]),
    st.none() | st.integers(-1, 101) | st.floats(),
    st.sampled_from([None, ["partial"]]),
)
end_states = st.sampled_from([DONE, FAILED, TaskStatus("success", None, []), TaskStatus("cancelled", 1)])
states = open_states | open_states | open_states | end_states
moments = st.sampled_from([0.0, 0.001, 0.3, 1.0, 5.0, 40.0]) | st.floats(0, 100)
timeouts = st.none() | st.sampled_from([0.0, 0.5, 20.0]) | st.floats(0, 300)


class Driving(RuleBasedStateMachine):
    """A driver that lives through anything: late answers, early wakes, hints, other pollers, a client that closes."""

    @initialize(
        polling=st.builds(
            Polling,
            initial=st.sampled_from([0.1, 1.0]),
            factor=st.sampled_from([1.0, 2.0]),
            jitter=st.booleans(),
            predict=st.booleans(),
            stall_after=st.none() | st.just(25.0),
            deadline=st.none() | st.just(120.0),
        ),
        attempts=st.integers(1, 3),
        submitted=st.booleans(),
    )
    def begin(self, polling: Polling, attempts: int, submitted: bool) -> None:
        self.polling = polling
        self.machine = task(polling, Retry(attempts=attempts), at=0.0, submitted=submitted)
        self.now = 0.0
        self.pending: Command | None = None  # None: nobody waits
        self.deadline = math.inf
        self.ends: list[Emit] = []
        self.seen: list[object] = []
        self.hinted = False  # during the exchange that is under way

    def feed(self, event: Event) -> None:
        waited = self.pending
        commands = self.machine.handle(event)
        for command in commands:
            if isinstance(command, Emit):
                (self.seen if command.what == "progress" else self.ends).append(command)
        rest = [command for command in commands if not isinstance(command, Emit)]
        assert len(rest) <= 1
        assert all(isinstance(command, Emit) for command in commands[: len(commands) - len(rest)])
        if not rest:
            assert isinstance(event, (Notified, Observed))
            return
        (self.pending,) = rest
        self.look_at(self.pending, event, waited)

    def look_at(self, command: Command, event: Event, waited: Command | None) -> None:
        left = self.deadline - event.at
        if isinstance(command, Send):
            assert self.machine.outcome is None
            assert 0 < command.timeout <= REQUEST_TIMEOUT
            assert command.timeout <= (left if left > 0 else LAST_LOOK)
            # Past the deadline a poll only begins a wait, or ends a sleep: no second last look.
            assert left > 0 or isinstance(event, (Began, Woke, Notified))
            self.hinted = False
        elif isinstance(command, Sleep):
            assert self.machine.outcome is None
            assert command.seconds >= 0
            assert event.at + command.seconds <= self.deadline + 1e-9
            assert command.seconds <= max(self.polling.maximum, 30.0)
        else:
            assert isinstance(command, Finish)
            self.finished(command, event, left)
            self.pending = None

    def finished(self, finish: Finish, event: Event, left: float) -> None:
        if finish.error is None:
            assert self.machine.status is not None
            assert self.machine.status.status in self.polling.done
            assert finish.result == self.machine.status.result
        elif isinstance(finish.error, TaskFailed):
            assert finish.error.status.status in self.polling.failed
        elif isinstance(finish.error, TaskStalled):
            assert self.polling.stall_after is not None
            assert event.at - self.machine.history.moved_at >= self.polling.stall_after
        elif isinstance(finish.error, WaitTimeout):
            assert left <= 0
            assert isinstance(event, (Responded, Failed))  # after a last look, never out of a sleep
        elif isinstance(finish.error, ClientClosed):
            assert isinstance(event, Cancelled)
        else:
            assert isinstance(event, Failed)
            assert finish.error is event.error

    @precondition(lambda self: self.pending is None)
    @rule(timeout=timeouts, later=moments)
    def somebody_waits(self, timeout: float | None, later: float) -> None:
        self.now += later
        given = None if timeout is None else self.now + timeout
        own = math.inf if self.polling.deadline is None else self.polling.deadline
        self.deadline = min(own, math.inf if given is None else given)
        known = self.machine.outcome
        self.feed(Began(self.now, given))
        assert self.pending is None if known is not None else isinstance(self.pending, Send)

    @precondition(lambda self: isinstance(self.pending, Send))
    @rule(state=states, later=moments)
    def the_exchange_is_answered(self, state: TaskStatus[object], later: float) -> None:
        self.now += later
        hinted, known, shown = self.hinted, self.machine.outcome, len(self.seen)
        self.feed(Responded(self.now, state))
        assert len(self.seen) == shown + (known is None)
        if isinstance(self.pending, Send):
            assert hinted  # nothing else follows a poll with a poll

    @precondition(lambda self: isinstance(self.pending, Send))
    @rule(error=errors, later=moments)
    def the_exchange_fails(self, error: AltcraftError, later: float) -> None:
        self.now += later
        self.feed(Failed(self.now, error))
        assert not isinstance(self.pending, Send)

    @precondition(lambda self: isinstance(self.pending, Sleep))
    @rule(share=st.sampled_from([0.0, 0.5, 1.0, 1.0, 1.0, 3.0]))
    def the_sleep_ends_early_in_time_or_late(self, share: float) -> None:
        assert isinstance(self.pending, Sleep)
        due = self.now + self.pending.seconds
        self.now = max(due, self.machine.due) if share == 1.0 else self.now + self.pending.seconds * share
        self.feed(Woke(self.now))
        if share >= 1.0:
            assert not isinstance(self.pending, Sleep)

    @rule(hints=st.integers(1, 5))
    def somebody_hints(self, hints: int) -> None:
        for _ in range(hints):
            self.hinted = isinstance(self.pending, Send)
            self.feed(Notified(self.now))

    @rule(state=states, later=moments)
    def somebody_else_looks(self, state: TaskStatus[object], later: float) -> None:
        if isinstance(self.pending, Sleep):
            later = min(later, self.pending.seconds)
            self.pending = Sleep(self.pending.seconds - later)
        self.now += later
        self.feed(Observed(self.now, state))

    @rule()
    def the_client_closes(self) -> None:
        known = self.machine.outcome
        self.feed(Cancelled(self.now))
        assert self.pending is None
        assert self.machine.outcome is known

    @invariant()
    def one_end_is_told_and_only_when_it_is_known(self) -> None:
        if not hasattr(self, "machine"):
            return
        assert len(self.ends) == (self.machine.outcome is not None)
        assert (self.machine.state is State.DONE) == (self.machine.outcome is not None)


Driving.TestCase.settings = settings(max_examples=60, stateful_step_count=30)
TestDrivingInAnyOrder = Driving.TestCase
