"""Targets: what can be counted. Finding a target checks that the rows it names exist.

A target is a group of profiles (a database, a segment in a database, or a database as a resource sees it) on one
resource. A task counts a list of targets; each gives one element of the task's result.
"""

from __future__ import annotations

import sqlite3

import msgspec

from altcraft_plugins.sandbox.counting.conditions import InvalidCondition, compile_condition
from altcraft_plugins.sandbox.refusal import Refusal

__all__ = ["Target", "database_targets", "members_of", "resource_targets", "segment_targets"]

INT64 = 2**63


class Target(msgspec.Struct, frozen=True):
    """One thing to count. `kind` is "segment", "database" or "resource"; `list_id` is the database's id."""

    kind: str
    id: int
    list_id: int
    resource_id: int


def database_targets(connection: sqlite3.Connection, id_: int, resource_id: int) -> list[Target]:
    """The database on the resource. Raises Refusal 404."""
    _must_exist(connection, "databases", id_)
    _must_exist(connection, "resources", resource_id)
    return [Target("database", id_, id_, resource_id)]


def segment_targets(connection: sqlite3.Connection, id_: int, resource_id: int, database: int | None) -> list[Target]:
    """The segment on the resource. Raises Refusal 404, and 400 for a dynamic segment without a database."""
    _must_exist(connection, "segments", id_)
    _must_exist(connection, "resources", resource_id)
    (home,) = connection.execute("SELECT database_id FROM segments WHERE id = ?", (id_,)).fetchone()
    if database is None:
        if home is None:
            raise Refusal(400, f"segment {id_} is dynamic: db_id (or list_id) is required")
        database = int(home)
    _must_exist(connection, "databases", database)
    if home is not None and home != database:
        raise Refusal(404, f"segment {id_} is not in database {database}")
    return [Target("segment", id_, database, resource_id)]


def resource_targets(connection: sqlite3.Connection, id_: int, database: int | None) -> list[Target]:
    """The resource in one database, or in each database. Raises Refusal 404."""
    _must_exist(connection, "resources", id_)
    if database is not None:
        _must_exist(connection, "databases", database)
        return [Target("resource", id_, database, id_)]
    databases = connection.execute("SELECT id FROM databases ORDER BY id").fetchall()
    return [Target("resource", id_, database, id_) for (database,) in databases]


def members_of(connection: sqlite3.Connection, target: Target) -> tuple[str, list[str | int | float]]:
    """An SQL condition, and its parameters, that selects the target's profiles among those of its database.

    Raises InvalidCondition, also where the segment has been deleted.
    """
    if target.kind != "segment":
        return "1", []
    row = connection.execute("SELECT condition FROM segments WHERE id = ?", (target.id,)).fetchone()
    if row is None:
        raise InvalidCondition(f"segment {target.id} has been deleted")
    if row[0] is not None:
        return compile_condition(row[0])
    return "EXISTS (SELECT 1 FROM members m WHERE m.segment_id = ? AND m.profile_id = profiles.id)", [target.id]


def _must_exist(connection: sqlite3.Connection, table: str, id_: int) -> None:
    # sqlite can't hold a larger integer, so no row has it as its id.
    if -INT64 <= id_ < INT64 and connection.execute(f"SELECT 1 FROM {table} WHERE id = ?", (id_,)).fetchone():
        return
    raise Refusal(404, f"no such {table[:-1]}: {id_}")
