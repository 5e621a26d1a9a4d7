"""A task whose end is to be announced is left alone until the hint is late, by a pure schedule and by experience."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from altcraft import Feedback, HttpRequest, HttpResponse, Polling, TaskFailed
from altcraft.tasks.hints import HintBreaker
from altcraft.tasks.polling import History
from altcraft.testing import reply
from both_clients import World

STEADY = Polling(jitter=False)
UNCHECKED = STEADY.replace(hint_checks=0)
STARTED = reply({"task_id": "t-1"})
FEEDBACK = Feedback("https://me.example/hook")


def told(*answers: tuple[float, float | None], announced: bool = True, start: float = 0.0) -> History:
    """A history of answers, each with its time and its progress."""
    history = History.begin(start, True, "task", announced=announced)
    for at, progress in answers:
        history = history.observed(at, "running", progress)
    return history


def looks(
    polling: Polling, duration: float, *, steady: bool, announced: bool = True, task: str = "task"
) -> list[float]:
    """When a task of that duration is looked at, if no hint comes."""
    history, at, times = History.begin(0.0, True, task, announced=announced), 0.0, [0.0]
    while at < duration:
        history = history.observed(at, "running", int(100 * at / duration) if steady else None)
        at += polling.next_delay(history)
        times.append(at)
    return times


# The schedule.


def test_after_the_first_look_a_task_is_left_alone_for_the_patience() -> None:
    assert STEADY.next_delay(told((0.1, 0))) == pytest.approx(9.9)
    assert STEADY.replace(hint_patience=4.0).next_delay(told((0.1, 0))) == pytest.approx(3.9)
    assert STEADY.next_delay(told((0.1, 0), announced=False)) == 1


def test_without_patience_a_task_is_looked_at_like_any_other() -> None:
    impatient = Polling(hint_patience=0.0)
    for answers in ([(0.1, 0)], [(0.1, 0), (0.6, 10)], [(0.1, None), (0.6, None), (2.0, None)]):
        assert impatient.next_delay(told(*answers)) == Polling().next_delay(told(*answers, announced=False))


def test_a_hint_is_late_when_the_forecast_is_over() -> None:
    history = told((0.1, 0), (10.0, 20))
    assert history.forecast() == (25.0, 50.0)
    due = 10.0 + STEADY.next_delay(history)
    assert 40.0 <= due <= 41.0  # the longest delay comes first
    history = history.observed(40.0, "running", 80)
    due = 40.0 + STEADY.next_delay(history)
    assert 50.0 < due < 52.0


def test_a_forecast_ends_the_patience_even_before_its_time() -> None:
    history = told((0.0, 0), (1.0, 25))
    assert history.forecast() == (2.0, 4.0)
    assert 4.0 < 1.0 + STEADY.next_delay(history) < 4.5


def test_a_look_that_shows_nothing_leaves_the_patience_as_it_is() -> None:
    assert 2.0 + STEADY.next_delay(told((0.0, 0), (2.0, 0))) == 10
    assert STEADY.next_delay(told((0.0, 0), (9.999, 0))) > 0.2  # no look on the heels of another


def test_a_late_hint_is_waited_for_no_more() -> None:
    late = told((0.1, 0), (10.0, 50), (21.0, 98))
    assert late.late
    assert STEADY.next_delay(late) == STEADY.next_delay(told((0.1, 0), (10.0, 50), (21.0, 98), announced=False))


def test_a_task_that_shows_no_progress_is_looked_at_ever_more_rarely() -> None:
    silent = looks(STEADY, 120.0, steady=False)
    assert silent == [0.0, 10.0, 25.0, 47.5, 77.5, 107.5, 137.5]
    assert len(silent) < len(looks(STEADY, 120.0, steady=False, announced=False))


@pytest.mark.parametrize("duration", [15.0, 40.0, 90.0, 600.0])
def test_the_end_of_a_steady_task_is_found_soon_though_no_hint_comes(duration: float) -> None:
    for number in range(50):  # each has a jitter of its own
        with_hint, without = (
            looks(Polling(), duration, steady=True, announced=announced, task=f"task {number}")
            for announced in (True, False)
        )
        assert with_hint[-1] - duration < 3.0 + duration / 100
        assert len(with_hint) <= len(without)


def test_a_wait_that_begins_late_forecasts_from_its_first_look() -> None:
    history = told((60.0, 50))
    assert 60.0 + STEADY.replace(maximum=100.0).next_delay(history) == pytest.approx(120.5, abs=1)


def test_tasks_that_are_submitted_together_are_not_looked_at_together() -> None:
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
def test_every_delay_is_within_bounds_whatever_the_service_says(
    answers: list[tuple[float, float | None]], patience: float, predict: bool
) -> None:
    polling = Polling(hint_patience=patience, predict=predict)
    at, history = 0.0, History.begin(0.0, True, "task", announced=True)
    for gap, progress in answers:
        at += gap
        history = history.observed(at, "running", progress)
        assert 0 < polling.next_delay(history) <= max(30.0, patience)


def test_a_task_that_is_left_alone_reconsiders_that_every_eighth_of_its_age() -> None:
    history = told((0.0, 0))
    assert [STEADY.next_thought(history, age) for age in (0.0, 1.0, 8.0, 80.0, 800.0)] == [0.5, 0.5, 1.0, 10.0, 30.0]
    spread = {Polling().next_thought(History.begin(0.0, True, f"task {n}"), 8.0) for n in range(50)}
    assert len(spread) == 50
    assert 0.75 <= min(spread) < max(spread) < 1.25


@pytest.mark.parametrize("patience", [-1.0, math.nan, math.inf])
def test_patience_that_makes_no_sense_is_refused_by_name(patience: float) -> None:
    with pytest.raises(ValueError, match="hint_patience"):
        Polling(hint_patience=patience)


@pytest.mark.parametrize("checks", [-1, math.nan])
def test_a_number_of_checks_that_makes_no_sense_is_refused_by_name(checks: int) -> None:
    with pytest.raises(ValueError, match="hint_checks"):
        Polling(hint_checks=checks)


# Experience.


def after(*ends: bool) -> HintBreaker:
    trust = HintBreaker()
    for announced in ends:
        trust.ended(announced)
    return trust


def test_hints_are_relied_upon_until_one_fails_to_come() -> None:
    assert after().holds
    assert after(*[True] * 1000).holds
    assert not after(*[True] * 1000, False).holds


def test_trust_is_won_back_by_a_run_of_ends_that_were_announced() -> None:
    assert not after(False, *[True] * 29).holds
    assert after(False, *[True] * 30).holds
    assert not after(False, *[True] * 29, False, *[True] * 29).holds


def test_each_further_time_it_takes_twice_as_long() -> None:
    again = [False, *[True] * 30, False]
    assert not after(*again, *[True] * 59).holds
    assert after(*again, *[True] * 60).holds


def test_there_are_so_many_checks_and_no_more() -> None:
    trust = after()
    assert [trust.check(3) for _ in range(5)] == [True, True, True, False, False]
    assert not after().check(0)


def test_a_hundred_ends_that_were_announced_earn_a_check_back() -> None:
    trust = after()
    assert trust.check(1)
    for _ in range(99):
        trust.ended(True)
    assert not trust.check(1)
    trust.ended(True)
    assert trust.check(1)
    assert not trust.check(1)


def test_checks_that_were_never_needed_are_not_hoarded() -> None:
    trust = after(*[True] * 5000)
    assert [trust.check(2) for _ in range(3)] == [True, True, False]


def test_a_disappointment_earns_all_checks_back() -> None:
    trust = after()
    assert trust.check(1)
    trust.ended(False)
    assert trust.check(1)


# Both clients.


def platform(world: World, duration: float) -> Callable[[HttpRequest], HttpResponse]:
    """Starts tasks, and has each of them done so many seconds later."""
    begun: list[float] = []

    def answer(request: HttpRequest) -> HttpResponse:
        if request.url.endswith("refresh_counters"):
            begun.append(world.clock.now)
            return STARTED
        done = world.clock.now >= begun[-1] + duration
        return reply({"status": "completed", "progress": 100, "result": []} if done else {"status": "running"})

    return answer


@pytest.mark.parametrize(("feedback", "polls"), [(FEEDBACK, 2), (None, 6)])
def test_a_task_with_feedback_is_polled_rarely(world: World, feedback: Feedback | None, polls: int) -> None:
    client = world.client([platform(world, 9.0)], repeat=True, polling=UNCHECKED)
    task = world.do(client.databases.refresh_counters(5, resource_id=24, feedback=feedback))
    world.do(task.result())
    assert len(client.fake.requests) - 1 == polls


def test_one_of_many_tasks_is_polled_as_rarely(world: World) -> None:
    client = world.client([platform(world, 9.0)], repeat=True, polling=UNCHECKED)
    task = world.do(client.databases.refresh_counters(5, resource_id=24, feedback=FEEDBACK))
    assert world.do(client.tasks.as_completed([task])) == [task]
    assert len(client.fake.requests) - 1 == 2


def test_a_client_that_was_disappointed_relies_on_hints_no_more(world: World) -> None:
    client = world.client([platform(world, 9.0)], repeat=True, polling=UNCHECKED)
    polls = []
    for _ in range(2):
        client.fake.requests.clear()
        world.do(world.do(client.databases.refresh_counters(5, resource_id=24, feedback=FEEDBACK)).result())
        polls.append(len(client.fake.requests) - 1)
    assert polls == [2, 6]


def steady_platform(world: World, duration: float) -> Callable[[HttpRequest], HttpResponse]:
    """As `platform`, for one task, with an even progress."""
    begun: list[float] = []

    def answer(request: HttpRequest) -> HttpResponse:
        if request.url.endswith("refresh_counters"):
            begun[:] = [world.clock.now]
            return STARTED
        share = int(100 * (world.clock.now - begun[0]) / duration)
        done = {"status": "completed", "progress": 100, "result": []}
        return reply(done if share >= 100 else {"status": "running", "progress": share})

    return answer


@pytest.mark.parametrize("wait", ["result", "as_completed"])
def test_a_checked_task_is_found_soon_after_its_end_though_no_hint_comes(world: World, wait: str) -> None:
    lags = {}
    for polling in (STEADY, UNCHECKED):
        client = world.client([steady_platform(world, 4.0)], repeat=True, polling=polling)
        task = world.do(client.databases.refresh_counters(5, resource_id=24, feedback=FEEDBACK))
        begun = world.clock.now
        world.do(task.result() if wait == "result" else client.tasks.as_completed([task]))
        lags[polling.hint_checks] = (world.clock.now - begun - 4.0, len(client.fake.requests) - 1)
    assert lags[8][0] < 0.5
    assert lags[8][1] == 3  # at once, the check, and after the forecast
    assert lags[0] == (pytest.approx(6.0), 2)


def test_an_announced_failure_is_an_end_that_was_announced(world: World) -> None:
    client = world.client([STARTED, reply({"status": "failed"})])
    task = world.do(client.databases.refresh_counters(5, resource_id=24, feedback=FEEDBACK))
    task.notify()
    assert isinstance(world.do(task.exception()), TaskFailed)
    assert client._conductor.policies.trust.holds


def test_a_hint_before_the_wait_counts(world: World) -> None:
    for wait in ("result", "as_completed"):
        client = world.client([STARTED, reply({"status": "completed", "result": []})])
        task = world.do(client.databases.refresh_counters(5, resource_id=24, feedback=FEEDBACK))
        task.notify()
        world.do(task.result() if wait == "result" else client.tasks.as_completed([task]))
        assert len(client.fake.requests) == 2
        assert client._conductor.policies.trust.holds


def test_what_a_look_of_ones_own_finds_is_no_disappointment(world: World) -> None:
    client = world.client([STARTED, reply({"status": "completed", "result": []})])
    task = world.do(client.databases.refresh_counters(5, resource_id=24, feedback=FEEDBACK))
    world.do(task.poll())
    assert task.done()
    assert client._conductor.policies.trust.holds


def test_a_task_without_feedback_says_nothing_about_hints(world: World) -> None:
    client = world.client([STARTED, reply({"status": "completed", "result": []})])
    world.do(world.do(client.databases.refresh_counters(5, resource_id=24)).result())
    assert client._conductor.policies.trust.holds


def test_the_handle_knows_its_feedback(world: World) -> None:
    client = world.client([STARTED])
    task = world.do(client.databases.refresh_counters(5, resource_id=24, feedback=FEEDBACK))
    assert task.feedback == FEEDBACK
    assert client.tasks.resume(task.resume_token).feedback is None
