"""The table of deliveries: pending when a task ends, claimed, recorded. No thread or socket is used here.

The transaction that ends a task also adds its delivery, so a crash in between loses nothing. A claim expires: when a
process dies while it delivers, another process delivers again.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from typing import Final
from urllib.parse import urlsplit

import msgspec

from altcraft_plugins.sandbox.counting.statistics import read_result
from altcraft_plugins.sandbox.data.store import Store
from altcraft_plugins.sandbox.durations import Pace, pace_of
from altcraft_plugins.sandbox.feedback.faults import DeliveryFault, DeliveryFaults

__all__ = ["ATTEMPTS", "LEASE", "Delivery", "DeliveryTable", "is_loopback"]

ATTEMPTS: Final = 6
BACKOFF: Final = 1.0
"""Seconds before the second attempt. Each further attempt waits twice as long."""
LEASE: Final = 15.0
"""Seconds for which a claim excludes other processes: longer than an attempt takes."""


class Delivery(msgspec.Struct, frozen=True):
    """A claimed delivery. `attempt` counts from 1."""

    task_id: str
    url: str
    type: str
    fault: DeliveryFault | None
    attempt: int
    status: str
    progress: int
    result: object


class DeliveryTable:
    """The table of deliveries. Times are Unix seconds. Thread-safe, because the store is.

    Unless `anywhere` is set, only addresses of this machine get deliveries: a client that may start a task must not
    make the sandbox call into its network.
    """

    def __init__(
        self,
        store: Store,
        faults: DeliveryFaults,
        pace: Pace,
        *,
        anywhere: bool = False,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._faults = faults
        self._pace = pace
        self._anywhere = anywhere
        self._now = now

    def task_started(self, connection: sqlite3.Connection, task_id: str) -> None:
        """A task starts in this transaction. Adds its delivery where the fault is to deliver too early."""
        if self._faults.of(task_id) == "early":
            self._add(connection, task_id, self._now() + pace_of(self._pace, task_id) / 2)

    def task_ended(self, connection: sqlite3.Connection, task_id: str) -> None:
        """A task ends in this transaction. Adds its delivery, if the task asked for one."""
        late = self._faults.of(task_id) == "late"
        self._add(connection, task_id, self._now() + (self._faults.delay if late else 0.0))

    def due(self, task_id: str) -> float | None:
        """When a task's delivery is due, or None where none is pending."""
        with self._store.transaction() as connection:
            row = connection.execute(
                "SELECT due FROM deliveries WHERE task_id = ? AND state = 'pending'", (task_id,)
            ).fetchone()
        return None if row is None else float(row[0])

    def pending(self) -> list[tuple[str, float]]:
        """All pending deliveries: the task's id, and when it is due."""
        with self._store.transaction() as connection:
            return connection.execute("SELECT task_id, due FROM deliveries WHERE state = 'pending'").fetchall()

    def claim(self, task_id: str, *, early: bool = False) -> Delivery | None:
        """The delivery, if it is due (or `early` is set) and no other process has claimed it; else None."""
        now = self._now()
        with self._store.transaction() as connection:
            claimed = connection.execute(
                "UPDATE deliveries SET attempts = attempts + 1, due = ?"
                " WHERE task_id = ? AND state = 'pending' AND due <= ?",
                (now + LEASE, task_id, float("inf") if early else now),
            ).rowcount
            if not claimed:
                return None
            kind, status, progress, result, type_, url, attempt = connection.execute(
                "SELECT kind, status, progress, result, feedback_type, feedback_url, attempts"
                " FROM tasks JOIN deliveries ON task_id = id WHERE id = ?",
                (task_id,),
            ).fetchone()
        entries = None if result is None else read_result(kind, result)
        return Delivery(task_id, url, type_, self._faults.of(task_id), attempt, status, progress, entries)

    def record(self, delivery: Delivery, outcome: str, *, accepted: bool) -> float | None:
        """Records the outcome of an attempt. Returns when the next attempt is due, or None where there is none."""
        state, due = "delivered", 0.0
        if not accepted:
            state = "pending" if delivery.attempt < ATTEMPTS else "given up"
            due = self._now() + BACKOFF * 2 ** (delivery.attempt - 1)
        with self._store.transaction() as connection:
            connection.execute(
                "UPDATE deliveries SET state = ?, due = ?, outcome = ? WHERE task_id = ?",
                (state, due, outcome, delivery.task_id),
            )
        return due if state == "pending" else None

    def leave_to_parent(self) -> None:
        """In a forked child with a copy of the data: the parent makes the deliveries of all tasks so far."""
        with self._store.transaction() as connection:
            connection.execute(
                "UPDATE deliveries SET state = 'withheld', outcome = 'left to the parent process'"
                " WHERE state = 'pending'"
            )
            connection.execute("UPDATE tasks SET feedback_url = NULL WHERE status IN ('queued', 'running')")

    def _add(self, connection: sqlite3.Connection, task_id: str, due: float) -> None:
        row = connection.execute("SELECT feedback_url FROM tasks WHERE id = ?", (task_id,)).fetchone()
        if row is None or row[0] is None:
            return
        state, outcome = "pending", None
        if not (self._anywhere or is_loopback(row[0])):
            state, outcome = "withheld", "not an address of this machine"
        elif self._faults.of(task_id) == "never":
            state, outcome = "withheld", "withheld by feedback=never"
        connection.execute(
            "INSERT OR IGNORE INTO deliveries (task_id, state, attempts, due, outcome) VALUES (?, ?, 0, ?, ?)",
            (task_id, state, due, outcome),
        )


def is_loopback(url: str) -> bool:
    """Whether the URL's host is 127.x.x.x, ::1 or localhost. Any other name could resolve to another machine."""
    host = (urlsplit(url).hostname or "").lower()
    quads = host.split(".")
    in_127 = len(quads) == 4 and quads[0] == "127" and all(quad.isdecimal() and int(quad) < 256 for quad in quads)
    return host in ("localhost", "::1") or in_127
