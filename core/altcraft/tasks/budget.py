"""The retry budget: how many retries a client may make in a burst, and how fast they come back. Pure: no clock.

A token bucket, as botocore's standard retry mode has one. It keeps an outage from being answered with a storm.
"""

from __future__ import annotations

from math import inf

import msgspec

__all__ = ["RetryBudget", "TokenBucket"]


class RetryBudget(msgspec.Struct, frozen=True):
    """How many retries one client may make.

    A client may make `burst` retries at once; after that, `per_second` more each second. Raises ValueError for settings
    that make no sense.
    """

    burst: float = 30.0
    per_second: float = 2.0

    def __post_init__(self) -> None:
        if not 1 <= self.burst < inf:
            raise ValueError(f"RetryBudget(burst={self.burst!r}): give a number of retries, 1 or more")
        if not 0 < self.per_second < inf:
            raise ValueError(f"RetryBudget(per_second={self.per_second!r}): give retries a second, above 0")


class TokenBucket:
    """One client's budget as it is spent. Not thread-safe: the client uses it under its lock."""

    __slots__ = ("_at", "_budget", "_tokens")

    def __init__(self, budget: RetryBudget | None) -> None:
        self._budget = budget
        self._tokens = inf if budget is None else budget.burst
        self._at = -inf

    def take(self, at: float) -> bool:
        """Takes a token for a retry of a call. False when the bucket is empty."""
        self._refill(at)
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True

    def reserve(self, at: float) -> float:
        """Takes a token for a poll that will be repeated in any case. Returns the seconds until the token is there."""
        self._refill(at)
        self._tokens -= 1
        if self._budget is None or self._tokens >= 0:
            return 0.0
        return -self._tokens / self._budget.per_second

    def _refill(self, at: float) -> None:
        if self._budget is not None and at > self._at:
            if self._at > -inf:
                self._tokens = min(self._budget.burst, self._tokens + (at - self._at) * self._budget.per_second)
            self._at = at
