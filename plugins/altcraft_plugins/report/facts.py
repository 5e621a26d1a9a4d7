"""What the overview says: drops, changes, failures, names that wait for a count. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from msgspec import Struct

from altcraft_plugins.history import Change, Failure, Point, Series

__all__ = ["WATCHED", "Drop", "Failed", "Move", "drops", "failed", "growth_of", "largest_moves"]

WATCHED: Final = ("subscribed", "subscribed_sendable")
"""The counters whose fall is a loss."""


class Drop(Struct, frozen=True):
    """A counter that fell by more than the threshold since the count before. `percent` is how much of it went."""

    series: Series
    change: Change
    percent: float
    threshold: float


class Move(Struct, frozen=True):
    """The counter of a channel that changed most since the point `before`.

    `points` is by how many percentage points its share grew; where it `is_share` not, by how many percent it grew.
    """

    series: Series
    change: Change
    before: Point
    points: float
    is_share: bool


class Failed(Struct, frozen=True):
    """What failed of one name: the newest failure, and how many there were.

    `counted_at` is the time of the first count of the same name after it, None without one.
    """

    failure: Failure
    times: int
    counted_at: datetime | None


def drops(series: Iterable[Series], thresholds: float | Mapping[str, float] | None) -> list[Drop]:
    """The drops beyond the threshold, in percent: one for all names, or one for each. The largest comes first.

    Of a channel, the first watched counter that fell so far is told.
    """
    found: list[Drop] = []
    for each in series:
        threshold = thresholds.get(each.name) if isinstance(thresholds, Mapping) else thresholds
        for change in map(each.change_of, WATCHED):
            growth = None if change is None else growth_of(change.points[-2:])
            if change is not None and growth is not None and threshold is not None and -growth > threshold:
                found.append(Drop(each, change, -growth, threshold))
                break
    return sorted(found, key=lambda drop: -drop.percent)


def largest_moves(series: Iterable[Series], *, over_all: bool, most: int = 10) -> list[Move]:
    """For each channel the counter that changed most; the largest changes, the largest first.

    The change is that since the count before or, with `over_all`, since the first count.
    """
    found: list[Move] = []
    for each in series:
        moves = [
            _move(each, change, change.points[0] if over_all else change.points[-2])
            for change in each.changes
            if change.counter != "all" and len(change.points) > 1
        ]
        largest = max(moves, key=lambda move: abs(move.points), default=None)
        if largest is not None and abs(largest.points) >= 0.05:  # it is shown with one digit
            found.append(largest)
    return sorted(found, key=lambda move: -abs(move.points))[:most]


def failed(failures: Sequence[Failure], series: Iterable[Series], now: datetime) -> list[Failed]:
    """The names that failed in the last 24 hours. Those without a later count come first, then the newest."""
    counts: dict[str, list[datetime]] = {}
    for each in series:
        counts.setdefault(each.name, []).extend(row.at for row in each.rows)
    recent: dict[str, list[Failure]] = {}
    for failure in sorted(failures, key=lambda failure: failure.at):
        if now - timedelta(days=1) < failure.at:
            recent.setdefault(failure.name, []).append(failure)
    found = [
        Failed(those[-1], len(those), min((at for at in counts.get(name, []) if at > those[-1].at), default=None))
        for name, those in recent.items()
    ]
    found.sort(key=lambda each: each.failure.at, reverse=True)
    return sorted(found, key=lambda each: each.counted_at is not None)


def growth_of(points: Sequence[Point]) -> float | None:
    """By how many percent a counter grew from the first point to the last; None where that can't be said."""
    if len(points) < 2 or not points[0].count:
        return None
    try:
        return (points[-1].count - points[0].count) / points[0].count * 100
    except OverflowError:
        return None


def _move(series: Series, change: Change, before: Point) -> Move:
    now = change.last
    if before.share is not None and now.share is not None:
        return Move(series, change, before, (now.share - before.share) * 100, is_share=True)
    return Move(series, change, before, growth_of((before, now)) or 0.0, is_share=False)
