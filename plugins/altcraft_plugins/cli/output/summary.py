"""The table at the end of a run: its recounts as the plan names them, and what has changed since the last count."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest
from typing import TYPE_CHECKING, Final, TextIO

import msgspec
from msgspec import Struct
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from altcraft_plugins.cli.output.streams import printable, shown_duration
from altcraft_plugins.cli.output.tables import GAP, bar, empty_table
from altcraft_plugins.cli.output.terminal import console_on, is_plain

if TYPE_CHECKING:
    from altcraft_plugins.cli.planned.carrying_out import Ended
    from altcraft_plugins.cli.planned.outcomes import Change, Outcome

__all__ = ["drawn", "failures", "summed_up"]

NAME: Final = 16
"""Cells that a name has at least."""
NARROW: Final = 10
"""Where a name would have fewer cells, it stands in a line of its own."""
CHANNEL: Final = 16
"""Cells that several channels in one line take at most, before they take a second line."""
BAR: Final = 10
FALL: Final = "red"
RISE: Final = "green"


class _Rows(Struct, frozen=True):
    """A recount: its name, which may take several lines, beside the lines of its channels."""

    name: str
    lines: Sequence[_Line]


class _Line(Struct, frozen=True):
    """A line of the table. `style` is that of the change."""

    channel: str
    count: str
    change: str
    percent: str
    share: float | None
    took: str
    style: str
    is_alarming: bool


def drawn(ended: Ended, stream: TextIO) -> str:
    """The sections, each as a table, and the alerts, as text that fits the stream's terminal."""
    console = console_on(stream)
    with console.capture() as capture:  # not printed by rich, which ends the process when the reader has gone
        _print(console, ended)
    return capture.get()


def failures(ended: Ended) -> list[str]:
    """A line for each recount without a count, with the reason; and below those with the same advice, the advice."""
    advised: dict[str, list[Outcome]] = {}
    for outcome in ended.outcomes:
        if outcome.problem is not None:
            advised.setdefault(outcome.problem.hint or "", []).append(outcome)
    lines: list[str] = []
    for hint, outcomes in advised.items():
        for outcome in outcomes:
            assert outcome.problem is not None
            lines.append(printable(f"{outcome.recount.name}: {outcome.state}: {outcome.problem.message}"))
        if hint:
            lines.append(printable(f"  {hint}"))
    return lines


def summed_up(ended: Ended) -> str:
    """As in "298 of 300 recounts done in 1 min 5 s; 1 failed, 1 in doubt"."""
    line = f"{ended.count('done')} of {len(ended.outcomes)} recounts done in {shown_duration(ended.seconds)}"
    rest = [f"{number} {state}" for state in ("failed", "in doubt", "unfinished") if (number := ended.count(state))]
    alerts = sum(len(outcome.alerts) for outcome in ended.outcomes)
    if alerts:
        rest.append(f"{alerts} alert{'' if alerts == 1 else 's'}")
    return f"{line}; {', '.join(rest)}" if rest else line


def _print(console: Console, ended: Ended) -> None:
    sections: dict[str, list[Outcome]] = {}
    for outcome in ended.outcomes:
        sections.setdefault(outcome.recount.section, []).append(outcome)
    counters = {section: _counters(outcomes) for section, outcomes in sections.items()}
    tables = {
        section: [_rows(outcome, names_counters=len(counters[section]) > 1) for outcome in outcomes]
        for section, outcomes in sections.items()
    }
    columns = _Columns(console, [rows for table in tables.values() for rows in table])
    for section, table in tables.items():
        title = Text(printable(section), style="bold", overflow="fold")
        if len(counters[section]) == 1:
            title.append(f"  {printable(counters[section][0])}", style="default not bold")
        console.print(title)
        console.print(columns.table(table))
        console.print()
    alerts = [_alert(outcome, change) for outcome in ended.outcomes for change in outcome.alerts]
    if alerts:
        grid = Table.grid(padding=(0, GAP, 0, 0))
        for alert in alerts:
            grid.add_row(Text("ALERT", style=f"bold {FALL}"), alert)
        console.print(grid)
        console.print()


def _counters(outcomes: Sequence[Outcome]) -> list[str]:
    """The counters that the lines of a section show."""
    return list(dict.fromkeys(change.counter for each in outcomes for change in each.changes if change.counter))


def _alert(outcome: Outcome, change: Change) -> Text:
    told = (
        f"{outcome.recount.name}, {_channel(change)}: {change.counter} fell by {-(change.percent or 0):.1f} %, "
        f"from {change.previous} to {change.count}"
    )
    return Text(printable(told), overflow="fold")


def _rows(outcome: Outcome, *, names_counters: bool) -> _Rows:
    """The lines of a recount. Channels whose count is 0, and was 0 before, share a line."""
    name = printable(outcome.recount.name)
    if outcome.state != "done":
        return _Rows(name, [_Line(outcome.state, "", "", "", None, "", FALL, False)])
    empty = [change for change in outcome.changes if change.count == 0 and not change.previous]
    lines = [
        _Line(
            channel=printable(_channel(change) + (f", {change.counter}" if names_counters else "")),
            count="-" if change.count is None else str(change.count),
            change="" if change.change is None else _signed(change.change),
            percent="" if change.percent is None else f"{change.percent:+.1f}%" if change.change else "",
            share=change.share,
            took="",
            style=FALL if (change.change or 0) < 0 else RISE if change.change else "default",
            is_alarming=change in outcome.alerts,
        )
        for change in outcome.changes
        if change not in empty
    ]
    if empty:
        lines.append(_Line(printable(", ".join(map(_channel, empty))), "0", "", "", None, "", "default", False))
    if not lines:
        lines.append(_Line("no channels", "", "", "", None, "", "default", False))
    if outcome.took is not None:
        lines[0] = msgspec.structs.replace(lines[0], took=shown_duration(outcome.took))
    return _Rows(name, lines)


def _signed(number: int) -> str:
    return f"{number:+d}" if number else "0"


def _channel(change: Change) -> str:
    return change.channel if change.database is None else f"{change.channel}, database {change.database}"


class _Columns:
    """The columns that a run's tables have in common, and their widths. What is least worth goes first."""

    def __init__(self, console: Console, rows: Sequence[_Rows]) -> None:
        self._console = console
        lines = [line for each in rows for line in each.lines]
        cells = {
            "channel": [line.channel for line in lines],
            "count": [line.count for line in lines],
            "change": [line.change for line in lines],
            "percent": [line.percent for line in lines],
            "share": ["100%" for line in lines if line.share is not None],
            "bar": ["-" * BAR for line in lines if line.share is not None],
            "took": [line.took for line in lines],
        }
        widths = {name: max(map(cell_len, [*column, _HEADINGS[name]])) for name, column in cells.items() if any(column)}
        longest = max(cell_len(word) for line in lines for word in [*line.channel.split(), ""])
        widths["channel"] = min(widths["channel"], max(CHANNEL, longest))
        names = max(map(cell_len, ["name", *(each.name for each in rows)]))
        left = console.width - sum(GAP + width for width in widths.values())
        for dispensable in ("bar", "took", "share", "percent"):
            if left >= (min(names, NAME) if dispensable == "percent" else names):
                break
            widths.pop(dispensable, None)
            left = console.width - sum(GAP + width for width in widths.values())
        self._is_narrow = left < min(names, NARROW)
        if self._is_narrow:  # names stand above their channels, in one column
            widths["channel"] += GAP + left
        self._name = min(names, left)
        self._widths = widths

    def table(self, rows: Sequence[_Rows]) -> Table:
        """A section's table."""
        table = empty_table(self._console)
        if not self._is_narrow:
            table.add_column("name", width=self._name, overflow="fold")
        for name, width in self._widths.items():
            is_left = name in ("channel", "bar")
            table.add_column(_HEADINGS[name], width=width, overflow="fold", justify="left" if is_left else "right")
        for each in rows:
            if self._is_narrow:
                table.add_row(Text(each.name))
                for line in each.lines:
                    table.add_row(*(self._cell(column, line) for column in self._widths))
                continue
            names = Text(each.name).wrap(self._console, self._name, overflow="fold")
            for label, line in zip_longest(names, each.lines):
                cells = [self._cell(column, line) if line is not None else Text("") for column in self._widths]
                table.add_row(label or Text(""), *cells)
        return table

    def _cell(self, name: str, line: _Line) -> Text:
        style = f"bold {line.style}" if line.is_alarming else line.style
        if name in ("change", "percent"):
            return Text(getattr(line, name), style=style)
        if name == "channel":
            channel = f"  {line.channel}" if self._is_narrow else line.channel
            return Text(channel, style="default" if line.count else f"bold {line.style}")
        if name == "bar":
            return bar(line.share, BAR, plain=is_plain(self._console)) if line.share is not None else Text("")
        if name == "share":
            return Text("" if line.share is None else f"{line.share:.0%}")
        return Text(getattr(line, name))


_HEADINGS: Final = {
    "channel": "channel", "count": "count", "change": "change", "percent": "", "share": "share",
    "bar": "", "took": "took",
}  # fmt: skip
