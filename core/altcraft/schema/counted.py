"""Reads "counted at 2024-04-17T21:36:01Z in 82.746959ms": a time and a duration as Go prints them."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

import msgspec

__all__ = ["parse_counted"]

# Compiled by re on first use, and kept there. Most programs import this module and never parse such a text.
_COUNTED = r"counted at (\S+) in (\S+)"
_STEP = r"([0-9]+(?:\.[0-9]+)?)(ns|us|µs|μs|ms|s|m|h)"
_MICROSECONDS = {"ns": 1e-3, "us": 1.0, "µs": 1.0, "μs": 1.0, "ms": 1e3, "s": 1e6, "m": 6e7, "h": 3.6e9}


def parse_counted(text: str | None) -> tuple[datetime, timedelta] | None:
    """The time (aware) and the duration (to the microsecond); None for a text of another form."""
    match = re.fullmatch(_COUNTED, text) if text else None
    if match is None:
        return None
    duration = _parse_duration(match[2])
    if duration is None:
        return None
    try:
        moment = msgspec.convert(match[1], datetime)
    except msgspec.ValidationError:
        return None
    return (moment, duration) if moment.tzinfo else None


def _parse_duration(text: str) -> timedelta | None:
    """A Go duration without a sign: "82.746959ms", "1h2m3.5s", "0s"."""
    if re.sub(_STEP, "", text):
        return None
    try:
        return timedelta(microseconds=sum(float(n) * _MICROSECONDS[unit] for n, unit in re.findall(_STEP, text)))
    except OverflowError:
        return None
