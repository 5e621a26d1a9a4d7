"""Deliveries as rows: owed with the task's end, claimed, settled. No thread and no socket in here.

What a finished task owes is written in the transaction that finishes it, so a crash in between loses nothing. A claim
runs out: a process that dies while it delivers leaves the row to the next one, which may so deliver a second time.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from typing import Final
from urllib.parse import urlsplit

import msgspec

from altcraft_plugins.sandbox.misbehaviour import Misbehaviour, Mode
from altcraft_plugins.sandbox.pace import Pace, seconds_of
from altcraft_plugins.sandbox.replies import Entry, read_entries
from altcraft_plugins.sandbox.store import Store

__all__ = ["ATTEMPTS", "Deliveries", "Parcel"]

ATTEMPTS: Final = 6
BACKOFF: Final = 1.0
"""Seconds before the second attempt; each further one waits twice as long."""
LEASE: Final = 15.0
"""Seconds for which a claim keeps others away: more than an attempt takes."""


class Parcel(msgspec.Struct, frozen=True):
    """What is to be posted. `attempt` counts from 1."""

    task_id: str
    url: str
    type: str
    mode: Mode | None
    attempt: int
    status: str
    progress: int
    result: list[Entry] | None


class Deliveries:
    """The table of deliveries. Times are Unix seconds. Thread-safe, as the store is.

    Unless `anywhere` is set, only this machine's own addresses are delivered to: whoever may start a task must not be
    able to have the sandbox call into its network.
    """

    def __init__(
        self,
        store: Store,
        misbehaviour: Misbehaviour,
        pace: Pace,
        *,
        anywhere: bool = False,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._misbehaviour = misbehaviour
        self._pace = pace
        self._anywhere = anywhere
        self._now = now

    def begun(self, connection: sqlite3.Connection, task_id: str) -> None:
        """A task has begun, in this transaction: a delivery that is to come too early is owed now."""
        if self._misbehaviour.of(task_id) == "early":
            self._owe(connection, task_id, self._now() + seconds_of(self._pace, task_id) / 2)

    def ended(self, connection: sqlite3.Connection, task_id: str) -> None:
        """A task has ended, in this transaction: its delivery is owed, if it asked for one."""
        late = self._misbehaviour.of(task_id) == "late"
        self._owe(connection, task_id, self._now() + (self._misbehaviour.delay if late else 0.0))

    def due(self, task_id: str) -> float | None:
        """When a task's delivery is due, None where there is none to come."""
        with self._store.transaction() as connection:
            row = connection.execute(
                "SELECT due FROM deliveries WHERE task_id = ? AND state = 'owed'", (task_id,)
            ).fetchone()
        return None if row is None else float(row[0])

    def owed(self) -> list[tuple[str, float]]:
        """All that is still to be delivered, and when."""
        with self._store.transaction() as connection:
            return connection.execute("SELECT task_id, due FROM deliveries WHERE state = 'owed'").fetchall()

    def claim(self, task_id: str, *, early: bool = False) -> Parcel | None:
        """What to deliver now; None where it is not due, unless `early`, or another process is at it."""
        now = self._now()
        with self._store.transaction() as connection:
            taken = connection.execute(
                "UPDATE deliveries SET attempts = attempts + 1, due = ?"
                " WHERE task_id = ? AND state = 'owed' AND due <= ?",
                (now + LEASE, task_id, float("inf") if early else now),
            ).rowcount
            if not taken:
                return None
            kind, status, progress, result, type_, url, attempt = connection.execute(
                "SELECT kind, status, progress, result, feedback_type, feedback_url, attempts"
                " FROM tasks JOIN deliveries ON task_id = id WHERE id = ?",
                (task_id,),
            ).fetchone()
        entries = None if result is None else read_entries(kind, result)
        return Parcel(task_id, url, type_, self._misbehaviour.of(task_id), attempt, status, progress, entries)

    def settle(self, parcel: Parcel, outcome: str, *, taken: bool) -> float | None:
        """Notes what came of an attempt. When the next one is due, None where there is none."""
        state, due = "delivered", 0.0
        if not taken:
            state = "owed" if parcel.attempt < ATTEMPTS else "given up"
            due = self._now() + BACKOFF * 2 ** (parcel.attempt - 1)
        with self._store.transaction() as connection:
            connection.execute(
                "UPDATE deliveries SET state = ?, due = ?, outcome = ? WHERE task_id = ?",
                (state, due, outcome, parcel.task_id),
            )
        return due if state == "owed" else None

    def _owe(self, connection: sqlite3.Connection, task_id: str, due: float) -> None:
        row = connection.execute("SELECT feedback_url FROM tasks WHERE id = ?", (task_id,)).fetchone()
        if row is None or row[0] is None:
            return
        state, outcome = "owed", None
        if not (self._anywhere or is_loopback(row[0])):
            state, outcome = "withheld", "not an address of this machine"
        elif self._misbehaviour.of(task_id) == "never":
            state, outcome = "withheld", "as feedback=never demands"
        connection.execute(
            "INSERT OR IGNORE INTO deliveries (task_id, state, attempts, due, outcome) VALUES (?, ?, 0, ?, ?)",
            (task_id, state, due, outcome),
        )


def is_loopback(url: str) -> bool:
    """Whether a URL leads to this machine by its very text. No name but localhost: others could lead anywhere."""
    host = (urlsplit(url).hostname or "").lower()
    quads = host.split(".")
    in_127 = len(quads) == 4 and quads[0] == "127" and all(quad.isdecimal() and int(quad) < 256 for quad in quads)
    return host in ("localhost", "::1") or in_127
