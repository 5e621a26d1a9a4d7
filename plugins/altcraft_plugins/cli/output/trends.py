"""A history's counts as tables of trends, and as rows."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final, TextIO

import msgspec
from rich.box import Box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from altcraft import Counters
from altcraft_plugins.cli.output.streams import printable, shown_duration
from altcraft_plugins.cli.output.tables import ASCII_BOX, GAP, UNICODE_BOX
from altcraft_plugins.cli.output.terminal import console_on, is_plain

if TYPE_CHECKING:
    from altcraft_plugins.history import Change, Item, Row, Series

__all__ = ["count_rows", "drawn", "item_rows", "sparkline"]

BLOCKS: Final = "▁▂▃▄▅▆▇█"
ASCII_BLOCKS: Final = "_.-=*#"
NARROWEST, WIDEST = 8, 24
"""Cells of a sparkline."""

_ABOUT: Final = ("name", "at", "segment_id", "database_id", "list_id", "resource_id", "channel")
_BEHIND: Final = ("took", "count_seconds", "total_count", "operation", "host", "task_id")


def drawn(series: Sequence[Series], stream: TextIO) -> str:
    """The series of one name as text that fits the stream's terminal."""
    console = console_on(stream)
    with console.capture() as capture:  # not printed by rich, which ends the process when the reader has gone
        _print(console, series)
    return capture.get()


def sparkline(counts: Sequence[int], width: int, *, plain: bool = False) -> str:
    """The counts as one line of at most so many cells. It begins with the first count and ends with the last."""
    blocks = ASCII_BLOCKS if plain else BLOCKS
    cells = min(width, len(counts))
    chosen = [counts[(len(counts) * place - 1) // cells] for place in range(1, cells + 1)]
    if cells > 1:
        chosen[0] = counts[0]
    lowest, span = min(chosen), max(chosen) - min(chosen)
    if not span:
        return blocks[0] * cells
    return "".join(blocks[(count - lowest) * (len(blocks) - 1) // span] for count in chosen)


def item_rows(items: Iterable[Item]) -> tuple[Sequence[str], list[dict[str, object]]]:
    """The columns and the rows of the names that a history knows."""
    rows = [msgspec.structs.asdict(item) for item in items]
    return ("name", "counts", "first", "last"), rows


def count_rows(rows: Iterable[Row]) -> tuple[Sequence[str], list[dict[str, object]]]:
    """The columns, and a row for each count and channel, the oldest first.

    The columns: what was counted, the ten documented counters, the others in the order of their first count, and what
    else is known of the count.
    """
    ordered = sorted(rows, key=lambda row: row.at)
    found = dict.fromkeys((*Counters.documented, *(name for row in ordered for name in row.counters)))
    columns = [*_ABOUT, *map(_column, found), *_BEHIND]
    made: list[dict[str, object]] = []
    for row in ordered:
        about = msgspec.structs.asdict(row)
        counters: dict[str, object] = about.pop("counters")
        about |= {_column(name): _flat(value) for name, value in counters.items()}
        made.append({column: about.get(column) for column in columns})
    return columns, made


def _column(counter: str) -> str:
    return f"status.{counter}" if counter in _ABOUT or counter in _BEHIND else counter


def _flat(value: object) -> object:
    return json.dumps(value) if isinstance(value, (dict, list)) else value


def _print(console: Console, series: Sequence[Series]) -> None:
    rows = [row for each in series for row in each.rows]
    counts = sorted({row.at for row in rows})
    console.print(Text(printable(rows[0].name), style="bold", overflow="fold"))
    took = max(rows, key=lambda row: row.at).took
    lines = [
        f"{len(counts)} count{'' if len(counts) == 1 else 's'}",
        f"first {counts[0]:%F %H:%M} UTC",
        f"last {counts[-1]:%F %H:%M} UTC" + (f", which took {shown_duration(took)}" if took is not None else ""),
    ]
    console.print(Text("; ".join(lines) if len("; ".join(lines)) <= console.width else "\n".join(lines)))
    for each in series:
        console.print()
        console.print(Text(printable(each.label), style="bold", overflow="fold"))
        _print_series(console, each)


def _print_series(console: Console, series: Series) -> None:
    zero = [change for change in series.changes if not any(point.count for point in change.points)]
    shown = [change for change in series.changes if change not in zero] or zero[:1]
    if not shown:
        console.print(Text("no counters"))
        return
    console.print(_table(console, shown))
    rest = [printable(change.counter) for change in zero if change not in shown]
    if rest:
        console.print(Text(f"always 0: {', '.join(rest)}", overflow="fold"))


def _table(console: Console, changes: Sequence[Change]) -> Table:
    headings = ["first", "last", "change"]
    cells = [
        [str(each.first.count), str(each.last.count), f"{each.change:+d}" if each.change else "0"] for each in changes
    ]
    if any(each.percentage_points is not None for each in changes):
        headings += ["share", "points"]
        cells = [row + _shares(each) for each, row in zip(changes, cells, strict=True)]
    widths = [max(map(cell_len, column)) for column in zip(headings, *cells, strict=True)]
    names = [printable(each.counter) for each in changes]
    left = console.width - sum(GAP + width for width in widths) - GAP
    name = max(len("counter"), *map(cell_len, names))
    name = min(name, max(len("counter"), left - NARROWEST))
    trend = max(NARROWEST, min(WIDEST, left - name))
    box: Box = ASCII_BOX if is_plain(console) else UNICODE_BOX
    table = Table(box=box, show_edge=False, pad_edge=False, padding=(0, GAP - 1, 0, 0))
    table.add_column("counter", width=name, overflow="fold")
    table.add_column("trend", width=trend, overflow="crop", no_wrap=True)
    for heading, width in zip(headings, widths, strict=True):
        table.add_column(heading, width=width, justify="right", overflow="fold")
    for each, label, row in zip(changes, names, cells, strict=True):
        line = sparkline([point.count for point in each.points], trend, plain=is_plain(console))
        table.add_row(Text(_folded(label, name)), Text(line, style="green"), *map(Text, row))
    return table


def _shares(change: Change) -> list[str]:
    """The last share, and by how many percentage points it has grown, where both are known."""
    share = "-" if change.last.share is None else f"{change.last.share:.1%}"
    points = change.percentage_points
    return [share, "-" if points is None else f"{points:+.1f}" if round(points, 1) else "0.0"]


def _folded(name: str, width: int) -> str:
    """A name over several lines, broken behind underscores where that is enough."""
    lines = [""]
    for part in name.replace("_", "_\n").split("\n"):
        if lines[-1] and cell_len(lines[-1] + part) > width:
            lines.append("")
        lines[-1] += part
    return "\n".join(lines)
