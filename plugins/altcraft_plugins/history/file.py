"""The history's file: its tables, and the error of a file that can't be used."""

from __future__ import annotations

from typing import Final

from altcraft import AltcraftError
from altcraft_plugins._sqlite import FileKind

__all__ = ["KIND", "HistoryError"]

# A count is one entry of a result: that of one database. `source` tells counts apart: the same count, recorded twice
# or imported again, has the same. `content` is JSON: what a row or a failure has beside its name and its time.
_TABLES = """
CREATE TABLE counts (
    id INTEGER PRIMARY KEY,
    source TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    at REAL NOT NULL,
    content TEXT NOT NULL
);
CREATE INDEX counts_by_name ON counts (name, at);
CREATE INDEX counts_by_time ON counts (at);
CREATE TABLE failures (
    id INTEGER PRIMARY KEY,
    source TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    at REAL NOT NULL,
    content TEXT NOT NULL
);
CREATE INDEX failures_by_time ON failures (at);
"""


class HistoryError(AltcraftError):
    """The history can't be read or written."""


KIND: Final = FileKind("history", 0x616C7468, 1, _TABLES, HistoryError)  # "alth"
