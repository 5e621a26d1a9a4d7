"""Statistics as CSV: a row a channel."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, cast

import msgspec

from altcraft import ChannelStatistics, rows
from altcraft_plugins.cli.exit_codes import FAILED
from altcraft_plugins.cli.output.destination import Destination
from altcraft_plugins.cli.output.reporter import Result
from altcraft_plugins.cli.problems import Problem
from altcraft_plugins.cli.stopping import Stopped

if TYPE_CHECKING:
    from altcraft.schema import Request

__all__ = ["Rows"]

# A spreadsheet takes a cell for a formula by its beginning. Where its separator is a semicolon or a tab, one of those
# begins a cell too.
_FORMULA = re.compile(r"(\A|[;\t\r\n])(?=[\s\ufeff\0]*[=+\-@\uff1d\uff0b\uff0d\uff20])")
_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?")


class Rows:
    """Collects the rows of all results. They are written at the end, since the header names the counters of all.

    The columns: what a plan says; what was counted and the documented counters, as `altcraft.rows` orders them; other
    counters, sorted by name; `task_id` and `read_at`. Or exactly those of `put`. A text that a spreadsheet would
    compute gets an apostrophe in front. With `bom`, a byte-order mark begins the text, by which Excel tells UTF-8.
    """

    def __init__(self, destination: Destination, *, bom: bool = False) -> None:
        self._destination = destination
        self._bom = bom
        self._rows: list[dict[str, object]] = []
        self._before: dict[str, None] = {}
        self._usual = dict.fromkeys(rows(ChannelStatistics("")).pop())
        self._others: set[str] = set()
        self._behind: dict[str, None] = {}
        self._has_results = False

    def add(self, result: Result) -> None:
        """Keeps the rows of a result. Stopped for a result that is no statistics."""
        behind = {"task_id": result.task_id, "read_at": result.read_at}
        more = {name: value for name, value in behind.items() if value is not None}
        try:
            found = rows(
                result.value, cast("Request[object] | None", result.subject.request if result.subject else None)
            )
        except TypeError:
            message = "the result is no statistics, and so has no rows: leave --csv out"
            raise Stopped(Problem("TypeError", message, FAILED)) from None
        self._has_results = True
        self._before |= dict.fromkeys(result.about)
        self._behind |= dict.fromkeys(more)
        for row in found:
            self._others |= row.keys() - self._usual.keys()
            self._rows.append({**result.about, **row, **more})

    def put(self, columns: Sequence[str], found: Iterable[Mapping[str, object]]) -> None:
        """Keeps rows that have exactly those columns."""
        self._has_results = True
        self._usual = dict.fromkeys(columns)
        self._rows += map(dict, found)

    def finish(self) -> None:
        """Writes the header and the rows; nothing where there was no result."""
        if not self._has_results:
            return
        text = _Lines()
        names = list(dict.fromkeys([*self._before, *self._usual, *sorted(self._others), *self._behind]))
        writer = csv.writer(text, lineterminator="\r\n")
        writer.writerow(map(_harmless, names))
        for row in msgspec.to_builtins(self._rows):
            writer.writerow([_harmless(row.get(name)) for name in names])
        self._destination.write(("\ufeff" if self._bom else "") + text.getvalue())


class _Lines(io.StringIO):
    """Lines that end in a line feed. The writer quotes a lone carriage return only if its own lines end in one."""

    def write(self, line: str) -> int:
        return super().write(line.removesuffix("\r\n") + "\n")


def _harmless(value: object) -> object:
    """The value, or a text that no spreadsheet takes for a formula. Numbers stay as they are, also as texts."""
    if not isinstance(value, str) or _NUMBER.fullmatch(value):
        return value
    return _FORMULA.sub(r"\1'", value)
