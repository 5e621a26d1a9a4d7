"""Statistics as CSV: a row a channel."""

from __future__ import annotations

from altcraft_plugins.cli.output.destination import Destination
from altcraft_plugins.cli.output.reporter import Result

__all__ = ["Rows"]


class Rows:
    """Collects the rows of all results, since the header names the counters of all of them."""

    def __init__(self, destination: Destination) -> None:
        self._destination = destination
        self._results: list[Result] = []

    def add(self, result: Result) -> None:
        """Keeps the rows of a result."""
        self._results.append(result)

    def finish(self) -> None:
        """Writes the header and the rows."""
