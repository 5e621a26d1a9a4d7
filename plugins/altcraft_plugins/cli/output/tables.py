"""Statistics as tables: a row a channel, a bar for its share, a column a counter. No line is wider than the screen.

A table with too many columns for the screen is turned: a row a counter, a column a channel. If that is too wide as
well, each channel gets a table of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, TextIO

from msgspec import Struct
from rich.box import Box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from altcraft_plugins.cli.output.streams import printable
from altcraft_plugins.cli.output.terminal import console_on, is_plain

if TYPE_CHECKING:
    from altcraft_plugins.cli.output.sheets import Row, Sheet

__all__ = ["GAP", "bar", "drawn", "empty_table"]

GAP: Final = 2
BAR: Final = 10
PERCENT: Final = 5
"""Cells of " 100%"."""

EIGHTHS: Final = " ▏▎▍▌▋▊▉"
_RULE = "    \n    \n {} \n    \n    \n    \n    \n    \n"
UNICODE_BOX: Final = Box(_RULE.format("──"))
ASCII_BOX: Final = Box(_RULE.format("--"), ascii=True)


class _Column(Struct, frozen=True):
    """A counter's column: its name, the lines of its heading, its width in cells."""

    name: str
    heading: Sequence[str]
    width: int


def drawn(sheet: Sheet, stream: TextIO) -> str:
    """One sheet as text that fits the stream's terminal, and an empty line after it."""
    console = console_on(stream)
    with console.capture() as capture:  # not printed by rich, which ends the process when the reader has gone
        _print(console, sheet)
    return capture.get()


def _print(console: Console, sheet: Sheet) -> None:
    console.print(Text(printable(sheet.title), style="bold", overflow="fold"))
    for line in _packed(sheet.notes, console.width):
        console.print(Text(line, overflow="fold"))
    if not sheet.rows:
        console.print(Text("no channels\n"))
        return
    channel = max(len("channel"), *(cell_len(printable(row.channel)) for row in sheet.rows))
    channel = min(channel, max(len("channel"), console.width // 3))
    share = max(BAR + PERCENT, *(len(line) for line in sheet.measure)) if sheet.measure else 0
    zero = [name for name in sheet.counters if all(row.counts.get(name) == 0 for row in sheet.rows)]
    if len(zero) == len(sheet.counters):
        zero = zero[1:]
    columns = _arrange(sheet, zero, console.width - channel - (GAP + share if share else 0))
    if columns is not None:
        console.print(_table(console, sheet, columns, channel, share))
        zero = [name for name in zero if name not in [column.name for column in columns]]
    elif (turned := _turned(console, sheet)) is not None:
        console.print(turned)
        zero = []
    else:
        _print_each(console, sheet, [name for name in sheet.counters if name not in zero])
    if zero:
        console.print(Text(f"0 in every channel: {', '.join(map(printable, zero))}", overflow="fold"))
    console.print()


def _print_each(console: Console, sheet: Sheet, counters: Sequence[str]) -> None:
    """A table for each channel, with a row a counter. All are equally wide."""
    measure = printable(" ".join(sheet.measure)) if sheet.measure else ""
    labels = [measure, *map(printable, counters), *(printable(row.channel) for row in sheet.rows)]
    width = max(map(cell_len, ["count", *(_count(row, name) for row in sheet.rows for name in counters)]))
    label = max(1, min(max(map(cell_len, labels)), console.width - GAP - width))
    bars = console.width >= label + GAP + width + GAP + BAR
    for number, row in enumerate(sheet.rows):
        if number:
            console.print()
        table = empty_table(console)
        table.add_column(Text(printable(row.channel), style="bold"), width=label, overflow="fold")
        table.add_column("count", width=min(width, console.width - GAP - 1), justify="right", overflow="fold")
        table.add_column("", width=BAR if bars else 0)
        if measure:
            share = Text("-" if row.share is None else f"{row.share:.0%}")
            shown = bar(row.share, BAR, plain=is_plain(console)) if bars and row.share is not None else Text("")
            table.add_row(Text(measure), share, shown)
        for name in counters:
            table.add_row(Text(printable(name)), Text(_count(row, name)))
        console.print(table)


def _packed(notes: Sequence[str], width: int) -> list[str]:
    """The notes in lines, as many in each line as fit. Only a note that is too long for a line is broken."""
    lines: list[str] = []
    for note in map(printable, notes):
        if lines and cell_len(f"{lines[-1]}; {note}") <= width:
            lines[-1] += f"; {note}"
        else:
            lines.append(note)
    return lines


def _arrange(sheet: Sheet, zero: Sequence[str], width: int) -> list[_Column] | None:
    """The columns of one table, at most `width` cells beside channel and share; None where they do not fit.

    All counters stand in it if they fit. Otherwise those of `zero` get no column. If that is not enough, headings take
    several lines.
    """
    telling = [name for name in sheet.counters if name not in zero]
    for names, fold in ((sheet.counters, False), (telling, False), (telling, True)):
        columns = [_column(name, sheet.rows, fold=fold) for name in names]
        if sum(GAP + column.width for column in columns) <= width:
            return columns
    return None


def _turned(console: Console, sheet: Sheet) -> Table | None:
    """One table with a row a counter and a column a channel; None where that is wider than the screen."""
    measure = [" ".join(sheet.measure)] if sheet.measure else []
    labels = [printable(label) for label in (*measure, *sheet.counters)]
    shares = [f"{row.share:.0%}" if row.share is not None else "-" for row in sheet.rows]
    columns: list[list[str]] = [
        [printable(row.channel), *([share] if measure else []), *(_count(row, name) for name in sheet.counters)]
        for row, share in zip(sheet.rows, shares, strict=True)
    ]
    widths = [max(map(cell_len, column)) for column in columns]
    if max(map(cell_len, labels), default=0) + sum(GAP + width for width in widths) > console.width:
        return None
    table = empty_table(console)
    table.add_column("", no_wrap=True)
    for column in columns:
        table.add_column(Text(column[0]), justify="right", no_wrap=True)
    for number, label in enumerate(labels, 1):
        table.add_row(Text(label), *(Text(column[number]) for column in columns))
    return table


def _count(row: Row, counter: str) -> str:
    return str(row.counts.get(counter, "-"))


def _column(name: str, rows: Sequence[Row], *, fold: bool) -> _Column:
    shown = printable(name)
    heading = shown.split("_") if fold else [shown]
    widest = max(len(_count(row, name)) for row in rows)
    return _Column(name, heading, max(widest, *(cell_len(line) for line in heading)))


def _table(console: Console, sheet: Sheet, columns: Sequence[_Column], channel: int, share: int) -> Table:
    table = empty_table(console)
    table.add_column("channel", width=channel, overflow="fold", vertical="bottom")
    if share and sheet.measure:
        table.add_column(Text("\n".join(map(printable, sheet.measure))), width=share, overflow="fold")
    for column in columns:
        heading = Text("\n".join(column.heading))
        table.add_column(heading, width=column.width, justify="right", overflow="fold", vertical="bottom")
    for row in sheet.rows:
        cells = [Text(printable(row.channel))]
        if share:
            cells.append(_bar_with_share(row.share, share - PERCENT, plain=is_plain(console)))
        cells += [Text(_count(row, column.name)) for column in columns]
        table.add_row(*cells)
    return table


def empty_table(console: Console) -> Table:
    """A table without frames, with a line below its heading."""
    box = ASCII_BOX if is_plain(console) else UNICODE_BOX
    return Table(box=box, show_edge=False, pad_edge=False, padding=(0, GAP - 1, 0, 0))


def bar(share: float, width: int, *, plain: bool) -> Text:
    """As in "██████▉   ", or "#######..."."""
    if plain:
        full = round(share * width)
        return Text("#" * full + "." * (width - full), style="green")
    full, eighths = divmod(round(share * width * 8), 8)
    return Text(("█" * full + (EIGHTHS[eighths] if eighths else "")).ljust(width), style="green")


def _bar_with_share(share: float | None, width: int, *, plain: bool) -> Text:
    """As in "██████▉    69%", or "#######... 69%"."""
    if share is None:
        return Text("-")
    return bar(share, width, plain=plain).append(f"{share:5.0%}", style="default")
