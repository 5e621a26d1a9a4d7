"""Teaches the sandbox profiles/get_all, and to hand out the files. Imported by the sandbox alone.

The sandbox exports databases and static segments, as CSV. A file exists for as long as its database or segment does.
"""

from __future__ import annotations

import csv
import io
import re

from altcraft_plugins.sandbox import File, MethodRegistry, Parameters, Platform, Refusal

__all__ = ["teach"]

FILES = "/api/download/data/"
COLUMNS = ("id", "email", "country", "age", "registered")
ROWS = {
    "database": "SELECT id, email, country, age, registered FROM profiles WHERE database_id = ? ORDER BY id",
    "segment": "SELECT id, email, country, age, registered FROM profiles JOIN members ON profile_id = id"
    " WHERE segment_id = ? ORDER BY id",
}
SOURCES = {
    "database": "SELECT count(*) FROM databases WHERE id = ?",
    "segment": "SELECT count(*) FROM segments WHERE id = ? AND condition IS NULL",
}


class GetAll(Parameters, kw_only=True):
    """The parameters of profiles/get_all."""

    source_type: str
    source_id: int
    file_format: str = "csv"
    custom_request: dict[str, object] | None = None


def teach(methods: MethodRegistry) -> None:
    """Registers the method and its files."""
    methods.register("profiles/get_all", GetAll, get_all)
    methods.serve(FILES, exported)


def get_all(asked: GetAll, platform: Platform) -> object:
    """Starts a task that ends with the path of a file."""
    if asked.source_type not in SOURCES:
        raise Refusal(400, "source_type is database or segment")
    if asked.file_format.lower() != "csv":
        raise Refusal(400, "the sandbox writes csv")
    rows = _rows(platform, asked.source_type, asked.source_id)
    if rows is None:
        raise Refusal(404, f"no such {asked.source_type}, or a dynamic segment: {asked.source_id}")
    name = f"{asked.source_id}_{asked.source_type}_export.csv"
    result: dict[str, object] = {
        "errors": [],
        "source_id": asked.source_id,
        "total": len(rows),
        "type": asked.source_type,
        "urls": [f"{FILES}4cf4/{name}"],
    }
    return platform.start(asked, result)


def exported(path: str, platform: Platform) -> File | None:
    """The file at such a path."""
    named = re.fullmatch(FILES + r"4cf4/(\d{1,18})_(database|segment)_export\.csv", path, re.ASCII)
    rows = _rows(platform, named[2], int(named[1])) if named else None
    if rows is None:
        return None
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    writer.writerows(rows)
    return File(text.getvalue().encode(), "text/csv; charset=utf-8")


def _rows(platform: Platform, source: str, id_: int) -> list[tuple[object, ...]] | None:
    """The profiles of a source. None where there is no such source."""
    if not 0 <= id_ < 2**63:
        return None
    with platform.rows() as connection:
        (exists,) = connection.execute(SOURCES[source], (id_,)).fetchone()
        return connection.execute(ROWS[source], (id_,)).fetchall() if exists else None
