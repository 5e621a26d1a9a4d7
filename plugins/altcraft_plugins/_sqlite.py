"""A file of a plugin's own, in SQLite's WAL mode. It is checked before anything is written to it."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

from altcraft import AltcraftError

__all__ = ["FileKind", "SqliteFile"]

_PATIENCE = 10.0
"""Seconds to wait for another process that is writing."""


class FileKind(Struct, frozen=True):
    """What a file holds. `noun` names it in errors, which are raised as `error`; `tables` is the SQL that makes it.

    `application` and `version` are written into the file, so that a foreign or newer one is recognized.
    """

    noun: str
    application: int
    version: int
    tables: str
    error: type[AltcraftError]


class SqliteFile:
    """Reads and writes rows, from any thread. A forked child opens the file anew."""

    def __init__(self, path: Path, kind: FileKind) -> None:
        self.path = path
        self._kind = kind
        self._lock = threading.RLock()
        self._connection: sqlite3.Connection | None = None
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._after_fork)
        with self._errors():
            self._connected()

    def query(self, statement: str, *values: object) -> list[sqlite3.Row]:
        """The rows of a SELECT."""
        with self._lock, self._errors():
            return self._connected().execute(statement, values).fetchall()

    def write(self, statement: str, *values: object, durable: bool = True) -> int:
        """Carries out one change; returns how many rows it has touched.

        A durable one is on the disk when this returns; else it survives the process, and perhaps not the machine.
        """
        with self._lock, self._errors():
            connection = self._connected()
            if not connection.in_transaction:
                connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
            return connection.execute(statement, values).rowcount

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """Makes one change of all that the block writes. Another process waits meanwhile.

        A transaction inside another one is part of that.
        """
        with self._lock, self._errors():
            connection = self._connected()
            if connection.in_transaction:
                yield
                return
            connection.execute("PRAGMA synchronous = FULL")
            with _transaction(connection):
                yield

    def close(self) -> None:
        """Closes the file. May be called twice."""
        with self._lock:
            connection, self._connection = self._connection, None
            if connection is not None:
                connection.close()

    def _after_fork(self) -> None:
        # The parent's connection is left alone: closing it here would drop the parent's locks on the file.
        self._lock = threading.RLock()
        self._abandoned, self._connection = self._connection, None

    def _connected(self) -> sqlite3.Connection:
        if self._connection is None:
            self._check()
            connection = sqlite3.connect(self.path, timeout=_PATIENCE, isolation_level=None, check_same_thread=False)
            try:
                connection.row_factory = sqlite3.Row
                _switch_to_wal(connection)
                if not connection.execute("PRAGMA user_version").fetchone()[0]:
                    self._create(connection)
            except BaseException:
                connection.close()
                raise
            self._connection = connection
        return self._connection

    def _check(self) -> None:
        """The kind's error for a file of another kind, a damaged, or a newer one. It is read and not touched."""
        kind = self._kind
        try:
            if not self.path.exists() or not self.path.stat().st_size:
                return
        except OSError as error:
            raise kind.error(f"the {kind.noun} {self.path} can't be opened: {error.strerror}") from None
        with contextlib.closing(sqlite3.connect(f"{self.path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            application = connection.execute("PRAGMA application_id").fetchone()[0]
            version = connection.execute("PRAGMA user_version").fetchone()[0]
            tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
            if application != kind.application and (tables or version):
                raise kind.error(
                    f"{self.path} is a database of another program: give the {kind.noun} a file of its own"
                )
            if version > kind.version:
                raise kind.error(
                    f"the {kind.noun} {self.path} has version {version}, and this release reads up to {kind.version}: "
                    f"use the newer altcraft-client"
                )
            found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
            if found != "ok":
                raise sqlite3.DatabaseError(found)

    def _create(self, connection: sqlite3.Connection) -> None:
        with _transaction(connection):
            if not connection.execute("PRAGMA user_version").fetchone()[0]:  # another process may have been quicker
                for statement in self._kind.tables.split(";"):
                    connection.execute(statement)
                connection.execute(f"PRAGMA application_id = {self._kind.application}")
                connection.execute(f"PRAGMA user_version = {self._kind.version}")

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            text = str(error)
            if "locked" in text:
                advice = f"another process has held it for {_PATIENCE:g} s"
            elif "malformed" in text or "not a database" in text or "corrupt" in text or "***" in text:
                advice = "it is damaged, and was left as it is: restore it from a copy, or name another file"
            elif "full" in text:
                advice = "the disk is full"
            else:
                advice = "look at its folder and its permissions"
            raise self._kind.error(f"the {self._kind.noun} {self.path}: {text}: {advice}") from None


def _switch_to_wal(connection: sqlite3.Connection) -> None:
    """Waits for another process that is making the file, which SQLite itself does not here."""
    until = time.monotonic() + _PATIENCE
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > until:
                raise
        time.sleep(0.02)


@contextlib.contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # a full disk has ended it already
            connection.execute("ROLLBACK")
        raise
