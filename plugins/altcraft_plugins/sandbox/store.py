"""The sandbox's sqlite database: one connection, one lock, whole transactions.

A transaction is the only way in. One connection under one lock is what an in-memory database allows, and a
file gains nothing from more: the slices of a count are short. A file may be shared by processes, since every
transaction that writes takes sqlite's write lock first.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Generator
from contextlib import contextmanager

from altcraft_plugins.sandbox import seed
from altcraft_plugins.sandbox.tables import APPLICATION_ID, DELIVERIES, TABLES

__all__ = ["Store", "StoreBusy", "StoreClosed"]

BUSY_TIMEOUT = 10.0
"""Seconds to wait for another process's transaction on the same file."""


class StoreClosed(Exception):
    """The sandbox has been closed."""


class StoreBusy(sqlite3.OperationalError):
    """Another process has held the file for longer than BUSY_TIMEOUT."""


class Store:
    """A sandbox's data. A file is created and seeded when it is new, and taken up as it is when it is not.

    `path` None keeps everything in memory. `profiles` is the size of the large database: None accepts what a
    file has. Raises ValueError where the file is no sandbox's, or its population differs from an explicit
    `profiles`. Thread-safe.
    """

    def __init__(self, path: str | None = None, profiles: int | None = None) -> None:
        self._lock = threading.RLock()
        self._depth = 0
        self._open = True
        connection: sqlite3.Connection | None = None
        try:
            connection = self._connection = sqlite3.connect(
                path if path is not None else ":memory:",
                timeout=BUSY_TIMEOUT,
                isolation_level=None,
                check_same_thread=False,
            )
            self._prepare(path, profiles)
        except BaseException as error:
            if connection is not None:
                connection.close()
            if isinstance(error, sqlite3.DatabaseError):
                raise ValueError(f"{path} cannot be used as a sandbox's database: {error}") from None
            raise

    @contextmanager
    def transaction(self) -> Generator[sqlite3.Connection]:
        """The connection, in a transaction: committed at the end, rolled back on an exception. Nests.

        Raises StoreClosed after close(), and StoreBusy.
        """
        with self._lock:
            if not self._open:
                raise StoreClosed
            if self._depth:
                yield self._connection
                return
            try:
                self._connection.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError as error:
                raise StoreBusy(str(error)) from None
            self._depth = 1
            try:
                yield self._connection
                if self._connection.in_transaction:
                    self._connection.execute("COMMIT")
            except BaseException:
                # Some of sqlite's errors, a full disk for one, have rolled back already.
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise
            finally:
                self._depth = 0

    def close(self) -> None:
        """Close the connection, after the transaction under way if there is one. Idempotent."""
        with self._lock:
            self._open = False
            self._connection.close()

    def _prepare(self, path: str | None, profiles: int | None) -> None:
        connection = self._connection
        # Asked before anything is set: a stranger's file is not even given another journal.
        self._is_new(path)
        if path is not None:
            connection.execute("PRAGMA journal_mode = WAL")
            # A kill loses nothing that is committed; only the machine's own fall could, and this is a sandbox.
            connection.execute("PRAGMA synchronous = NORMAL")
        with self.transaction():
            # And again: another process may have been faster.
            if self._is_new(path):
                self._create(seed.DEFAULT_PROFILES if profiles is None else profiles)
            elif profiles is not None:
                there = connection.execute("SELECT value FROM meta WHERE key = 'profiles'").fetchone()[0]
                if int(there) != profiles:
                    raise ValueError(f"{path} was seeded with profiles={there}: leave profiles out, or use a new file")
            connection.execute(DELIVERIES)
        # Only now: checking every seeded row would take longer than seeding it.
        connection.execute("PRAGMA foreign_keys = ON")

    def _is_new(self, path: str | None) -> bool:
        """Whether there is nothing yet. Raises ValueError where there is something else than a sandbox."""
        if self._connection.execute("PRAGMA application_id").fetchone()[0] == APPLICATION_ID:
            return False
        if self._connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            raise ValueError(f"{path} is a database, but not a sandbox's")
        return True

    def _create(self, profiles: int) -> None:
        # Not executescript: it would commit the transaction that makes creating and seeding one step.
        for statement in TABLES.split(";\n"):
            if statement.strip():
                self._connection.execute(statement)
        seed.plant(self._connection, profiles)
        self._connection.execute("INSERT INTO meta VALUES ('profiles', ?)", (str(profiles),))
        self._connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
