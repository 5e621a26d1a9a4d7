"""The schedule of the polls: pure, within its bounds for any answers, and close to the end where progress tells."""

from __future__ import annotations

import gc
import math
import subprocess
import sys
import tracemalloc
from collections.abc import Callable

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from altcraft.tasks.polling import History, Polling
from benchmarks.polling.simulation import goals, simulate

STEADY = Polling(jitter=False)

# Any progress that JSON can hold, in any order.
hostile = st.one_of(
    st.none(),
    st.integers(),
    st.integers(-1, 101),
    st.floats(),
    st.floats(0, 100),
    st.sampled_from([0, 1, 50, 99, 99.9, 100, 100.1, -0.0, 5e-324, 1e308, -1e308, math.nan, math.inf, -math.inf]),
)
statuses = st.sampled_from(["queued", "running", "", "counting"])
answers = st.lists(st.tuples(st.floats(0, 1e5), statuses, hostile), max_size=30)
settings = st.builds(
    lambda initial, ratio, factor, jitter, predict: Polling(
        initial=initial, maximum=initial * ratio, factor=factor, jitter=jitter, predict=predict
    ),
    st.floats(1e-3, 1e3),
    st.floats(1, 1e3),
    st.floats(1, 1e6),
    st.booleans(),
    st.booleans(),
)


def history_of(
    answers: list[tuple[float, str, float | None]], *, submitted: bool = True, task_id: str = "a", start: float = 0.0
) -> History:
    """A history of answers, each so many seconds after the one before it."""
    history, at = History.begin(start, submitted, task_id), start
    for gap, status, progress in answers:
        at += gap
        history = history.observed(at, status, progress)
    return history


def followed(
    progress: Callable[[float], float | None],
    end: float,
    polling: Polling,
    *,
    start: float = 0.0,
    submitted: bool = True,
    task_id: str = "a",
) -> tuple[int, float]:
    """The number of polls of a task that ends at `end`, and the delay of the last one."""
    history, now = History.begin(start, submitted, task_id), start
    while now < end:
        history = history.observed(now, "running", progress(now))
        now += polling.next_delay(history)
    return history.polls + 1, now - end


# ------------------------------------------------------------------------------------------ without a forecast


def test_without_progress_and_jitter_the_delays_are_plain_geometric_steps() -> None:
    delays = [STEADY.next_delay(history_of([(1, "running", None)] * polls)) for polls in range(1, 13)]
    assert delays == pytest.approx([min(1.5**k, 30.0) for k in range(12)])


@pytest.mark.parametrize("progress", [None, 0, -5, math.nan])
def test_progress_that_never_moves_does_not_change_the_schedule(progress: float | None) -> None:
    answers = [(2.0, "running", progress)] * 9
    assert Polling().next_delay(history_of(answers)) == Polling(predict=False).next_delay(history_of(answers))


def test_jitter_keeps_to_the_middle_third_of_a_step_and_uses_all_of_it() -> None:
    answers = [(1.0, "running", None)] * 4
    delays = [Polling().next_delay(history_of(answers, task_id=f"task-{n}")) for n in range(500)]
    shares = sorted(delay / STEADY.next_delay(history_of(answers)) for delay in delays)
    assert 1 / 3 <= shares[0] < 0.34
    assert 0.66 < shares[-1] <= 2 / 3
    assert sum(shares) / len(shares) == pytest.approx(0.5, abs=0.02)


def test_jitter_differs_from_poll_to_poll_of_one_task() -> None:
    ratios = {
        round(
            Polling().next_delay(history_of([(1, "r", None)] * k))
            / STEADY.next_delay(history_of([(1, "r", None)] * k)),
            6,
        )
        for k in range(1, 20)
    }
    assert len(ratios) == 19


def test_a_task_polled_a_hundred_thousand_times_is_still_polled_at_the_maximum() -> None:
    history = msgspec.structs.replace(history_of([(1, "running", None)]), polls=100_000)
    assert STEADY.next_delay(history) == 30.0


def test_jitter_is_the_same_in_every_process() -> None:
    code = (
        "from altcraft.tasks.polling import History, Polling;"
        "print(Polling().next_delay(History.begin(0.0, True, 'task').observed(1.0, 'running', None)))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert float(run.stdout) == Polling().next_delay(history_of([(1.0, "running", None)], task_id="task"))


# ------------------------------------------------------------------------------------------ prediction


@pytest.mark.parametrize("duration", [5.0, 31.7, 200.0, 3_000.0])
def test_the_end_of_a_steady_task_is_found_within_a_second_or_a_third_of_a_per_cent(duration: float) -> None:
    polls, lag = followed(lambda t: int(100 * t / duration), duration, Polling())
    assert 0 <= lag <= max(1.0, duration / 300)
    assert polls <= 10 + duration / 20


def test_a_narrow_forecast_puts_the_next_poll_where_it_closes() -> None:
    history = history_of([(0, "running", 0), (1, "running", 1), (39, "running", 40), (50, "running", 90)])
    forecast = history.forecast()
    assert forecast is not None
    low, high = forecast
    assert low == pytest.approx(90 / 91 * 100)
    assert high == 100
    assert STEADY.next_delay(history) == pytest.approx(10.5)  # half a grain after it


def test_the_grain_is_a_thirty_second_of_the_age_within_its_bounds() -> None:
    for age, grain in ((4, 0.25), (16, 0.5), (64, 1.0)):
        history = history_of([(0, "running", 0), (age * 0.25, "running", 24), (age * 0.75, "running", 100)])
        assert STEADY.next_delay(history) == grain


def test_a_wide_forecast_is_polled_when_it_opens_and_then_by_thirds() -> None:
    # The first of four steps, made between 20 and 25 s: the end is expected between 80 and 100 s.
    history = history_of([(0, "running", 0), (20, "running", 0), (5, "running", 25)])
    assert history.forecast() == (80, 100)
    assert Polling(jitter=False, maximum=60).next_delay(history) == 37.5  # 1.5 times its age, short of 80 s
    history = history_of([(0, "running", 0), (20, "running", 0), (5, "running", 25), (55, "running", 75)])
    assert STEADY.next_delay(history) == pytest.approx((80 / 0.75 - 80) / 3)


def test_the_steps_of_an_overdue_task_grow_and_never_shrink() -> None:
    history, delays, at = history_of([(0, "running", 0), (10, "running", 50), (9, "running", 99)]), [], 19.0
    for n in range(25):
        at += STEADY.next_delay(history)
        history = history.observed(at, "running", 99 + n / 1000)  # each answer forecasts an end at once
        delays.append(STEADY.next_delay(history))
    assert history.late > 15
    assert delays == sorted(delays)
    assert delays[-1] == 30.0


def test_a_task_is_overdue_from_the_very_end_of_its_forecast() -> None:
    history = history_of([(0, "running", 0), (20, "running", 0), (5, "running", 25)])  # it ends between 80 and 100 s
    assert history.observed(99.9, "running", 50).late == 0
    assert history.observed(100.0, "running", 50).late == 1


def test_the_pace_is_measured_from_a_change_of_status_before_any_progress() -> None:
    history = history_of([(0, "queued", 0), (60, "running", 0), (10, "running", 10)])
    forecast = history.forecast()
    assert forecast is not None
    assert forecast[1] == 160


def test_the_pace_of_a_resumed_task_is_measured_from_its_first_move() -> None:
    first = history_of([(0, "running", 40)], submitted=False, start=1000.0)
    assert first.forecast() is None
    second = first.observed(1010.0, "running", 50)
    assert second.forecast() is None  # it is unknown how long it had been at 40
    third = second.observed(1020.0, "running", 60)
    forecast = third.forecast()
    assert forecast is not None
    assert forecast[0] <= 1060 <= forecast[1]


def test_the_end_of_a_resumed_task_is_found_soon() -> None:
    polls, lag = followed(lambda t: int(t / 3), 300.0, Polling(), start=120.0, submitted=False)
    assert lag < 2.0
    assert polls < 20


def test_the_pace_is_measured_anew_when_progress_goes_backwards() -> None:
    history = history_of([(0, "running", 0), (50, "running", 80), (10, "running", 10)])
    assert history.forecast() is None
    forecast = history.observed(70.0, "running", 20).forecast()
    assert forecast is not None
    assert forecast[1] == 60 + 90 / 10 * 10


def test_another_status_at_the_same_progress_leaves_the_pace_alone() -> None:
    history = history_of([(0, "running", 0), (10, "running", 10), (10, "running", 20), (5, "saving", 20)])
    forecast = history.observed(30.0, "saving", 30).forecast()
    assert forecast is not None
    assert forecast[1] == 100


def test_prediction_can_be_turned_off() -> None:
    history = history_of([(0, "running", 0), (10, "running", 10), (10, "running", 20)])
    assert Polling(predict=False, jitter=False).next_delay(history) == pytest.approx(1.5**2)
    assert STEADY.next_delay(history) == 30.0


@pytest.mark.parametrize(
    "progress",
    [
        lambda t: min(99, t),
        lambda t: min(100, t),
        lambda t: 100 * (1 - math.exp(-t / 600)),
        lambda t: 99 + t / 10_000 if t > 5 else 0,
        lambda t: t % 100,
        lambda t: 100 * (t % 7 < 3),
        lambda t: (99.0, 3, None, math.inf, 42)[int(t) % 5],
        lambda t: math.nan if int(t) % 2 else 60,
    ],
    ids=["stuck at 99", "stuck at 100", "ever slower", "creeping", "starting over", "square", "mixed", "NaN"],
)
def test_an_hour_of_odd_progress_at_most_doubles_the_polls(
    progress: Callable[[float], float | None],
) -> None:
    plain, _ = followed(lambda t: None, 3600.0, Polling())
    polls, _ = followed(progress, 3600.0, Polling())
    assert polls <= 2 * plain


# ------------------------------------------------------------------------------------------ any answers


@given(answers, settings, st.booleans())
def test_every_delay_is_within_its_bounds_for_any_answers(
    answers: list[tuple[float, str, float | None]], polling: Polling, submitted: bool
) -> None:
    history, at = History.begin(7.0, submitted, "task"), 7.0
    assert 0 < polling.next_delay(history) <= polling.maximum
    for gap, status, progress in answers:
        at += gap
        history = history.observed(at, status, progress)
        delay = polling.next_delay(history)
        assert polling.initial / 4 <= delay <= polling.maximum
        assert 0 <= history.progress <= 100
        assert history.started <= history.moved_at <= history.at


@given(answers, st.text(), st.booleans())
def test_equal_histories_have_equal_delays(
    answers: list[tuple[float, str, float | None]], task_id: str, submitted: bool
) -> None:
    one = history_of(answers, task_id=task_id, submitted=submitted)
    other = history_of(answers, task_id=task_id, submitted=submitted)
    assert one == other
    before = repr(one)
    assert Polling().next_delay(one) == Polling().next_delay(other) == Polling().next_delay(one)
    assert repr(one) == before


@given(st.lists(st.floats(), max_size=10))
def test_a_clock_that_jumps_breaks_nothing(times: list[float]) -> None:
    history = History.begin(0.0, True, "task")
    for n, at in enumerate(times):
        history = history.observed(at, "running", 10 * n)
        assert 0 < Polling().next_delay(history) <= 30


# ------------------------------------------------------------------------------------------ the history


def test_observing_does_not_change_the_history_itself() -> None:
    history = history_of([(0, "running", 5)])
    later = history.observed(9.0, "running", 50)
    assert (history.polls, history.at, history.progress) == (1, 0.0, 5)
    assert (later.polls, later.at, later.progress) == (2, 9.0, 50)
    with pytest.raises(AttributeError):
        history.polls = 7  # type: ignore[misc]  # a history is frozen


def test_moved_at_is_when_status_or_progress_last_changed() -> None:
    history = history_of([(3, "queued", None)])
    assert history.moved_at == 0.0  # the first answer is no change
    history = history.observed(5.0, "running", None)
    assert history.moved_at == 5.0
    history = history.observed(8.0, "running", 10)
    assert history.moved_at == 8.0
    for progress in (10, 10.0, None, math.nan):
        history = history.observed(history.at + 4, "running", progress)
    assert history.moved_at == 8.0
    assert history.at == 24.0


def test_the_size_of_a_history_does_not_depend_on_the_number_of_polls() -> None:
    def size(polls: int) -> int:
        gc.collect()
        tracemalloc.start()
        history = History.begin(1000.5, True, "930bfdb0-6b8e-4d5a-a4ac-2ef77a9cd7d4")
        for n in range(polls):
            history = history.observed(1000.5 + n * 0.7, "running", n * 100 // polls)
        held = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        assert history.polls == polls
        return held

    small, large = size(10), size(10_000)
    assert large - small < 128  # counters beyond the interpreter's small numbers


def test_ten_thousand_histories_take_less_than_three_megabytes() -> None:
    def histories(count: int) -> list[History]:
        return [
            history_of([(0.0, "running", 0), (1.5, "running", 3), (3.5, "running", 9)], task_id=f"t-{n}", start=n * 0.5)
            for n in range(count)
        ]

    histories(10)
    tracemalloc.start()
    held = histories(10_000)
    size = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert len(held) == 10_000
    assert size < 3_000_000


# ------------------------------------------------------------------------------------------ settings


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"initial": 0.0}, "initial"),
        ({"initial": -1.0}, "initial"),
        ({"initial": math.nan}, "initial"),
        ({"initial": math.inf, "maximum": math.inf}, "initial"),
        ({"initial": 5e-324}, "initial"),
        ({"maximum": 0.5}, "maximum"),
        ({"maximum": math.inf}, "maximum"),
        ({"maximum": math.nan}, "maximum"),
        ({"factor": 0.9}, "factor"),
        ({"factor": math.nan}, "factor"),
        ({"stall_after": 0}, "stall_after"),
        ({"stall_after": math.nan}, "stall_after"),
        ({"deadline": -3.0}, "deadline"),
        ({"grace": -1.0}, "grace"),
        ({"grace": math.inf}, "grace"),
        ({"grace": math.nan}, "grace"),
        ({"done": "completed"}, "done"),
        ({"done": [1, 2]}, "done"),
        ({"failed": {"failed", None}}, "failed"),
        ({"done": {"over"}, "failed": {"over"}}, "over"),
    ],
)
def test_a_setting_that_makes_no_sense_is_refused_by_name(changes: dict[str, object], where: str) -> None:
    with pytest.raises(ValueError, match=where):
        Polling(**changes)  # type: ignore[arg-type]  # wrong on purpose
    with pytest.raises(ValueError, match=where):
        Polling().replace(**changes)


@pytest.mark.parametrize("given", [{"over", "out"}, ["over", "out"], ("out", "over"), iter(["over", "out"])])
def test_statuses_can_be_any_iterable_of_strings_and_become_a_frozenset(given: object) -> None:
    polling = Polling(done=given)  # type: ignore[arg-type]  # an iterator is no Collection, but works too
    assert polling.done == frozenset({"over", "out"})
    assert isinstance(polling.done, frozenset)
    assert hash(polling) == hash(Polling(done={"out", "over"}))


def test_the_settings_have_the_documented_defaults() -> None:
    polling = Polling()
    assert (polling.initial, polling.maximum, polling.factor, polling.grace) == (1.0, 30.0, 1.5, 5.0)
    assert (polling.jitter, polling.predict, polling.stall_after, polling.deadline) == (True, True, None, None)
    assert polling.done == {"completed", "success"}
    assert polling.failed == {"failed", "error", "canceled", "cancelled"}


def test_replace_copies_with_changes() -> None:
    polling = Polling(initial=2.0)
    assert polling.replace(maximum=5.0) == Polling(initial=2.0, maximum=5.0)
    assert polling == Polling(initial=2.0)


# ------------------------------------------------------------------------------------------ the goals


@pytest.mark.parametrize("sigma", [1.0, 1.5])
def test_the_goals_of_the_simulation_are_met(sigma: float) -> None:
    met = goals(simulate(tasks=600, seed=3, sigma=sigma))
    assert len(met) == 8
    assert [goal for goal in met if not goal.passed] == []
