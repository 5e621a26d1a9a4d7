"""The charts' lines: one SVG for each channel, a lane for each counter, without text. Pure.

Lanes have scales of their own, since a channel may be 86 % subscribed and 0.3 % complained: on one scale, most lines
would lie on the axis. The SVG stretches to the width of the page, its strokes do not. All text stands beside it, in
HTML, and keeps its size on a phone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import accumulate, pairwise
from typing import Final

from msgspec import Struct

from altcraft_plugins.history import Change

__all__ = ["Lane", "drawn", "lane_of"]

WIDTH: Final = 600
"""Units of the time axis. A chart is about so many pixels wide."""
_MONTH: Final = 30.4 * 86400
LANE, TOP, HEIGHT = 56, 25, 26
"""Units of a lane: its height, and where in it the line's area begins, and how high that is. A unit is a pixel."""


class Lane(Struct, frozen=True):
    """One counter's line: shares or, where the whole is not known, counts. The scale goes from `low` to `high`."""

    change: Change
    values: Sequence[float]
    is_share: bool
    low: float
    high: float


def lane_of(change: Change) -> Lane:
    """The line of a counter. A scale that would make a ripple look like a wave is widened."""
    shares = [point.share for point in change.points if point.share is not None]
    is_share = len(shares) == len(change.points)
    values = shares if is_share else [_float(point.count) for point in change.points]
    low, high = min(values), max(values)
    least = 0.01 if is_share else max(1.0, 0.02 * max(abs(low), abs(high)))  # one percentage point, or 2 % of a count
    if high - low < least:
        middle = (low + high) / 2
        low, high = middle - least / 2, middle + least / 2
        if low < 0 <= min(values):
            low, high = 0.0, least
    return Lane(change, values, is_share, low, high)


def drawn(
    lanes: Sequence[Lane], first: datetime, last: datetime, *, title: str, marked: str | None, points: int
) -> str:
    """The SVG. `title` is escaped already. The line of the counter `marked` stands out. A line has at most `points`."""
    span = max((last - first).total_seconds(), 1.0)
    height = LANE * len(lanes)
    parts = [f'<svg role="img" viewBox="0 0 {WIDTH} {height}" preserveAspectRatio="none"><title>{title}</title>']
    parts.append(f'<path class="g" d="{_grid(len(lanes), first, span, height)}"/>')
    for place, lane in enumerate(lanes):
        moments = [(point.at - first).total_seconds() / span * WIDTH for point in lane.change.points]
        path, end = _line(moments, lane, LANE * place + TOP, points)
        kind = ' class="a"' if lane.change.counter == marked else ""
        parts.append(f'<path{kind} d="{path}"/><path class="e" d="{end}"/>')
    return "".join(parts) + "</svg>"


def _line(moments: Sequence[float], lane: Lane, top: int, points: int) -> tuple[str, str]:
    """The line's path, broken where counts are missing, and the path of the dot at its end."""
    scale = HEIGHT / (lane.high - lane.low)
    run = _runs(moments)
    path: list[str] = []
    x = y = 0
    before: int | None = None
    for place in _chosen(lane.values, points):
        to_x = round(moments[place])
        to_y = round(top + HEIGHT - (lane.values[place] - lane.low) * scale)
        if before is None or run[place] != run[before]:
            path.append(f"M{to_x} {to_y}h0")  # a count alone is a dot
        else:
            path.append(f"l{to_x - x} {to_y - y}")
        x, y, before = to_x, to_y, place
    return "".join(path), f"M{x} {y}h0"


def _chosen(values: Sequence[float], points: int) -> list[int]:
    """The places of at most so many values, the first, the last, and the extremes of each part among them."""
    if len(values) <= points:
        return list(range(len(values)))
    parts = max(1, (points - 2) // 2)
    chosen = {0, len(values) - 1}
    for part in range(parts):
        places = range(len(values) * part // parts, len(values) * (part + 1) // parts)
        chosen |= {min(places, key=values.__getitem__), max(places, key=values.__getitem__)}
    return sorted(chosen)


def _runs(moments: Sequence[float]) -> list[int]:
    """For each moment the number of its run. A new run begins where counts are missing: after four times the usual."""
    distances = [after - before for before, after in pairwise(moments)]
    usual = sorted(distances)[len(distances) // 2] if distances else 0.0
    longest = max(4 * usual, WIDTH / 20)
    return list(accumulate((distance > longest for distance in distances), initial=0))


def _grid(lanes: int, first: datetime, span: float, height: int) -> str:
    """A rule below each lane, and one at each turn of the month or the year."""
    rules = "".join(f"M0 {LANE * place + TOP + HEIGHT}h{WIDTH}" for place in range(lanes))
    turns = "".join(
        f"M{round((turn - first).total_seconds() / span * WIDTH)} 0v{height}" for turn in _turns(first, span)
    )
    return rules + turns


def _turns(first: datetime, span: float) -> Iterator[datetime]:
    """The first of each month between; of each quarter, year or decade, where those would stand too close."""
    months = next((step for step in (1, 3, 12, 120) if span < step * 12 * _MONTH), None)
    if months is None:
        return
    end = first + timedelta(seconds=span)
    place = first.year * 12 + first.month - 1
    for number in range(place - place % months + months, end.year * 12 + end.month, months):
        yield first.replace(year=number // 12, month=number % 12 + 1, day=1, hour=0, minute=0, second=0, microsecond=0)


def _float(number: int) -> float:
    """A count as a float; one beyond any float is the largest."""
    try:
        return float(number)
    except OverflowError:
        return 1e300 if number > 0 else -1e300
