"""The report's page. It is one HTML file without scripts, and it loads nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from functools import partial
from typing import Final

from msgspec import Struct

from altcraft_plugins.history import Failure, History, Point, Row, Series, series_of
from altcraft_plugins.report.cards import Budget, card
from altcraft_plugins.report.facts import WATCHED, Drop, Failed, Move, drops, failed, largest_moves
from altcraft_plugins.report.style import STYLE
from altcraft_plugins.report.texts import (
    Clock,
    anchor,
    counter_label,
    escaped,
    plural,
    shown_duration,
    shown_number,
    shown_share,
    signed,
)

__all__ = ["render", "report"]

Thresholds = float | Mapping[str, float] | None

_MANY: Final = 12
"""A page with more names is laid out as it is scrolled, so that it opens at once."""
_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


def report(
    history: History,
    *,
    names: Sequence[str] | None = None,
    since: datetime | None = None,
    drop: Thresholds = None,
    title: str = "Subscriptions",
    now: datetime | None = None,
) -> str:
    """The report on a history, as an HTML document.

    `names` are the names to report on, in that order; None stands for all, sorted. `since` is an aware time: older
    counts are left out. `drop` is the threshold of the alerts, for all names or for each: by how many percent of itself
    `subscribed` or `subscribed_sendable` may fall from one count to the next. `now` is the time of the report, now by
    default; times are shown in its time zone.
    """
    chosen: Sequence[str | None] = [None] if names is None else names
    rows = [row for name in chosen for row in history.rows(name, since)]
    return render(rows, history.failures(), names=names, drop=drop, title=title, now=now)


def render(
    rows: Iterable[Row],
    failures: Sequence[Failure] = (),
    *,
    names: Sequence[str] | None = None,
    drop: Thresholds = None,
    title: str = "Subscriptions",
    now: datetime | None = None,
) -> str:
    """The same from rows and failures of any origin. Pure, but for the default of `now`."""
    series = series_of(rows)
    named: dict[str, list[Series]] = {name: [] for name in names or ()}
    for each in series:
        named.setdefault(each.name, []).append(each)
    clock = Clock(now or datetime.now(timezone.utc).astimezone())
    told = [failure for failure in failures if names is None or failure.name in named]
    facts = _Facts(
        named,
        drops(series, drop) if drop else None,
        [largest_moves(series, over_all=over_all) for over_all in (False, True)],
        failed(told, series, clock.now),
        clock,
    )
    body = "\n".join((_header(title, facts), _main(facts), _footer()))
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta name="referrer" content="no-referrer">\n<meta name="color-scheme" content="light dark">\n'
        f"<title>{escaped(title)}, {clock.day(clock.now)}</title>\n<style>\n{STYLE}\n</style>\n</head>\n"
        f'<body>\n<a class="skip" href="#main">Skip to the numbers</a>\n{body}\n</body>\n</html>\n'
    )


class _Facts(Struct, frozen=True):
    """What the page is made of. `named` has the series of each name: none for one that was never counted.

    `drops` is None where no threshold is set. `moves` are those since the count before, and those since the first.
    """

    named: Mapping[str, Sequence[Series]]
    drops: Sequence[Drop] | None
    moves: Sequence[Sequence[Move]]
    failed: Sequence[Failed]
    clock: Clock

    def last(self, name: str) -> datetime | None:
        """When a name was last counted."""
        return max((row.at for series in self.named[name] for row in series.rows[-1:]), default=None)

    @property
    def waiting(self) -> list[tuple[str, datetime | None]]:
        """The names without a count in the last 24 hours, and when they were last counted."""
        limit = self.clock.now - timedelta(days=1)
        lasts = [(name, self.last(name)) for name in self.named]
        return [(name, last) for name, last in lasts if last is None or last < limit]


def _header(title: str, facts: _Facts) -> str:
    clock = facts.clock
    open_failures = sum(each.counted_at is None for each in facts.failed)
    counts = [
        (len(facts.named) - len(facts.waiting), f"of {plural(len(facts.named), 'name')} counted in 24 hours", False),
        (open_failures, "failed today, and not counted since", True),
    ]
    if facts.drops is not None:
        number = len(facts.drops)
        counts.insert(1, (number, f"drop{'' if number == 1 else 's'} beyond the threshold", True))
    shown = "".join(
        f"<li{' class=alarm' if alarms and number else ''}><b>{number:,}</b>{escaped(text)}</li>"
        for number, text, alarms in counts
    )
    return (
        f"<header>\n<h1>{escaped(title)}</h1>\n"
        f'<p class="soft">Made {clock.time(clock.now)}, all times in {clock.zone}</p>\n'
        f'<ul class="facts">{shown}</ul>\n</header>'
    )


def _main(facts: _Facts) -> str:
    many = ' class="many"' if len(facts.named) > _MANY else ""
    budget = Budget.of(sum(map(len, facts.named.values())))
    articles = "".join(_article(name, series, facts, budget) for name, series in facts.named.items())
    overview = "".join((_alerts(facts), _failures(facts), _waiting(facts), _moves(facts)))
    return (
        f'<main id="main" tabindex="-1"{many}>\n<section aria-labelledby="overview"><h2 id="overview">Overview</h2>\n'
        f"{overview}</section>\n"
        f'<nav aria-labelledby="contents"><h2 id="contents">All names</h2>{_contents(facts)}</nav>\n'
        f'<section aria-labelledby="numbers"><h2 id="numbers">Numbers</h2>\n{articles}</section>\n</main>'
    )


def _contents(facts: _Facts) -> str:
    items = "".join(f"<li>{_link(name, facts)}{_glance(series)}</li>" for name, series in facts.named.items())
    return f'<ol class="names">{items}</ol>' if items else "<p>The history has no counts.</p>"


def _glance(series: Sequence[Series]) -> str:
    """The newest numbers of a name: of each channel the first watched counter that was sent."""
    told: list[str] = []
    for each in series:
        change = next(filter(None, map(each.change_of, WATCHED)), None)
        if change is not None:
            last = change.last
            value = shown_number(last.count) if last.share is None else shown_share(last.share)
            told.append(f"<bdi>{escaped(each.label)}</bdi>&#160;{value}")
    return f' <span class="soft">{", ".join(told)}</span>' if told else ""


def _alerts(facts: _Facts) -> str:
    if not facts.drops:
        return ""
    lines = "".join(
        f'<li><span class="alarm">{_fall(drop.percent)}</span> {_place(drop.series)}: '
        f"{escaped(counter_label(drop.change.counter))} from {shown_number(drop.change.points[-2].count)} to "
        f"{shown_number(drop.change.last.count)} "
        f'<span class="soft">(threshold {drop.threshold:g}%)</span></li>'
        for drop in facts.drops
    )
    return f'<h3>Drops</h3>\n<ul class="alarms">{lines}</ul>\n'


def _fall(percent: float) -> str:
    """As in "−6.2%"; a small one with two digits, so that it is never shown as nothing."""
    return signed(-percent, "%") if percent >= 0.05 else f"\N{MINUS SIGN}{percent:.2g}%"


def _failures(facts: _Facts) -> str:
    if not facts.failed:
        return "<h3>Failed today</h3>\n<p>Nothing failed in the last 24 hours.</p>\n"
    lines = "".join(map(partial(_failure, facts), facts.failed))
    return f'<h3>Failed today</h3>\n<ul class="alarms">{lines}</ul>\n'


def _failure(facts: _Facts, failed: Failed) -> str:
    failure, clock = failed.failure, facts.clock
    since = "not counted since" if failed.counted_at is None else f"counted since, {clock.time(failed.counted_at)}"
    alarm = ' class="alarm"' if failed.counted_at is None else ""
    times = "" if failed.times == 1 else f", {failed.times:,} times"
    return (
        f"<li>{_link(failure.name, facts)}, {clock.time(failure.at)}: "
        f"<bdi>{escaped(failure.message or failure.error)}</bdi>{times} <span{alarm}>({since})</span></li>"
    )


def _waiting(facts: _Facts) -> str:
    if not facts.waiting:
        return ""
    lines = "".join(
        f"<li>{_link(name, facts)}: {'never' if last is None else f'last {facts.clock.time(last)}'}</li>"
        for name, last in facts.waiting
    )
    return f'<h3>Not counted in the last 24 hours</h3>\n<ul class="alarms">{lines}</ul>\n'


def _moves(facts: _Facts) -> str:
    tables = "".join(
        f"<div><h3>{heading}</h3>\n{_move_table(heading, moves)}</div>\n"
        for heading, moves in zip(
            ("Changed most since the count before", "Changed most since the first count"), facts.moves, strict=True
        )
    )
    return f'<div class="moves">{tables}</div>\n'


def _move_table(heading: str, moves: Sequence[Move]) -> str:
    if not moves:
        return "<p>Nothing has changed.</p>"
    return _table(heading, ("Channel and counter", "Before", "Now", "Change"), "".join(map(_move, moves)))


def _move(move: Move) -> str:
    shown, unit = (_share, " pp") if move.is_share else (_number, "%")
    cells = (shown(move.before), shown(move.change.last), signed(move.points, unit))
    return (
        f'<tr><th scope="row">{_place(move.series)} {escaped(counter_label(move.change.counter))}</th>'
        + "".join(f"<td>{escaped(cell)}</td>" for cell in cells)
        + "</tr>"
    )


def _share(point: Point) -> str:
    return "" if point.share is None else shown_share(point.share)


def _number(point: Point) -> str:
    return shown_number(point.count)


def _table(caption: str, heads: Sequence[str], rows: str) -> str:
    head = "".join(f'<th scope="col">{each}</th>' for each in heads)
    return (
        f'<div class="wide" role="group" tabindex="0" aria-label="{escaped(caption)}"><table>'
        f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _place(series: Series) -> str:
    """A link to a channel's card."""
    return (
        f'<a href="#{anchor(series.name, series.label)}"><bdi>{escaped(series.name)}</bdi>, '
        f"<bdi>{escaped(series.label)}</bdi></a>"
    )


def _link(name: str, facts: _Facts) -> str:
    shown = f"<bdi>{escaped(name)}</bdi>"
    return f'<a href="#{anchor(name)}">{shown}</a>' if name in facts.named else shown


def _article(name: str, series: Sequence[Series], facts: _Facts, budget: Budget) -> str:
    where = anchor(name)
    last = facts.last(name)
    if last is None:
        told = "Never counted."
    else:
        newest = max((row for each in series for row in each.rows[-1:]), key=lambda row: row.at)
        took = "" if newest.took is None else f" in {shown_duration(newest.took)}"
        times = len({row.at for each in series for row in each.rows})
        told = f"Last counted {facts.clock.time(last)}{took}; {plural(times, 'count')}"
    fallen = {drop.series.label: drop.change.counter for drop in facts.drops or () if drop.series.name == name}
    cards = "".join(card(each, facts.clock, budget, marked=fallen.get(each.label)) for each in series)
    return (
        f'<article aria-labelledby="{where}"><h3 id="{where}"><bdi>{escaped(name)}</bdi></h3>'
        f'<p class="soft">{told}</p><div class="cards">{cards}</div></article>\n'
    )


def _footer() -> str:
    return (
        "<footer><p class=soft>A share is a part of all profiles, or of the database&#39;s total. Each line has a "
        "scale of its own: the small numbers above it. The last number is the change since the count before; pp are "
        "percentage points. Each table can be copied into a spreadsheet.</p></footer>"
    )
