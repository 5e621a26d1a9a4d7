"""Statistics as CSV: a row a channel."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, cast

import msgspec

from altcraft import ChannelStatistics, rows
from altcraft_plugins.cli.exit_codes import FAILED
from altcraft_plugins.cli.output.destination import Destination
from altcraft_plugins.cli.output.reporter import Result
from altcraft_plugins.cli.problems import Problem, Stopped

if TYPE_CHECKING:
    from altcraft.schema import Request

__all__ = ["Rows"]


class Rows:
    """Collects the rows of all results. They are written at the end, since the header names the counters of all."""

    def __init__(self, destination: Destination) -> None:
        self._destination = destination
        self._rows: list[dict[str, object]] = []
        self._columns = dict.fromkeys(rows(ChannelStatistics("")).pop())
        self._has_results = False

    def add(self, result: Result) -> None:
        """Keeps the rows of a result. Stopped for a result that is no statistics."""
        more: dict[str, object] = {} if result.task_id is None else {"task_id": result.task_id}
        if result.read_at is not None:
            more["read_at"] = result.read_at
        try:
            found = rows(
                result.value, cast("Request[object] | None", result.subject.request if result.subject else None)
            )
        except TypeError:
            message = "the result is no statistics, and so has no rows: leave --csv out"
            raise Stopped(Problem("TypeError", message, FAILED)) from None
        self._has_results = True
        for row in found:
            self._rows.append({**result.about, **row, **more})
        self._columns = dict.fromkeys([*result.about, *self._columns, *(name for row in self._rows for name in row)])

    def put(self, columns: Sequence[str], found: Iterable[Mapping[str, object]]) -> None:
        """Keeps rows that have exactly those columns."""
        self._has_results = True
        self._columns = dict.fromkeys(columns)
        self._rows += map(dict, found)

    def finish(self) -> None:
        """Writes the header and the rows; nothing where there was no result."""
        if not self._has_results:
            return
        text = io.StringIO()
        writer = csv.DictWriter(text, list(self._columns), lineterminator="\n")
        writer.writeheader()
        writer.writerows(msgspec.to_builtins(self._rows))
        self._destination.write(text.getvalue())
