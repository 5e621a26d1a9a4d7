"""Hints: rules 5 and 8 of the task machine."""

from __future__ import annotations

import pytest

from altcraft import ConnectError, Feedback, Polling, RequestTimeout, Retry, TaskStatus, WaitTimeout
from altcraft.tasks.events import Began, Emit, Failed, Finish, Notified, Observed, Responded, Send, Sleep, Woke
from altcraft.tasks.hints import HintBreaker
from altcraft.tasks.machine import Policies, State, TaskMachine
from tasks.machines import DONE, REQUEST_TIMEOUT, RUNNING, STEADY, error_of, only, sleeping, task, waiting

# Rule 5: a hint makes the machine poll now; only the answer of the poll counts.


def test_a_hint_ends_a_sleep_with_a_poll() -> None:
    assert sleeping().handle(Notified(0.1)) == (Send(REQUEST_TIMEOUT),)


def test_a_hint_alone_settles_nothing() -> None:
    machine = sleeping()
    machine.handle(Notified(0.1))
    assert machine.outcome is None
    assert isinstance(only(machine.handle(Responded(0.2, RUNNING))), Sleep)


@pytest.mark.parametrize("hints", [1, 2, 1000])
def test_any_number_of_hints_during_a_poll_lead_to_one_more_poll(hints: int) -> None:
    machine = waiting()
    for _ in range(hints):
        assert machine.handle(Notified(0.1)) == ()
    assert machine.handle(Responded(0.2, RUNNING)) == (Emit("progress", RUNNING), Send(REQUEST_TIMEOUT))
    assert isinstance(only(machine.handle(Responded(0.3, RUNNING))), Sleep)


def test_a_hint_during_the_poll_that_finds_the_end_leads_to_no_other() -> None:
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


def test_a_hint_at_the_deadline_leads_to_no_poll_beyond_it() -> None:
    machine = waiting(deadline=5.0)
    machine.handle(Notified(4.9))
    assert isinstance(error_of(machine.handle(Responded(5.0, RUNNING))), WaitTimeout)


def test_a_hint_between_two_waits_does_nothing() -> None:
    machine = task()
    assert machine.handle(Notified(1.0)) == ()
    assert machine.state is State.IDLE


def test_a_status_observed_during_a_sleep_is_emitted_and_kept() -> None:
    machine = sleeping()
    assert machine.handle(Observed(0.1, TaskStatus("running", 50))) == (Emit("progress", TaskStatus("running", 50)),)
    assert machine.status == TaskStatus("running", 50)
    assert machine.history.progress == 50
    machine.handle(Observed(0.2, DONE))
    assert machine.handle(Woke(0.3)) == (Finish(result=["result"]),)


# Rule 8: a task with feedback is left alone until the hint is late.


def announced(breaker: HintBreaker, polling: Polling = STEADY, deadline: float | None = None) -> TaskMachine:
    """A task with feedback that sleeps after its first poll."""
    machine = TaskMachine(
        "930b",
        "p",
        Policies(polling, Retry(), REQUEST_TIMEOUT),
        at=0.0,
        submitted=True,
        feedback=Feedback("http://me"),
        hints=breaker,
    )
    machine.handle(Began(0.0, deadline))
    machine.handle(Responded(0.0, TaskStatus("running")))
    return machine


def next_poll(machine: TaskMachine) -> float:
    """The time of the next poll of a sleeping machine that gets no other event."""
    for _ in range(1000):
        at = machine.due
        if isinstance(machine.handle(Woke(at))[-1], Send):
            return at
    raise AssertionError("it never polls")


UNCHECKED = STEADY.replace(hint_checks=0)
PREDICTING = STEADY.replace(predict=True)


def test_a_task_with_feedback_is_left_alone_for_hint_patience() -> None:
    assert next_poll(announced(HintBreaker(), UNCHECKED)) == UNCHECKED.hint_patience > next_poll(sleeping())


def test_a_task_that_is_left_alone_wakes_for_reviews_without_a_poll() -> None:
    machine = announced(HintBreaker(), UNCHECKED)
    for _ in range(4):
        (command,) = machine.handle(Woke(machine.due))
        assert isinstance(command, Sleep)
        assert command.seconds < UNCHECKED.hint_patience / 4
    assert machine.history.polls == 1


def test_a_task_that_is_left_alone_is_polled_at_its_next_review_once_the_breaker_opens() -> None:
    breaker = HintBreaker()
    machine = announced(breaker, UNCHECKED)
    machine.handle(Woke(machine.due))
    breaker.record(announced=False)
    assert machine.handle(Woke(machine.due)) == (Send(REQUEST_TIMEOUT),)


def test_a_few_of_the_tasks_that_are_left_alone_are_checked_with_an_early_poll() -> None:
    breaker = HintBreaker()
    polls = [next_poll(announced(breaker, PREDICTING.replace(hint_checks=2))) for _ in range(4)]
    assert polls == [2.0, 2.0, 10.0, 10.0]


def test_no_task_is_checked_without_prediction() -> None:
    assert next_poll(announced(HintBreaker(), STEADY)) == 10.0


def test_a_task_whose_first_poll_showed_progress_is_not_checked() -> None:
    breaker = HintBreaker()
    policies = Policies(PREDICTING, Retry(), REQUEST_TIMEOUT)
    machine = TaskMachine("930b", "p", policies, at=-2.0, submitted=True, feedback=Feedback("http://me"), hints=breaker)
    machine.handle(Began(0.0))
    machine.handle(Responded(0.0, TaskStatus("running", 25)))
    assert 6.0 < next_poll(machine) < 6.5
    assert [breaker.check(8) for _ in range(9)] == [True] * 8 + [False]


def test_the_forecast_of_a_check_bounds_the_wait_for_the_hint() -> None:
    machine = announced(HintBreaker(), PREDICTING)
    at = next_poll(machine)
    machine.handle(Responded(at, TaskStatus("running", 50)))
    assert 4.0 < next_poll(machine) < 4.5


def test_a_check_that_shows_no_progress_is_not_repeated() -> None:
    machine = announced(HintBreaker(), PREDICTING)
    at = next_poll(machine)
    machine.handle(Responded(at, TaskStatus("running", 0)))
    assert next_poll(machine) == 10.0


def test_after_a_check_a_hint_leads_to_the_one_poll_that_finds_the_end() -> None:
    breaker = HintBreaker()
    machine = announced(breaker, PREDICTING)
    at = next_poll(machine)
    machine.handle(Responded(at, TaskStatus("running", 50)))
    assert machine.handle(Notified(4.0)) == (Send(REQUEST_TIMEOUT),)
    assert machine.handle(Responded(4.0, DONE))[-1] == Finish(result=["result"])
    assert machine.history.polls == 3
    assert breaker.is_closed


def test_no_review_takes_place_during_a_backoff() -> None:
    machine = announced(HintBreaker(), UNCHECKED)
    machine.handle(Notified(1.0))
    machine.handle(Failed(1.0, RequestTimeout("slow")))
    assert machine.handle(Woke(machine.due)) == (Send(REQUEST_TIMEOUT),)


def test_a_task_that_is_left_alone_keeps_its_deadline() -> None:
    machine = announced(HintBreaker(), UNCHECKED, deadline=7.0)
    assert next_poll(machine) == 7.0


def test_a_task_with_feedback_is_polled_at_once_when_the_hint_comes() -> None:
    machine = announced(HintBreaker())
    assert machine.handle(Notified(3.0)) == (Send(REQUEST_TIMEOUT),)
    assert machine.handle(Responded(3.1, DONE))[-1] == Finish(result=["result"])


def test_after_an_early_hint_a_task_is_polled_like_any_other() -> None:
    machine = announced(HintBreaker())
    machine.handle(Notified(3.0))
    machine.handle(Responded(3.0, TaskStatus("running")))
    assert machine.due - 3.0 < STEADY.hint_patience / 2


def test_an_unannounced_end_opens_the_breaker_and_no_task_is_left_alone() -> None:
    breaker = HintBreaker()
    first, second = announced(breaker), announced(breaker)
    next_poll(first)
    first.handle(Responded(20.0, DONE))
    assert not breaker.is_closed
    assert next_poll(second) < 1.0
    second.handle(Responded(20.0, TaskStatus("running")))
    assert second.due - 20.0 < STEADY.hint_patience / 2
    assert announced(breaker).due < STEADY.hint_patience / 2


def test_announced_ends_keep_the_breaker_closed() -> None:
    breaker = HintBreaker()
    for _ in range(3):
        machine = announced(breaker)
        machine.handle(Notified(3.0))
        machine.handle(Responded(3.1, DONE))
    assert breaker.is_closed
