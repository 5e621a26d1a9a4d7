"""When a failed exchange is tried again. A value that the machine reads; it does nothing by itself."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from altcraft.errors import AltcraftError, ApiError, ConnectError, ConnectionLost, RequestTimeout
from altcraft.tasks.jitter import fraction

__all__ = ["Retry"]


class Retry(msgspec.Struct, frozen=True, kw_only=True):
    """How often and how soon a failed exchange is repeated; `attempts` counts the first one, so 1 means never.

    The wait before attempt n+1 is drawn from the upper half of `base * 2**(n-1)` seconds, at most `maximum`, and is
    never shorter than a Retry-After header asks for; a call that it would keep for longer than `maximum` fails at once,
    a wait for a task goes on. `statuses` are the HTTP statuses, or envelope codes, worth
    another try. What is retried at all depends on the exchange: a status or another reading is, whenever it may help;
    a submission only when nothing can have been sent.
    """

    attempts: int = 4
    base: float = 0.5
    maximum: float = 30.0
    statuses: frozenset[int] = frozenset({429, 502, 503, 504})

    def __post_init__(self) -> None:
        if self.attempts != int(self.attempts) or self.attempts < 1:
            raise ValueError(f"Retry(attempts={self.attempts!r}): a whole number from 1; 1 never retries")
        if not 0 < self.base <= self.maximum < float("inf"):
            raise ValueError(f"Retry(base={self.base!r}, maximum={self.maximum!r}): seconds, 0 < base <= maximum")
        statuses: Iterable[int] = self.statuses
        msgspec.structs.force_setattr(self, "statuses", frozenset(statuses))

    def replace(self, **changes: object) -> Retry:
        """The same policy with changes, checked like a new one."""
        changed = msgspec.structs.replace(self, **changes)
        changed.__post_init__()  # once more, as msgspec 0.19 leaves it out
        return changed

    def next_delay(self, failures: int, error: AltcraftError, *, safe: bool, seed: int = 0) -> float | None:
        """Seconds until the next attempt after so many failures in a row, or None to give up.

        `safe` says whether the exchange may be repeated although it may have been processed. Pure.
        """
        if failures >= self.attempts or not self._may_help(error, safe=safe):
            return None
        step = min(self.maximum, self.base * 2.0 ** min(failures - 1, 60))
        delay = step * (0.5 + fraction(seed, failures) / 2)
        retry_after = error.retry_after if isinstance(error, ApiError) else None
        return max(delay, retry_after or 0.0)

    def _may_help(self, error: AltcraftError, *, safe: bool) -> bool:
        if isinstance(error, ConnectError):
            return True
        if isinstance(error, ApiError):
            return safe and (error.http_status in self.statuses or error.code in self.statuses)
        return safe and isinstance(error, (RequestTimeout, ConnectionLost))
