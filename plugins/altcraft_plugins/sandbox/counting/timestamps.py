"""Times as the platform writes them: RFC 3339 with milliseconds, and durations in the style of Go."""

from __future__ import annotations

from datetime import datetime, timezone

__all__ = ["go_duration", "milliseconds", "now", "seconds"]


def now() -> datetime:
    """The current time, in UTC."""
    return datetime.now(timezone.utc)


def milliseconds(moment: datetime) -> str:
    """The format of `updated`: "2024-04-17T21:36:01.449Z". Always three digits, truncated."""
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"


def seconds(moment: datetime) -> str:
    """The format of `last_count_time`: "2024-04-17T21:36:01Z"."""
    return f"{moment:%Y-%m-%dT%H:%M:%S}Z"


def go_duration(nanoseconds: int) -> str:
    """A duration as Go prints it: "0s", "17ns", "812.5µs", "82.746959ms", "1.5s", "1m0.25s", "2h0m3s"."""
    if nanoseconds == 0:
        return "0s"
    for unit, size in (("ns", 1_000), ("µs", 1_000_000), ("ms", 1_000_000_000)):
        if nanoseconds < size:
            return _decimal(nanoseconds, size // 1_000) + unit
    minutes, rest = divmod(nanoseconds, 60_000_000_000)
    text = _decimal(rest, 1_000_000_000) + "s"
    if minutes >= 60:
        return f"{minutes // 60}h{minutes % 60}m{text}"
    return f"{minutes}m{text}" if minutes else text


def _decimal(value: int, unit: int) -> str:
    whole, fraction = divmod(value, unit)
    if not fraction:
        return str(whole)
    digits = str(fraction).zfill(len(str(unit)) - 1).rstrip("0")
    return f"{whole}.{digits}"
