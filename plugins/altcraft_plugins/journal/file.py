"""The journal's file: its table, and the error of a file that can't be used."""

from __future__ import annotations

from typing import Final

from altcraft import AltcraftError
from altcraft_plugins._sqlite import FileKind

__all__ = ["KIND", "JournalError"]

_TABLE = """
CREATE TABLE entries (
    key TEXT PRIMARY KEY,
    state TEXT NOT NULL,
    host TEXT NOT NULL,
    operation TEXT NOT NULL,
    request TEXT NOT NULL,
    note TEXT NOT NULL,
    submitted_at REAL NOT NULL,
    task_id TEXT,
    token TEXT,
    status TEXT,
    progress REAL,
    ended_at REAL,
    result TEXT,
    error TEXT,
    acknowledged INTEGER NOT NULL DEFAULT 0,
    owner TEXT NOT NULL,
    lease REAL NOT NULL
);
CREATE INDEX entries_by_state ON entries (state, submitted_at);
"""


class JournalError(AltcraftError):
    """The journal can't be read or written. Raised while a task is submitted, it means that nothing was sent."""


KIND: Final = FileKind("journal", 0x616C7463, 1, _TABLE, JournalError)  # "altc"
