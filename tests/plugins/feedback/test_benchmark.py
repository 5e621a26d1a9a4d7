"""The benchmark measures what it says."""

from __future__ import annotations

import pytest

from altcraft import Polling
from benchmarks.feedback.__main__ import figures, goals, share, worse
from benchmarks.feedback.field import Run, Seen, measure


def seen(lag, polls=2, *, lost=False, unaware=False):
    return Seen(polls, lag, lost, unaware)


def test_a_small_run_on_real_sockets():
    run = Run(name="feedback", polling=Polling(), feedback=True)
    measured = measure(run, tasks=6, at_once=3, lengths=(0.1, 0.3))
    assert len(measured) == 6
    assert all(one.polls <= 2 and 0 <= one.lag < 5 and not one.lost for one in measured)


def test_lost_deliveries_are_told_apart():
    run = Run(name="lost", polling=Polling(initial=0.1, hint_patience=0.0), feedback=True, misbehaviour="never")
    assert all(one.lost for one in measure(run, tasks=3, at_once=3, lengths=(0.1, 0.2)))


def test_quantiles_are_the_nearest_ranks():
    lags = [float(n) for n in range(1, 201)]
    assert (share(lags, 0.5), share(lags, 0.99), share(lags, 1.0)) == (100, 198, 200)
    assert share([], 0.5) == 0
    assert figures([seen(0.1), seen(0.2, 3)])["polls"] == 2.5


def test_worse_is_a_matter_of_chance_until_it_is_none():
    lags = [n / 100 for n in range(100)]
    assert worse(lags, lags) == pytest.approx(0)
    assert worse([lag + 1 for lag in lags], lags) > 5
    assert worse([lag - 1 for lag in lags], lags) < -5


def test_the_goals_can_be_missed():
    def verdict(lag, polls, lost_lag):
        names = ("feedback, 20 % lost", "the same, hint_patience=0")
        rows = {"feedback": [seen(lag, polls)] * 20, "prediction": [seen(n / 100, 4) for n in range(20)]}
        for name in names:
            rows[f"{name}: lost"] = [seen(lost_lag, lost=True)] * 10
            rows[f"{name}: delivered"] = [seen(0.0)] * 10
        return [goal["passed"] for goal in goals(rows, 20)]

    assert verdict(0.01, 2, 0.1) == [True] * 6
    assert verdict(0.06, 3, 9.0) == [False, False, True, False, True, False]
