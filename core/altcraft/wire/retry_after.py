"""The Retry-After header: how long a server asks clients to wait."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timezone
from math import ceil

from altcraft.wire.messages import header

__all__ = ["LONGEST_WAIT", "retry_after"]

LONGEST_WAIT = 86400.0
"""Seconds. A longer wait counts as a day: it is a mistake, or a block that no client waits for."""

# Compiled by re on first use, and kept there. The date is that of RFC 9110, in each of its three forms.
_SECONDS = r"[0-9]+(?:\.[0-9]*)?|\.[0-9]+"
_TIME = r"([0-9]{2}:[0-9]{2}:[0-9]{2})"
_DATE = (
    rf"(?i)[a-z]+,? +(?:([0-9]{{1,2}})[ -]([a-z]{{3}})[ -]([0-9]{{4}}|[0-9]{{2}}) +{_TIME} +(?:GMT|UTC|[+-]0000)"
    rf"|([a-z]{{3}}) +([0-9]{{1,2}}) +{_TIME} +([0-9]{{4}}))"
)
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")


def retry_after(headers: Mapping[str, str]) -> float | None:
    """The seconds that the server asks for; None where the header is missing or makes no sense.

    A fraction of a second counts as a whole one. A date counts from the reply's own Date, so that no clock is needed.
    """
    value = (header(headers, "retry-after") or "").strip()
    if re.fullmatch(_SECONDS, value):
        return min(float(ceil(min(float(value), LONGEST_WAIT))), LONGEST_WAIT)
    until, since = _moment(value), _moment((header(headers, "date") or "").strip())
    if until is None or since is None:
        return None
    return min(max(0.0, (until - since).total_seconds()), LONGEST_WAIT)


def _moment(date: str) -> datetime | None:
    match = re.fullmatch(_DATE, date)
    if match is None:
        return None
    groups = match.groups()
    day, month, year, time = groups[:4] if groups[0] else (groups[5], groups[4], groups[7], groups[6])
    try:
        hour, minute, second = map(int, time.split(":"))
        full_year = int(year) if len(year) == 4 else int(year) + (1900 if int(year) >= 70 else 2000)
        # A leap second, which no datetime has, counts as the second before it.
        number = _MONTHS.index(month.lower()) + 1
        return datetime(full_year, number, int(day), hour, minute, 59 if second == 60 else second, tzinfo=timezone.utc)
    except ValueError:
        return None
