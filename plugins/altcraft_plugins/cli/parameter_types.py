"""Types of option values: durations, times, and the sandbox's pace."""

from __future__ import annotations

import math
import re
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Final

import click

__all__ = ["DURATION", "MOMENT", "PACE", "POSITIVE_DURATION"]

if TYPE_CHECKING:
    _FloatType = click.ParamType[float]
    _TimeType = click.ParamType[datetime]
else:  # older versions of click have no generic ParamType
    _FloatType = _TimeType = click.ParamType

_UNITS = {"d": 86_400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_DURATION = r"(?:(?P<{}>\d+(?:\.\d+)?){})?"
_WHOLE = "".join(_DURATION.format(unit, unit if unit != "m" else "m(?!s)") for unit in _UNITS)


class _Duration(_FloatType):
    """Seconds, out of "90", "30s", "5m", "1h30m", "500ms"."""

    name = "duration"

    def __init__(self, *, zero: bool) -> None:
        self._zero = zero

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        seconds = _seconds(str(value).strip())
        if seconds is None or not math.isfinite(seconds):
            self.fail(f"{value!r} is not a number of seconds, nor a duration such as 30s, 5m or 1h30m.", param, ctx)
        if seconds == 0 and not self._zero:
            self.fail("give more than 0 seconds.", param, ctx)
        return seconds


class _Pace(_FloatType):
    """A duration, or two with dots between them."""

    name = "pace"

    def convert(  # type: ignore[override]  # a range is a pair
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> float | tuple[float, float]:
        least, dots, most = str(value).partition("..")
        if not dots:
            return DURATION.convert(least, param, ctx)
        return DURATION.convert(least, param, ctx), DURATION.convert(most, param, ctx)


class _Moment(_TimeType):
    """An aware time, out of "30d" (so long ago), "2026-11-01" or "2026-11-01T06:00Z". Without a time zone: UTC."""

    name = "moment"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        text = str(value).strip()
        ago = _seconds(text)
        try:
            if ago is not None:
                return datetime.now(timezone.utc) - timedelta(seconds=ago)
            moment = datetime.fromisoformat(re.sub(r"[zZ]$", "+00:00", text))  # Python 3.10 does not read a Z
            return moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)
        except (ValueError, OverflowError):
            self.fail(f"{value!r} is neither a duration such as 30d, nor a date such as 2026-11-01.", param, ctx)


def _seconds(text: str) -> float | None:
    if re.fullmatch(r"\d+(\.\d*)?|\.\d+", text):
        return float(text)
    match = re.fullmatch(_WHOLE, text) if text else None
    if match is None:
        return None
    return math.fsum(float(amount) * _UNITS[unit] for unit, amount in match.groupdict().items() if amount)


DURATION: Final = _Duration(zero=True)
POSITIVE_DURATION: Final = _Duration(zero=False)
PACE: Final = _Pace()
MOMENT: Final = _Moment()
