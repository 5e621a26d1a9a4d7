"""Counts rows: one slice of a database's profiles at a time, added up in a tally."""

from __future__ import annotations

import sqlite3
from typing import Final

import msgspec

from altcraft_plugins.sandbox.counting.targets import Target, members_of
from altcraft_plugins.sandbox.data.tables import STATUSES

__all__ = ["COUNTERS", "FIRST", "Tally", "count_all", "count_slice", "empty_tally", "population"]

COUNTERS: Final = tuple(sorted(("all", *STATUSES, "subscribed_sendable", "unconfirmed_sendable")))
"""The ten documented counters, in the order in which the platform shows them."""

FIRST: Final = -(2**63)
"""An id below that of the first profile."""


class Tally(msgspec.Struct):
    """The counts so far. `channels` holds every counter of every channel, in the resource's order of channels."""

    total: int
    channels: dict[str, dict[str, int]]


def empty_tally(connection: sqlite3.Connection, target: Target) -> Tally:
    """Zeros for every channel of the target's resource."""
    rows = connection.execute(
        "SELECT channel FROM channels WHERE resource_id = ? ORDER BY position", (target.resource_id,)
    ).fetchall()
    return Tally(0, {channel: dict.fromkeys(COUNTERS, 0) for (channel,) in rows})


def population(connection: sqlite3.Connection, target: Target) -> int:
    """The number of profiles in the target's database: a count visits them all."""
    row = connection.execute("SELECT count(*) FROM profiles WHERE database_id = ?", (target.list_id,)).fetchone()
    return int(row[0])


def count_slice(connection: sqlite3.Connection, target: Target, tally: Tally, after: int, size: int) -> tuple[int, int]:
    """Visits the next `size` profiles with ids above `after`, and adds the target's own to the tally.

    Returns the number of profiles visited (0 where none is left) and the id of the last one. Raises InvalidCondition.
    """
    visited, last = connection.execute(
        "SELECT count(*), max(id) FROM (SELECT id FROM profiles WHERE database_id = ? AND id > ? ORDER BY id LIMIT ?)",
        (target.list_id, after, size),
    ).fetchone()
    if not visited:
        return 0, after
    condition, parameters = members_of(connection, target)
    within = "profiles.database_id = ? AND profiles.id > ? AND profiles.id <= ?"
    (members,) = connection.execute(
        f"SELECT count(*) FROM profiles WHERE {within} AND {condition}",
        (target.list_id, after, last, *parameters),
    ).fetchone()
    found = connection.execute(
        f"""
        SELECT s.channel, s.status, count(*), total(s.reachable)
        FROM subscriptions s JOIN profiles ON profiles.id = s.profile_id
        WHERE s.resource_id = ? AND s.profile_id > ? AND s.profile_id <= ? AND {within} AND {condition}
        GROUP BY s.channel, s.status
        """,
        (target.resource_id, after, last, target.list_id, after, last, *parameters),
    ).fetchall()
    tally.total += members
    for counters in tally.channels.values():
        counters["all"] += members
    for channel, status, count, reachable in found:
        # A channel that was added to the resource after the count began is left out.
        if (counts := tally.channels.get(channel)) is not None:
            counts[status] += count
            if f"{status}_sendable" in counts:
                counts[f"{status}_sendable"] += int(reachable)
    return visited, last


def count_all(connection: sqlite3.Connection, target: Target) -> Tally:
    """Counts the whole target at once. Raises InvalidCondition."""
    tally = empty_tally(connection, target)
    count_slice(connection, target, tally, FIRST, 2**62)
    return tally
