"""The benchmark of feedback: its sandbox, its figures, its goals, and the simulation beside it."""

from __future__ import annotations

import pytest

from altcraft import Polling
from benchmarks.feedback.__main__ import LOSSY, figures, goals, share, worse
from benchmarks.feedback.field import Run, Seen, measure
from benchmarks.feedback.simulation import Field, simulate


def seen(lag, polls=2, *, lost=False):
    return Seen(polls, lag, lost)


@pytest.mark.slow
def test_a_small_run_on_real_sockets():
    run = Run(name="feedback", polling=Polling(), feedback=True)
    measured = measure(run, tasks=6, at_once=3, lengths=(0.1, 0.3))
    assert len(measured) == 6
    assert all(one.polls <= 3 and 0 <= one.lag < 5 and not one.lost for one in measured)


@pytest.mark.slow
def test_lost_deliveries_are_told_apart():
    run = Run(name="lost", polling=Polling(initial=0.1, hint_patience=0.0), feedback=True, misbehaviour="never")
    assert all(one.lost for one in measure(run, tasks=3, at_once=3, lengths=(0.1, 0.2)))


def test_quantiles_are_the_nearest_ranks():
    lags = [float(n) for n in range(1, 201)]
    assert (share(lags, 0.5), share(lags, 0.99), share(lags, 1.0)) == (100, 198, 200)
    assert share([], 0.5) == 0
    assert figures([seen(0.1), seen(0.2, 3)])["polls"] == 2.5


def test_only_a_difference_beyond_chance_counts_as_worse():
    lags = [n / 100 for n in range(100)]
    assert worse(lags, lags) == pytest.approx(0)
    assert worse([lag + 1 for lag in lags], lags) > 5
    assert worse([lag - 1 for lag in lags], lags) < -5


def test_the_goals_can_be_missed():
    def verdict(lag, polls, lost_lag):
        rows = {name: [seen(lag, polls)] * 20 for name in ("feedback", "feedback, hint_checks=0")}
        rows["prediction"] = [seen(n / 100, 4) for n in range(20)]
        for name in LOSSY:
            rows[f"{name}: lost"] = [seen(lost_lag, lost=True)] * 10
            rows[f"{name}: delivered"] = [seen(0.0)] * 10
        return [goal["passed"] for goal in goals(rows, 20)]

    assert verdict(0.01, 2, 0.1) == [True] * 10
    assert verdict(0.06, 3, 9.0) == [False] * 4 + [True, False] * 3


# Polling with feedback, in simulated time.


def lags(polling, loss, *, feedback=True, runs=60):
    """The lags of the tasks whose delivery was lost; without feedback, of all tasks."""
    ended = [one for seed in range(runs) for one in simulate(polling, Field(), loss, seed, feedback=feedback)]
    return sorted(one.lag for one in ended if one.lost or not feedback)


def test_with_all_deliveries_a_task_takes_two_polls_and_a_few_take_three():
    ended = simulate(Polling(), Field(), 0.0, seed=1)
    assert sorted(one.polls for one in ended) == [2] * 191 + [3] * 9
    assert max(one.lag for one in ended) < 0.05
    assert {one.polls for one in simulate(Polling(hint_checks=0), Field(), 0.0, seed=1)} == {2}


@pytest.mark.slow
def test_tasks_without_their_delivery_are_found_as_soon_as_by_prediction_after_the_first_few():
    lost, predicted = lags(Polling(), 0.2), lags(Polling(), 0.0, feedback=False)
    assert share(lost, 0.5) < 1.1 * share(predicted, 0.5)
    assert sum(lag > predicted[-1] for lag in lost) / len(lost) < 0.08
    assert sum(lost) / len(lost) < 2.5 * sum(predicted) / len(predicted)
    patient = lags(Polling(hint_checks=0), 0.2)
    assert sum(patient) / len(patient) > 4 * sum(lost) / len(lost)


@pytest.mark.slow
def test_without_any_delivery_the_lag_is_hardly_longer_than_by_prediction():
    lost, predicted = lags(Polling(), 1.0), lags(Polling(), 0.0, feedback=False)
    assert sum(lost) / len(lost) < 1.5 * sum(predicted) / len(predicted)


def test_no_task_is_lost_however_many_deliveries_are():
    for loss in (0.0, 0.2, 0.9, 1.0):
        assert len(simulate(Polling(), Field(tasks=100, at_once=100), loss, seed=2)) == 100
