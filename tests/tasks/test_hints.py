"""Hints, without I/O: how `Polling` waits for a hint, and when the circuit breaker says that a client may do so."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from altcraft import Polling
from altcraft.tasks.hints import HintBreaker
from altcraft.tasks.polling import History

STEADY = Polling(jitter=False)


def history_of(*answers: tuple[float, float | None], announced: bool = True, start: float = 0.0) -> History:
    """A history of answers, each with its time and its progress."""
    history = History.begin(start, True, "task", announced=announced)
    for at, progress in answers:
        history = history.observed(at, "running", progress)
    return history


def polls(
    polling: Polling, duration: float, *, steady: bool, announced: bool = True, task: str = "task"
) -> list[float]:
    """The times of the polls of a task of that duration for which no hint comes."""
    history, at, times = History.begin(0.0, True, task, announced=announced), 0.0, [0.0]
    while at < duration:
        history = history.observed(at, "running", int(100 * at / duration) if steady else None)
        at += polling.next_delay(history)
        times.append(at)
    return times


# The schedule.


def test_after_the_first_poll_a_task_is_left_alone_for_hint_patience() -> None:
    assert STEADY.next_delay(history_of((0.1, 0))) == pytest.approx(9.9)
    assert STEADY.replace(hint_patience=4.0).next_delay(history_of((0.1, 0))) == pytest.approx(3.9)
    assert STEADY.next_delay(history_of((0.1, 0), announced=False)) == 1


def test_without_hint_patience_a_task_is_polled_like_any_other() -> None:
    impatient = Polling(hint_patience=0.0)
    for answers in ([(0.1, 0)], [(0.1, 0), (0.6, 10)], [(0.1, None), (0.6, None), (2.0, None)]):
        assert impatient.next_delay(history_of(*answers)) == Polling().next_delay(history_of(*answers, announced=False))


def test_a_hint_is_late_when_the_forecast_is_over() -> None:
    history = history_of((0.1, 0), (10.0, 20))
    assert history.forecast() == (25.0, 50.0)
    due = 10.0 + STEADY.next_delay(history)
    assert 40.0 <= due <= 41.0  # the longest delay comes first
    history = history.observed(40.0, "running", 80)
    due = 40.0 + STEADY.next_delay(history)
    assert 50.0 < due < 52.0


def test_a_forecast_can_end_before_hint_patience_does() -> None:
    history = history_of((0.0, 0), (1.0, 25))
    assert history.forecast() == (2.0, 4.0)
    assert 4.0 < 1.0 + STEADY.next_delay(history) < 4.5


def test_a_poll_without_progress_does_not_restart_hint_patience() -> None:
    assert 2.0 + STEADY.next_delay(history_of((0.0, 0), (2.0, 0))) == 10
    assert STEADY.next_delay(history_of((0.0, 0), (9.999, 0))) > 0.2  # no poll right behind another


def test_once_a_hint_is_late_a_task_is_polled_like_any_other() -> None:
    answers = [(0.1, 0.0), (10.0, 50.0), (21.0, 98.0)]
    late = history_of(*answers)
    assert late.late
    assert STEADY.next_delay(late) == STEADY.next_delay(history_of(*answers, announced=False))


def test_the_delays_of_a_task_without_progress_grow() -> None:
    silent = polls(STEADY, 120.0, steady=False)
    assert silent == [0.0, 10.0, 25.0, 47.5, 77.5, 107.5, 137.5]
    assert len(silent) < len(polls(STEADY, 120.0, steady=False, announced=False))


@pytest.mark.parametrize("duration", [15.0, 40.0, 90.0, 600.0])
def test_the_end_of_a_steady_task_is_found_soon_when_no_hint_comes(duration: float) -> None:
    for number in range(50):  # each has a jitter of its own
        with_hint, without = (
            polls(Polling(), duration, steady=True, announced=announced, task=f"task {number}")
            for announced in (True, False)
        )
        assert with_hint[-1] - duration < 3.0 + duration / 100
        assert len(with_hint) <= len(without)


def test_a_wait_that_begins_late_forecasts_from_its_first_poll() -> None:
    history = history_of((60.0, 50))
    assert 60.0 + STEADY.replace(maximum=100.0).next_delay(history) == pytest.approx(120.5, abs=1)


def test_tasks_that_are_submitted_together_are_not_polled_together() -> None:
    delays = {
        Polling().next_delay(History.begin(0.0, True, f"task {n}", announced=True).observed(0.0, "queued", 0))
        for n in range(50)
    }
    assert len(delays) == 50
    assert min(delays) >= 10
    assert max(delays) <= 12.5


@given(
    st.lists(st.tuples(st.floats(0, 1e5), st.one_of(st.none(), st.floats(), st.integers(-1, 101))), max_size=20),
    st.floats(0, 1e3),
    st.booleans(),
)
def test_every_delay_is_within_bounds_for_any_answers(
    answers: list[tuple[float, float | None]], patience: float, predict: bool
) -> None:
    polling = Polling(hint_patience=patience, predict=predict)
    at, history = 0.0, History.begin(0.0, True, "task", announced=True)
    for gap, progress in answers:
        at += gap
        history = history.observed(at, "running", progress)
        assert 0 < polling.next_delay(history) <= max(30.0, patience)


def test_the_wait_for_a_hint_is_reviewed_each_time_the_age_has_grown_by_an_eighth() -> None:
    history = history_of((0.0, 0))
    assert [STEADY.next_review(history, age) for age in (0.0, 1.0, 8.0, 80.0, 800.0)] == [0.5, 0.5, 1.0, 10.0, 30.0]
    spread = {Polling().next_review(History.begin(0.0, True, f"task {n}"), 8.0) for n in range(50)}
    assert len(spread) == 50
    assert 0.75 <= min(spread) < max(spread) < 1.25


@pytest.mark.parametrize("patience", [-1.0, math.nan, math.inf])
def test_a_hint_patience_that_makes_no_sense_is_refused_by_name(patience: float) -> None:
    with pytest.raises(ValueError, match="hint_patience"):
        Polling(hint_patience=patience)


@pytest.mark.parametrize("checks", [-1, math.nan])
def test_a_number_of_checks_that_makes_no_sense_is_refused_by_name(checks: int) -> None:
    with pytest.raises(ValueError, match="hint_checks"):
        Polling(hint_checks=checks)


# The circuit breaker.


def breaker_after(*ends: bool) -> HintBreaker:
    """A circuit breaker after such ends: True for one that a hint has announced."""
    breaker = HintBreaker()
    for announced in ends:
        breaker.record(announced=announced)
    return breaker


def test_the_breaker_is_closed_until_an_end_comes_unannounced() -> None:
    assert breaker_after().is_closed
    assert breaker_after(*[True] * 1000).is_closed
    assert not breaker_after(*[True] * 1000, False).is_closed


def test_thirty_announced_ends_in_a_row_close_the_breaker() -> None:
    assert not breaker_after(False, *[True] * 29).is_closed
    assert breaker_after(False, *[True] * 30).is_closed
    assert not breaker_after(False, *[True] * 29, False, *[True] * 29).is_closed


def test_each_further_time_the_breaker_needs_twice_as_many() -> None:
    again = [False, *[True] * 30, False]
    assert not breaker_after(*again, *[True] * 59).is_closed
    assert breaker_after(*again, *[True] * 60).is_closed


def test_the_number_of_announced_ends_that_the_breaker_needs_is_bounded() -> None:
    breaker, needed = HintBreaker(), 30
    for _ in range(20):
        breaker.record(announced=False)
        for _ in range(min(needed, 10_000)):
            assert not breaker.is_closed
            breaker.record(announced=True)
        assert breaker.is_closed
        needed *= 2


def test_no_more_checks_are_given_than_the_limit() -> None:
    breaker = breaker_after()
    assert [breaker.check(3) for _ in range(5)] == [True, True, True, False, False]
    assert not breaker_after().check(0)


def test_a_hundred_announced_ends_give_a_check_back() -> None:
    breaker = breaker_after()
    assert breaker.check(1)
    for _ in range(99):
        breaker.record(announced=True)
    assert not breaker.check(1)
    breaker.record(announced=True)
    assert breaker.check(1)
    assert not breaker.check(1)


def test_unused_checks_do_not_pile_up() -> None:
    breaker = breaker_after(*[True] * 5000)
    assert [breaker.check(2) for _ in range(3)] == [True, True, False]


def test_all_checks_come_back_when_the_breaker_opens() -> None:
    breaker = breaker_after()
    assert breaker.check(1)
    breaker.record(announced=False)
    assert breaker.check(1)
