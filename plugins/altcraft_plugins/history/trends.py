"""How counters have changed, channel by channel. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import datetime

from msgspec import Struct

from altcraft import Counters
from altcraft_plugins.history.entries import Row

__all__ = ["Change", "Point", "Series", "natural", "series_of"]


class Point(Struct, frozen=True):
    """A counter at a time. `share` is its part of the whole, from 0 to 1; None where the whole is not known."""

    at: datetime
    count: int
    share: float | None


class Change(Struct, frozen=True):
    """How one counter went: its points, the oldest first. There is at least one."""

    counter: str
    points: tuple[Point, ...]

    @property
    def first(self) -> Point:
        """The oldest point."""
        return self.points[0]

    @property
    def last(self) -> Point:
        """The newest point."""
        return self.points[-1]

    @property
    def change(self) -> int:
        """By how much the counter has grown from the first point to the last."""
        return self.last.count - self.first.count

    @property
    def percentage_points(self) -> float | None:
        """By how much its share has grown, in percentage points; None where a share is not known."""
        return _between(self.first, self.last)

    @property
    def latest(self) -> float | None:
        """The same from the last point but one: what the newest count has changed. None for a single point."""
        return _between(self.points[-2], self.last) if len(self.points) > 1 else None


class Series(Struct, frozen=True):
    """One channel of one name over time.

    `label` is the channel, and what tells it from the same channel of another database or installation where the name
    stands for several. `rows` are its counts, the oldest first. `changes` has every counter that is a whole number, in
    the order of the documentation, then the others.
    """

    name: str
    channel: str
    label: str
    rows: tuple[Row, ...]
    changes: tuple[Change, ...]

    def change_of(self, counter: str) -> Change | None:
        """The change of one counter; None where the channel never had it."""
        return next((change for change in self.changes if change.counter == counter), None)


def series_of(rows: Iterable[Row]) -> list[Series]:
    """The series in rows, sorted by name and in the order of the channels in the newest count."""
    named: dict[str, list[Row]] = {}
    for row in sorted(rows, key=lambda row: row.at):
        named.setdefault(row.name, []).append(row)
    return [series for name in sorted(named, key=natural) for series in _of_name(named[name])]


def natural(name: str) -> tuple[tuple[object, ...], str]:
    """The key that sorts names as people do: "Group 4" before "Group 39"."""
    texts_and_numbers = re.split(r"0*([0-9]+)", name.casefold())
    return tuple((len(part), part) if place % 2 else part for place, part in enumerate(texts_and_numbers)), name


def _of_name(rows: Sequence[Row]) -> list[Series]:
    hosts = {row.host for row in rows} - {""}
    databases = {row.list_id for row in rows}
    parts: dict[tuple[str | None, int | None, str], list[Row]] = {}
    for row in rows:
        # A count without a host, such as an imported one, belongs to the one installation that there is.
        host = row.host if len(hosts) > 1 else None
        parts.setdefault((host, row.list_id, row.channel), []).append(row)
    series: list[Series] = []
    for (host, list_id, channel), chosen in parts.items():
        label = [channel]
        if len(databases) > 1 and list_id is not None:
            label.append(f"database {list_id}")
        if host:
            label.append(host)
        series.append(Series(chosen[0].name, channel, ", ".join(label), tuple(chosen), _changes(chosen)))
    return series


def _changes(rows: Sequence[Row]) -> tuple[Change, ...]:
    points: dict[str, list[Point]] = {}
    for row in rows:
        whole = row.counters.get("all")
        if type(whole) is not int:
            whole = row.total_count
        for name, count in row.counters.items():
            if type(count) is int:
                points.setdefault(name, []).append(Point(row.at, count, _share(count, whole)))
    known = [name for name in Counters.documented if name in points]
    known += [name for name in points if name not in Counters.documented]
    return tuple(Change(name, tuple(points[name])) for name in known)


def _share(part: int, whole: int | None) -> float | None:
    """None where the whole is nothing, or a number beyond any float."""
    try:
        return None if whole is None or whole <= 0 else part / whole
    except OverflowError:
        return None


def _between(first: Point, last: Point) -> float | None:
    if first.share is None or last.share is None:
        return None
    return (last.share - first.share) * 100
