"""The retry budget: a burst of retries, and then so many a second."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from altcraft import RetryBudget
from altcraft.tasks.budget import TokenBucket


def taken(bucket: TokenBucket, at: float) -> int:
    """How many tokens the bucket gives at that time."""
    count = 0
    while bucket.take(at):
        count += 1
    return count


def test_a_burst_is_available_at_once_and_no_more() -> None:
    assert taken(TokenBucket(RetryBudget(burst=5, per_second=1)), at=100.0) == 5


def test_tokens_come_back_with_time_up_to_the_burst() -> None:
    bucket = TokenBucket(RetryBudget(burst=5, per_second=2))
    assert taken(bucket, at=0.0) == 5
    assert taken(bucket, at=0.4) == 0
    assert taken(bucket, at=0.5) == 1
    assert taken(bucket, at=2.0) == 3
    assert taken(bucket, at=1000.0) == 5


def test_time_before_the_first_retry_brings_no_more_than_the_burst() -> None:
    bucket = TokenBucket(RetryBudget(burst=2, per_second=1))
    assert taken(bucket, at=1e9) == 2


def test_without_a_budget_every_retry_is_granted() -> None:
    bucket = TokenBucket(None)
    assert all(bucket.take(0.0) for _ in range(1000))
    assert {bucket.reserve(0.0) for _ in range(1000)} == {0.0}


def test_a_reserved_token_is_there_after_the_time_that_reserve_tells() -> None:
    bucket = TokenBucket(RetryBudget(burst=2, per_second=4))
    assert [bucket.reserve(10.0) for _ in range(5)] == [0.0, 0.0, 0.25, 0.5, 0.75]
    assert not bucket.take(10.75)
    assert bucket.take(11.0)


def test_reservations_keep_the_pace_of_the_budget() -> None:
    bucket = TokenBucket(RetryBudget(burst=10, per_second=2))
    times = sorted(at + bucket.reserve(at) for at in (n * 0.01 for n in range(100)))
    assert sum(time <= 1.0 for time in times) <= 12
    assert times[-1] == pytest.approx((100 - 10) / 2, abs=1.0)


@given(
    st.floats(1, 1000),
    st.floats(0.01, 1000),
    st.lists(st.tuples(st.floats(0, 100), st.booleans()), max_size=50),
)
def test_no_more_tokens_are_given_than_the_burst_and_the_time_allow(
    burst: float, per_second: float, steps: list[tuple[float, bool]]
) -> None:
    bucket, at, given_tokens = TokenBucket(RetryBudget(burst, per_second)), 0.0, 0
    for gap, is_certain in steps:
        at += gap
        given_tokens += bucket.reserve(at) == 0.0 if is_certain else bucket.take(at)
    assert given_tokens <= burst + at * per_second + 1e-6


def test_a_clock_that_runs_backwards_takes_nothing_away_and_adds_nothing() -> None:
    bucket = TokenBucket(RetryBudget(burst=3, per_second=1))
    assert bucket.take(100.0)
    assert taken(bucket, at=50.0) == 2
    assert taken(bucket, at=100.0) == 0
    assert taken(bucket, at=101.0) == 1


@pytest.mark.parametrize(
    "settings",
    [
        {"burst": 0}, {"burst": 0.5}, {"burst": -1}, {"burst": math.inf}, {"burst": math.nan},
        {"per_second": 0}, {"per_second": -1}, {"per_second": math.inf}, {"per_second": math.nan},
    ],
)  # fmt: skip
def test_a_budget_that_makes_no_sense_is_refused_by_name(settings: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(settings))):
        RetryBudget(**settings)


def test_a_budget_is_a_value() -> None:
    assert RetryBudget() == RetryBudget(30.0, 2.0)
    assert hash(RetryBudget()) == hash(RetryBudget())
    with pytest.raises(AttributeError):
        RetryBudget().burst = 5  # type: ignore[misc]  # a budget is frozen
