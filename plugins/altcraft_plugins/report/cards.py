"""A card: one channel of one name, as a chart and as the table of its counters. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from altcraft import Counters
from altcraft_plugins.history import Change, Row, Series
from altcraft_plugins.report.chart import Lane, drawn, lane_of
from altcraft_plugins.report.texts import (
    Clock,
    anchor,
    compact,
    counter_label,
    escaped,
    plural,
    shown_count,
    shown_number,
    shown_share,
    signed,
)

__all__ = ["Budget", "card"]

_BYTES: Final = 4_000_000
"""What all charts and tables together may take, so that the page stays under 5 MB."""
_CELLS: Final = 120_000
"""How many cells all tables together may have: a browser reads so many in about a second."""
_LONG: Final = 14
"""Characters of a counter's name that leave no room for the scale on a narrow card."""
_PARTS: Final = ("subscribed_sendable", "unconfirmed_sendable")
"""Counters that are parts of other counters: a lane of their own only where those were not sent."""


class Budget(Struct, frozen=True):
    """For one chart: the bytes of its lines and of its table, and the cells of the table."""

    lines: int
    table: int
    cells: int

    @classmethod
    def of(cls, charts: int) -> Budget:
        """The budget of each of so many charts."""
        each = _BYTES // max(charts, 1)
        return cls(each * 3 // 10, each * 6 // 10, _CELLS // max(charts, 1))


def card(series: Series, clock: Clock, budget: Budget, *, marked: str | None) -> str:
    """The card's HTML. The line of the counter `marked` stands out."""
    where = anchor(series.name, series.label)
    lanes = [lane_of(change) for change in _charted(series)]
    first, last = series.rows[0].at, series.rows[-1].at
    chart = "<p>No counters.</p>"
    if lanes:
        points = max(30, budget.lines // (7 * len(lanes)))  # a point takes 7 bytes
        told = "; ".join(map(_told, lanes))
        begin, end = clock.ends(first, last)
        title = f"{escaped(series.label)}, {begin} to {end}: {told}"
        svg = drawn(lanes, first, last, title=title, marked=marked, points=points)
        lines = "".join(_lane(lane, marked) for lane in lanes)
        chart = (
            f'<figure>{svg}<ul class="lanes">{lines}</ul></figure>'
            f'<p class="axis"><span>{begin}</span><span>{end}</span></p>'
        )
    return (
        f'<div class="card" role="group" aria-labelledby="{where}">'
        f'<h4 id="{where}"><bdi>{escaped(series.label)}</bdi></h4>'
        f"{_summary(series)}{chart}{_table(series, clock, budget)}</div>"
    )


def _summary(series: Series) -> str:
    """As in "94,273 profiles, +20 since the count before"."""
    every = series.change_of("all")
    if every is None:
        return ""
    text = plural(every.last.count, "profile")
    if len(every.points) > 1:
        text += f", {signed(every.last.count - every.points[-2].count)} since the count before"
    return f'<p class="soft">{text}</p>'


def _charted(series: Series) -> list[Change]:
    """The counters that get a lane: the states of profiles that ever had one, or what was sent in their place."""
    states = [change for change in series.changes if change.counter not in ("all", *_PARTS)]
    states = [change for change in states if change.counter in Counters.documented] or states
    states = states or [change for change in series.changes if change.counter in _PARTS] or list(series.changes)
    return [change for change in states if any(point.count for point in change.points)] or states[:1]


def _lane(lane: Lane, marked: str | None) -> str:
    """A lane's text: its counter, its scale, the last value, the change since the count before."""
    name = escaped(counter_label(lane.change.counter))
    alarm = ' class="alarm"' if lane.change.counter == marked else ""
    long = ' class="long"' if len(name) > _LONG else ""
    step = _step(lane)
    still = ' class="still"' if step.startswith("0") else ""
    return (
        f"<li{long}><span{alarm}>{name}</span><small>{_scale(lane)}</small>"
        f"<b>{_value(lane, lane.values[-1])}</b><i{alarm or still}>{step}</i></li>"
    )


def _scale(lane: Lane) -> str:
    """As in "75.3%–86.0%" or "12.2k–12.5k"."""
    shown = shown_share if lane.is_share else compact
    return f"{escaped(shown(lane.low))}&#8211;{escaped(shown(lane.high))}"


def _told(lane: Lane) -> str:
    """As in "subscribed from 86.0% to 75.3%"."""
    values = lane.values
    return f"{escaped(counter_label(lane.change.counter))} from {_value(lane, values[0])} to {_value(lane, values[-1])}"


def _value(lane: Lane, value: float) -> str:
    return escaped(shown_share(value) if lane.is_share else shown_number(round(value)))


def _step(lane: Lane) -> str:
    """The change since the count before; nothing for the first count."""
    change = lane.change
    if len(change.points) < 2:
        return ""
    if lane.is_share and change.latest is not None:
        return signed(change.latest, "&#160;pp")
    return signed(change.last.count - change.points[-2].count)


def _table(series: Series, clock: Clock, budget: Budget) -> str:
    """The counters behind the chart, the newest first. Of many counts, the older ones are thinned out."""
    sent = dict.fromkeys(name for row in series.rows for name in row.counters)
    counters = [name for name in Counters.documented if name in sent]
    counters += [name for name in sent if name not in Counters.documented]
    bytes_of_a_row = 45 + 11 * len(counters)
    most = max(14, min(budget.table // bytes_of_a_row, budget.cells // (len(counters) + 1)))
    shown = _thinned(series.rows, most)
    head = "".join(f"<th scope=col>{escaped(name)}" for name in counters)
    body = "".join(
        f"<tr><th scope=row>{clock.minute(row.at)}"
        + "".join(f"<td>{shown_count(row.counters.get(name))}" for name in counters)
        for row in shown
    )
    count, note = plural(len(series.rows), "count"), ""
    if len(shown) < len(series.rows):
        count = f"{len(shown)} of {count}"
        note = '<p class="soft">The newest counts, and every few of the older ones.</p>'
    label = escaped(f"Counters of {series.name}, {series.label}")
    return (
        f"<details><summary>Counters: {count}</summary>{note}"
        f'<div class="wide" role="group" tabindex="0" aria-label="{label}">'
        f"<table><thead><tr><th scope=col>counted{head}<tbody>{body}</table></div></details>"
    )


def _thinned(rows: Sequence[Row], most: int) -> list[Row]:
    """At most so many rows, the newest first: half of them the newest, the others evenly from the older ones."""
    if len(rows) <= most:
        return list(reversed(rows))
    newest = most // 2
    older, rest = rows[: len(rows) - newest], most - newest
    places = sorted({(len(older) - 1) * place // max(rest - 1, 1) for place in range(rest)})
    return [*reversed(rows[len(rows) - newest :]), *(older[place] for place in reversed(places))]
