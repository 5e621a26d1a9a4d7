"""Statistics as tables: a row a channel, a bar for its share, a column a counter. No line is wider than the screen.

A table with too many columns for the screen is turned: a row a counter, a column a channel.
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
    blocks, folded = _arrange(sheet, console.width - channel, share)
    if len(blocks) > 1 and (turned := _turned(console, sheet)) is not None:
        blocks, folded = [], []
        console.print(turned)
    for number, columns in enumerate(blocks):
        if number:
            console.print()
        console.print(_table(console, sheet, columns, channel, share if number == 0 else 0))
    if folded:
        console.print(Text(f"0 in every channel: {', '.join(map(printable, folded))}", overflow="fold"))
    console.print()


def _packed(notes: Sequence[str], width: int) -> list[str]:
    """The notes in lines, as many in each line as fit. Only a note that is too long for a line is broken."""
    lines: list[str] = []
    for note in map(printable, notes):
        if lines and cell_len(f"{lines[-1]}; {note}") <= width:
            lines[-1] += f"; {note}"
        else:
            lines.append(note)
    return lines


def _arrange(sheet: Sheet, width: int, share: int) -> tuple[list[list[_Column]], list[str]]:
    """The columns of each table, one table below the other, and the counters without a column.

    All counters stand in one table if they fit beside the channel. Otherwise those that are 0 in every channel get no
    column. If that is not enough, headings take several lines, and the rest goes into further tables, unless the table
    fits when it is turned.
    """
    zero = [name for name in sheet.counters if all(row.counts.get(name) == 0 for row in sheet.rows)]
    if len(zero) == len(sheet.counters):
        zero = zero[1:]
    telling = [name for name in sheet.counters if name not in zero]
    beside = width - (GAP + share if share else 0)
    every = [_column(name, sheet.rows, fold=False) for name in sheet.counters]
    if _fits(every, beside):
        return [every], []
    whole = [_column(name, sheet.rows, fold=False) for name in telling]
    if _fits(whole, beside):
        return [whole], zero
    blocks: list[list[_Column]] = [[]]
    for name in telling:
        column = _column(name, sheet.rows, fold=True)
        left = beside if len(blocks) == 1 else width
        column = _Column(column.name, column.heading, max(1, min(column.width, width - GAP)))
        if not _fits([*blocks[-1], column], left) and (blocks[-1] or len(blocks) == 1):
            blocks.append([])
        blocks[-1].append(column)
    return blocks, zero


def _turned(console: Console, sheet: Sheet) -> Table | None:
    """One table with a row a counter and a column a channel; None where that is wider than the screen."""
    measure = [" ".join(sheet.measure)] if sheet.measure else []
    labels = [*map(printable, sheet.counters), *map(printable, measure)]
    shares = [f"{row.share:.0%}" if row.share is not None else "-" for row in sheet.rows]
    columns: list[list[str]] = [
        [printable(row.channel), *([share] if measure else []), *(_count(row, name) for name in sheet.counters)]
        for row, share in zip(sheet.rows, shares, strict=True)
    ]
    widths = [max(map(cell_len, column)) for column in columns]
    if max(map(cell_len, labels)) + sum(GAP + width for width in widths) > console.width:
        return None
    table = empty_table(console)
    table.add_column("", no_wrap=True)
    for column in columns:
        table.add_column(Text(column[0]), justify="right", no_wrap=True)
    for number, label in enumerate([*measure, *sheet.counters], 1):
        table.add_row(Text(printable(label)), *(Text(column[number]) for column in columns))
    return table


def _count(row: Row, counter: str) -> str:
    return str(row.counts.get(counter, "-"))


def _fits(columns: Sequence[_Column], width: int) -> bool:
    return sum(GAP + column.width for column in columns) <= width


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
