"""Retry: how often and how soon, and no repetition of a submission that may have been processed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from altcraft import (
    AltcraftError,
    ApiError,
    BadRequest,
    ClientClosed,
    ConnectError,
    ConnectionLost,
    DecodeError,
    RateLimited,
    RequestTimeout,
    ResponseTooLarge,
    Retry,
    RetryBudget,
    TransportError,
)


def refusal(status: int, code: int | None = None, retry_after: float | None = None) -> ApiError:
    return ApiError(status if code is None else code, "", status, retry_after)


@pytest.mark.parametrize(
    ("error", "when_safe", "when_not"),
    [
        (ConnectError("refused"), True, True),
        (RequestTimeout("slow"), True, False),
        (ConnectionLost("reset"), True, False),
        (TransportError("odd"), False, False),
        (ResponseTooLarge("too large"), False, False),
        (refusal(429), True, False),
        (refusal(502), True, False),
        (refusal(503), True, False),
        (refusal(504), True, False),
        (refusal(200, 429), True, False),
        (refusal(503, 440), True, False),
        (RateLimited(429, "", 429, 3.0), True, False),
        (refusal(500), False, False),
        (refusal(200, 500), False, False),
        (BadRequest(400, "", 200), False, False),
        (refusal(401), False, False),
        (refusal(301), False, False),
        (DecodeError("html"), False, False),
        (ClientClosed(), False, False),
        (AltcraftError("other"), False, False),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_a_submission_is_repeated_only_when_nothing_was_sent_and_a_read_after_any_passing_failure(
    error: AltcraftError, when_safe: bool, when_not: bool
) -> None:
    assert (Retry().next_delay(1, error, safe=True) is not None) is when_safe
    assert (Retry().next_delay(1, error, safe=False) is not None) is when_not


@pytest.mark.parametrize("attempts", [1, 2, 4, 10])
def test_the_first_attempt_counts(attempts: int) -> None:
    retry, sent, error = Retry(attempts=attempts), 1, ConnectError("refused")
    while retry.next_delay(sent, error, safe=True) is not None:
        sent += 1
    assert sent == attempts


@given(st.integers(1, 5000), st.integers(0, 2**64), st.floats(0.001, 10), st.floats(1, 1e6))
def test_a_delay_is_drawn_from_the_upper_half_of_its_step(failures: int, seed: int, base: float, ratio: float) -> None:
    retry = Retry(attempts=10_000, base=base, maximum=base * ratio)
    delay = retry.next_delay(failures, ConnectError("x"), safe=False, seed=seed)
    step = min(base * ratio, base * 2.0 ** min(failures - 1, 60))
    assert delay is not None
    assert step / 2 <= delay <= step


def test_steps_double_up_to_the_maximum() -> None:
    retry = Retry(attempts=20, base=1.0, maximum=8.0)
    delays = [retry.next_delay(n, ConnectError("x"), safe=True, seed=5) or 0 for n in range(1, 10)]
    for delay, step in zip(delays, [1, 2, 4, 8, 8, 8, 8, 8, 8], strict=True):
        assert step / 2 <= delay <= step


def test_equal_arguments_give_equal_delays_and_other_seeds_other_ones() -> None:
    delays = [Retry().next_delay(1, ConnectError("x"), safe=True, seed=seed) for seed in range(100)]
    assert delays == [Retry().next_delay(1, ConnectError("x"), safe=True, seed=seed) for seed in range(100)]
    assert len(set(delays)) > 95


@pytest.mark.parametrize("asked", [5.0, 60.0, 3600.0])
def test_no_delay_is_shorter_than_the_server_asks_for(asked: float) -> None:
    assert Retry().next_delay(1, refusal(503, retry_after=asked), safe=True) == asked


@pytest.mark.parametrize("asked", [0.0, 0.01, None])
def test_a_short_retry_after_does_not_shorten_the_delay(asked: float | None) -> None:
    delay = Retry().next_delay(1, refusal(503, retry_after=asked), safe=True)
    assert delay is not None
    assert delay >= 0.25


def test_the_statuses_are_a_setting() -> None:
    retry = Retry(statuses={500})  # type: ignore[arg-type]  # any iterable works
    assert isinstance(retry.statuses, frozenset)
    assert retry.next_delay(1, refusal(500), safe=True) is not None
    assert retry.next_delay(1, refusal(503), safe=True) is None


def test_the_settings_have_the_documented_defaults() -> None:
    retry = Retry()
    assert (retry.attempts, retry.base, retry.maximum) == (4, 0.5, 30.0)
    assert retry.statuses == {429, 502, 503, 504}
    assert (retry.patience, retry.budget) == (120.0, RetryBudget())


@pytest.mark.parametrize(
    "settings",
    [
        {"attempts": 0}, {"attempts": -1}, {"attempts": 1.5}, {"base": 0}, {"base": -1}, {"base": 2, "maximum": 1},
        {"maximum": 0}, {"maximum": float("inf")}, {"base": float("nan")}, {"maximum": float("nan")},
        {"base": float("inf")}, {"attempts": float("nan")}, {"attempts": float("inf")}, {"attempts": "4"},
        {"patience": -1.0}, {"patience": float("nan")}, {"statuses": "429"}, {"statuses": {"429"}},
        {"statuses": [4.29]},
    ],
)  # fmt: skip
def test_settings_that_make_no_sense_are_refused(settings: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="Retry"):
        Retry(**settings)  # type: ignore[arg-type]  # wrong on purpose
    with pytest.raises(ValueError, match="Retry"):
        Retry().replace(**settings)


def test_a_budget_is_a_retry_budget_or_none() -> None:
    assert Retry(budget=None).budget is None
    assert Retry(budget=RetryBudget(burst=5, per_second=0.5)).budget == RetryBudget(5, 0.5)
    with pytest.raises(TypeError, match="give a RetryBudget"):
        Retry(budget=5)  # type: ignore[arg-type]  # wrong on purpose


def test_an_endless_patience_is_allowed() -> None:
    assert Retry(patience=float("inf")).patience == float("inf")


def test_a_retry_is_a_value() -> None:
    assert Retry() == Retry()
    assert hash(Retry()) == hash(Retry())
    with pytest.raises(AttributeError):
        Retry().attempts = 5  # type: ignore[misc]  # on purpose
