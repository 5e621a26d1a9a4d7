"""What can be counted: a target names it, and finding it checks that its rows exist.

A target is one audience (a database, a segment in a database, or a database as a resource sees it) on one
resource. A task counts a list of targets and delivers one element of its result for each.
"""

from __future__ import annotations

import sqlite3

import msgspec

from altcraft_plugins.sandbox.conditions import BrokenCondition, compile_condition
from altcraft_plugins.sandbox.faults import Fault

__all__ = ["Target", "audience", "database_targets", "resource_targets", "segment_targets"]

INT64 = 2**63


class Target(msgspec.Struct, frozen=True):
    """One thing to count. `kind` is "segment", "database" or "resource"; `list_id` is always the database."""

    kind: str
    id: int
    list_id: int
    resource_id: int


def database_targets(connection: sqlite3.Connection, id_: int, resource_id: int) -> list[Target]:
    """The database on the resource. Raises Fault 404."""
    _must_exist(connection, "databases", id_)
    _must_exist(connection, "resources", resource_id)
    return [Target("database", id_, id_, resource_id)]


def segment_targets(connection: sqlite3.Connection, id_: int, resource_id: int, database: int | None) -> list[Target]:
    """The segment on the resource. Raises Fault 404, and 400 for a dynamic segment without a database."""
    _must_exist(connection, "segments", id_)
    _must_exist(connection, "resources", resource_id)
    (home,) = connection.execute("SELECT database_id FROM segments WHERE id = ?", (id_,)).fetchone()
    if database is None:
        if home is None:
            raise Fault(400, f"segment {id_} is dynamic: db_id (or list_id) is required")
        database = int(home)
    _must_exist(connection, "databases", database)
    if home is not None and home != database:
        raise Fault(404, f"segment {id_} is not in database {database}")
    return [Target("segment", id_, database, resource_id)]


def resource_targets(connection: sqlite3.Connection, id_: int, database: int | None) -> list[Target]:
    """The resource in one database, or in every database. Raises Fault 404."""
    _must_exist(connection, "resources", id_)
    if database is not None:
        _must_exist(connection, "databases", database)
        return [Target("resource", id_, database, id_)]
    everywhere = connection.execute("SELECT id FROM databases ORDER BY id").fetchall()
    return [Target("resource", id_, database, id_) for (database,) in everywhere]


def audience(connection: sqlite3.Connection, target: Target) -> tuple[str, list[str | int | float]]:
    """SQL over the profiles of the target's database, true of those to count; with its parameters.

    Raises BrokenCondition, also where the segment has been deleted since.
    """
    if target.kind != "segment":
        return "1", []
    row = connection.execute("SELECT condition FROM segments WHERE id = ?", (target.id,)).fetchone()
    if row is None:
        raise BrokenCondition(f"segment {target.id} is gone")
    if row[0] is not None:
        return compile_condition(row[0])
    return "EXISTS (SELECT 1 FROM members m WHERE m.segment_id = ? AND m.profile_id = profiles.id)", [target.id]


def _must_exist(connection: sqlite3.Connection, table: str, id_: int) -> None:
    # An integer that sqlite cannot hold is no row's id.
    if -INT64 <= id_ < INT64 and connection.execute(f"SELECT 1 FROM {table} WHERE id = ?", (id_,)).fetchone():
        return
    raise Fault(404, f"no such {table[:-1]}: {id_}")
