"""Intents in a database file, for workers on one machine and result backends other than Redis."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Final

import msgspec

from altcraft import AltcraftError
from altcraft_plugins._sqlite import FileKind, SqliteFile
from altcraft_plugins.celery.intents import Intent

__all__ = ["IntentsError", "IntentsInSqlite"]

_TABLE = """
CREATE TABLE intents (key TEXT PRIMARY KEY, intent TEXT NOT NULL, kept_at REAL NOT NULL);
CREATE INDEX intents_by_age ON intents (kept_at);
"""


class IntentsError(AltcraftError):
    """The file of intents can't be read or written. Raised by `submit`, it means that nothing was sent."""


_KIND: Final = FileKind("file of intents", 0x616C7469, 1, _TABLE, IntentsError)  # "alti"


class IntentsInSqlite:
    """Intents in an SQLite file, for `keep` seconds. A message that comes back later than that submits again.

    The worker's processes share the file, and fork with it. It must be on a disk of their machine.
    """

    def __init__(self, path: str | os.PathLike[str], keep: float = 7 * 86400.0) -> None:
        self._file = SqliteFile(Path(path), _KIND)
        self._keep = keep

    def begin(self, key: str, intent: Intent) -> bool:
        """As Intents.begin."""
        with self._file.transaction():
            self._file.write("DELETE FROM intents WHERE kept_at < ?", time.time() - self._keep)
            return bool(self._file.write("INSERT OR IGNORE INTO intents VALUES (?, ?, ?)", *_row(key, intent)))

    def get(self, key: str) -> Intent | None:
        """As Intents.get."""
        rows = self._file.query("SELECT intent FROM intents WHERE key = ?", key)
        return msgspec.json.decode(rows[0]["intent"], type=Intent) if rows else None

    def complete(self, key: str, intent: Intent) -> None:
        """As Intents.complete."""
        self._file.write("INSERT OR REPLACE INTO intents VALUES (?, ?, ?)", *_row(key, intent))

    def forget(self, key: str) -> None:
        """As Intents.forget."""
        self._file.write("DELETE FROM intents WHERE key = ?", key)

    def close(self) -> None:
        """Closes the file. May be called twice."""
        self._file.close()


def _row(key: str, intent: Intent) -> tuple[str, str, float]:
    return key, msgspec.json.encode(intent).decode(), time.time()
