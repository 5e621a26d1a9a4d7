"""Counting rows: one slice of a database's profiles, and the tallies that slices add up to."""

from __future__ import annotations

import sqlite3
from typing import Final

import msgspec

from altcraft_plugins.sandbox.tables import STATUSES
from altcraft_plugins.sandbox.targets import Target, audience

__all__ = ["COUNTERS", "Tally", "count_all", "count_slice", "empty_tally", "population"]

COUNTERS: Final = tuple(sorted(("all", *STATUSES, "subscribed_sendable", "unconfirmed_sendable")))
"""The ten documented counters, in the order in which the platform shows them."""


class Tally(msgspec.Struct):
    """Counts so far. `channels` has a resource's channels in order, each with all the counters."""

    total: int
    channels: dict[str, dict[str, int]]


def empty_tally(connection: sqlite3.Connection, target: Target) -> Tally:
    """Zeros for every channel of the target's resource."""
    rows = connection.execute(
        "SELECT channel FROM channels WHERE resource_id = ? ORDER BY position", (target.resource_id,)
    ).fetchall()
    return Tally(0, {channel: dict.fromkeys(COUNTERS, 0) for (channel,) in rows})


def population(connection: sqlite3.Connection, target: Target) -> int:
    """How many profiles there are to look at: all those of the target's database."""
    row = connection.execute("SELECT count(*) FROM profiles WHERE database_id = ?", (target.list_id,)).fetchone()
    return int(row[0])


def count_slice(connection: sqlite3.Connection, target: Target, tally: Tally, after: int, size: int) -> tuple[int, int]:
    """Look at the next `size` profiles with ids above `after`, and add those in the audience to the tally.

    Returns how many were looked at (0: there are none left) and the id of the last. Raises BrokenCondition.
    """
    looked, last = connection.execute(
        "SELECT count(*), max(id) FROM (SELECT id FROM profiles WHERE database_id = ? AND id > ? ORDER BY id LIMIT ?)",
        (target.list_id, after, size),
    ).fetchone()
    if not looked:
        return 0, after
    condition, parameters = audience(connection, target)
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
        # A channel that came to the resource after the count began has no place in it.
        if (counts := tally.channels.get(channel)) is not None:
            counts[status] += count
            if f"{status}_sendable" in counts:
                counts[f"{status}_sendable"] += int(reachable)
    return looked, last


def count_all(connection: sqlite3.Connection, target: Target) -> Tally:
    """Everything in one go."""
    tally = empty_tally(connection, target)
    count_slice(connection, target, tally, -(2**63), 2**62)
    return tally
