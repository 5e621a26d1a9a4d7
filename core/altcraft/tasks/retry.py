"""When a failed exchange is repeated. A value that the machines read."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from altcraft.errors import AltcraftError, ApiError, ConnectError, ConnectionLost, RequestTimeout
from altcraft.tasks.budget import RetryBudget
from altcraft.tasks.jitter import fraction

__all__ = ["Retry"]


class Retry(msgspec.Struct, frozen=True, kw_only=True):
    """How often and how soon a failed exchange is repeated. An immutable value, safe to share.

    The delay before attempt n+1 is drawn from the upper half of `base * 2**(n-1)` seconds, at most `maximum`, and is
    never shorter than a Retry-After header asks for. A poll is repeated after any failure that time may cure, a
    submission only when nothing can have been sent. Raises ValueError for settings that make no sense.
    """

    attempts: int = 4
    """How often a single call is sent at most, the first time included; 1: never repeated."""
    base: float = 0.5
    """The first delay, in seconds."""
    maximum: float = 30.0
    """The longest delay, in seconds. A call whose Retry-After asks for more fails at once."""
    statuses: frozenset[int] = frozenset({429, 502, 503, 504})
    """HTTP statuses, and error codes of the platform, that time may cure."""
    patience: float = 120.0
    """Seconds for which a poll within a wait is repeated while it keeps failing, unless the deadline comes first."""
    budget: RetryBudget | None = RetryBudget()
    """How many retries a client may make in a burst, and how fast they come back; None: no limit."""

    def __post_init__(self) -> None:
        if not isinstance(self.attempts, int) or self.attempts < 1:
            raise ValueError(f"Retry(attempts={self.attempts!r}): give a whole number from 1; 1 never retries")
        if not 0 < self.base <= self.maximum < float("inf"):
            raise ValueError(f"Retry(base={self.base!r}, maximum={self.maximum!r}): give seconds, 0 < base <= maximum")
        if not self.patience >= 0:
            raise ValueError(f"Retry(patience={self.patience!r}): give seconds, 0 for no repetition within a wait")
        if self.budget is not None and not isinstance(self.budget, RetryBudget):
            raise TypeError(f"Retry(budget={self.budget!r}): give a RetryBudget, or None for no limit")
        statuses: Iterable[object] = self.statuses
        if isinstance(statuses, str) or not all(isinstance(status, int) for status in statuses):
            raise ValueError(f"Retry(statuses={statuses!r}): give a set of numbers, such as {{429, 503}}")
        msgspec.structs.force_setattr(self, "statuses", frozenset(statuses))

    def replace(self, **changes: object) -> Retry:
        """A copy with changes. Raises ValueError as the constructor does."""
        changed = msgspec.structs.replace(self, **changes)
        changed.__post_init__()  # msgspec 0.19 does not call it
        return changed

    def next_delay(self, failures: int, error: AltcraftError, *, safe: bool, seed: int = 0) -> float | None:
        """Seconds until a call is repeated after so many failures in a row, or None to give up. Pure.

        `safe` says that the exchange may be repeated although the platform may have processed it.
        """
        if failures >= self.attempts or not self.may_help(error, safe=safe):
            return None
        return self.delay(failures, error, seed=seed)

    def delay(self, failures: int, error: AltcraftError, *, seed: int = 0) -> float:
        """Seconds until an exchange is repeated that has failed so many times in a row. Pure."""
        step = min(self.maximum, self.base * 2.0 ** min(failures - 1, 60))
        delay = step * (0.5 + fraction(seed, failures) / 2)
        retry_after = error.retry_after if isinstance(error, ApiError) else None
        return max(delay, retry_after or 0.0)

    def may_help(self, error: AltcraftError, *, safe: bool) -> bool:
        """Whether time may cure the error, and the exchange may be repeated."""
        if isinstance(error, ConnectError):
            return True
        if isinstance(error, ApiError):
            return safe and (error.http_status in self.statuses or error.code in self.statuses)
        return safe and isinstance(error, (RequestTimeout, ConnectionLost))
