"""The sandbox's sqlite database: one connection, one lock, and transactions.

All reading and writing happens in `Store.transaction`. An in-memory database allows one connection only, and a file
would gain nothing from more, because the slices of a count are short. Several processes may share a file: a transaction
takes sqlite's write lock when it begins.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress
from typing import Final

from altcraft_plugins.sandbox.data import population
from altcraft_plugins.sandbox.data.tables import ADDED, APPLICATION_ID, TABLES

__all__ = ["Store", "StoreClosed", "StoreUnavailable"]

BUSY_TIMEOUT: Final = 10.0
"""Seconds to wait for another process's transaction on the same file."""

# sqlite's texts for what is wrong with the file, the disk or the memory, and not with a statement.
CAUSES: Final = {
    "locked": "another process holds the database: try again",
    "disk is full": "the disk is full",
    "disk I/O error": "the disk can't be read or written",
    "readonly database": "the database can't be written",
    "unable to open database file": "the database file can't be opened",
    "out of memory": "the memory is exhausted",
    "malformed": "the database file is damaged",
    "not a database": "the database file is damaged",
}


_INHERITED: Final[list[sqlite3.Connection]] = []
"""Connections of a parent process. sqlite forbids to use them, and even to close them, in the child."""


class StoreClosed(Exception):
    """The sandbox has been closed."""


class StoreUnavailable(Exception):
    """The database can't be used at present. The text says why: another process holds it, or the disk is full."""


class Store:
    """A sandbox's data. A new file is created and populated; the data of an existing one is kept.

    `path` None keeps everything in memory. `profiles` is the size of the large database; None accepts the size that a
    file has. Raises ValueError where the file is not a sandbox's, or has another number of profiles. Thread-safe.
    """

    def __init__(self, path: str | None = None, profiles: int | None = None) -> None:
        self._path = path
        self._lock = threading.RLock()
        self._depth = 0
        self._open = True
        self._is_inherited = False
        connection: sqlite3.Connection | None = None
        try:
            connection = self._connection = self._connect()
            self._prepare(path, profiles)
        except BaseException as error:
            if connection is not None:
                connection.close()
            if isinstance(error, (sqlite3.DatabaseError, StoreUnavailable)):
                raise ValueError(f"{path} can't be used as a sandbox's database: {error}") from None
            raise

    @contextmanager
    def transaction(self) -> Generator[sqlite3.Connection]:
        """The connection in a transaction: committed at the end, rolled back on an exception. May be nested.

        Raises StoreClosed after close(), and StoreUnavailable.
        """
        with self._lock:
            if not self._open:
                raise StoreClosed
            if self._is_inherited:
                _INHERITED.append(self._connection)
                self._connection, self._is_inherited = self._connect(), False
                self._connection.execute("PRAGMA foreign_keys = ON")
            if self._depth:
                yield self._connection
                return
            self._depth = 1
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                yield self._connection
                if self._connection.in_transaction:
                    self._connection.execute("COMMIT")
            except BaseException as error:
                # Some errors, a full disk for one, have made sqlite roll back already.
                if self._connection.in_transaction:
                    with suppress(sqlite3.Error):  # a broken disk: the error above says so
                        self._connection.execute("ROLLBACK")
                if isinstance(error, sqlite3.Error) and (cause := _cause(error)) is not None:
                    raise StoreUnavailable(cause) from error
                raise
            finally:
                self._depth = 0

    @property
    def in_memory(self) -> bool:
        """Whether the data is in memory, so that a forked child has a copy of its own."""
        return self._path is None

    def before_fork(self) -> None:
        """Waits for the transaction under way, and keeps others out until the fork is over."""
        self._lock.acquire()

    def after_fork_in_parent(self) -> None:
        """Lets transactions go on."""
        self._lock.release()

    def after_fork_in_child(self) -> None:
        """The next transaction gets a connection of the child's own to a file. The fork has copied data in memory."""
        self._lock = threading.RLock()
        self._depth = 0
        self._is_inherited = not self.in_memory

    def close(self) -> None:
        """Closes the connection, after the transaction under way. May be called twice."""
        with self._lock:
            self._open = False
            if self._is_inherited:
                _INHERITED.append(self._connection)
            else:
                self._connection.close()

    def _connect(self) -> sqlite3.Connection:
        path = self._path if self._path is not None else ":memory:"
        return sqlite3.connect(path, timeout=BUSY_TIMEOUT, isolation_level=None, check_same_thread=False)

    def _prepare(self, path: str | None, profiles: int | None) -> None:
        connection = self._connection
        # Checked before any setting is changed: a file that is not ours must not get a new journal mode.
        self._is_empty(path)
        if path is not None:
            connection.execute("PRAGMA journal_mode = WAL")
            # A killed process loses nothing that is committed. A power failure may; for a sandbox that is acceptable.
            connection.execute("PRAGMA synchronous = NORMAL")
        with self.transaction():
            # Checked again: another process may have created the tables meanwhile.
            if self._is_empty(path):
                self._create(population.DEFAULT_PROFILES if profiles is None else profiles)
            elif profiles is not None:
                there = connection.execute("SELECT value FROM meta WHERE key = 'profiles'").fetchone()[0]
                if int(there) != profiles:
                    raise ValueError(f"{path} was created with profiles={there}: leave profiles out, or use a new file")
            for statement in ADDED:
                connection.execute(statement)
        # Switched on last: checking every new row would take longer than inserting it.
        connection.execute("PRAGMA foreign_keys = ON")

    def _is_empty(self, path: str | None) -> bool:
        """Whether the database has no tables yet. Raises ValueError where it has tables that are not a sandbox's."""
        if self._connection.execute("PRAGMA application_id").fetchone()[0] == APPLICATION_ID:
            return False
        if self._connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            raise ValueError(f"{path} is a database, but not a sandbox's")
        return True

    def _create(self, profiles: int) -> None:
        # Not executescript(), which would commit before the tables are populated.
        for statement in TABLES.split(";\n"):
            if statement.strip():
                self._connection.execute(statement)
        population.populate(self._connection, profiles)
        self._connection.execute("INSERT INTO meta VALUES ('profiles', ?)", (str(profiles),))
        self._connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")


def _cause(error: sqlite3.Error) -> str | None:
    """Why the database can't be used, or None where the statement is at fault."""
    return next((cause for text, cause in CAUSES.items() if text in str(error)), None)
