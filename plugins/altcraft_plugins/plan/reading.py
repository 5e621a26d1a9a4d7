"""Reads a plan's file, finds every mistake in it, and expands its lists and ranges."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, TypeVar, cast
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from altcraft.schema import DatabasesRefreshCounters, ResourcesRefreshCounters, SegmentsRefreshCounters
from altcraft_plugins._toml import in_words, loader, suggestion
from altcraft_plugins.plan.lines import Path as KeyPath
from altcraft_plugins.plan.lines import line_of, written
from altcraft_plugins.plan.plan import Limits, Mistake, Plan, PlanConnection, PlanError, Recount
from altcraft_plugins.plan.tables import (
    ConnectionTable,
    Defaults,
    Ids,
    LimitsTable,
    PlanTable,
    RecountTable,
    SectionTable,
)

__all__ = ["parse_plan", "read_plan"]

S = TypeVar("S", bound=Struct)

TARGETS: Final = ("segments", "databases", "resources")
NAME_LENGTH: Final = 200
"""Characters. The name travels as the note of a submission."""
RANGE: Final = 10_000
"""A longer range is taken for a slip of the keyboard."""
VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
RANGE_FORM: Final = re.compile(r"\s*(\d+)\s*-\s*(\d+)\s*", re.ASCII)
SECRETS: Final = ("token", "password", "secret", "api_token", "api_key")


def read_plan(path: str | os.PathLike[str]) -> Plan:
    """The plan in a file. Raises PlanError, with all mistakes, for a file that can't be read or is none."""
    path = Path(path)
    try:
        text = path.read_text("utf-8-sig")
    except OSError as error:
        raise PlanError(path, [Mistake(None, None, f"the plan can't be read: {error.strerror}")]) from None
    except UnicodeDecodeError:
        raise PlanError(path, [Mistake(None, None, "the plan is not text in UTF-8")]) from None
    return parse_plan(text, path)


def parse_plan(text: str, path: str | os.PathLike[str] = "plan.toml") -> Plan:
    """The plan in a text, as that of the file `path`. No I/O."""
    path = Path(path)
    try:
        loads = loader("a plan")
    except ValueError as error:
        raise PlanError(path, [Mistake(None, None, str(error))]) from None
    try:
        document = loads(text)
    except ValueError as error:
        found = re.search(r"\(at line (\d+), column \d+\)", str(error))
        line = int(found[1]) if found else text.count("\n") + 1  # "at end of document"
        raise PlanError(path, [Mistake(line, None, f"no TOML: {error}")]) from None
    reading = _Reading(text, path, loads)
    plan = reading.plan(document)
    if reading.mistakes:
        raise PlanError(path, sorted(reading.mistakes, key=lambda mistake: mistake.line or 0))
    return plan


class _Reading:
    """One file. `mistakes` fills as it is read; what has a mistake is left out."""

    def __init__(self, text: str, path: Path, loads: Callable[[str], dict[str, Any]]) -> None:
        self.mistakes: list[Mistake] = []
        self._text = text
        self._path = path
        self._loads = loads

    def plan(self, document: dict[str, Any]) -> Plan:
        table = self._table(document, PlanTable, ())
        if table is None:
            return Plan(path=self._path, name="", connections={}, recounts=())
        defaults = self._table(table.defaults, Defaults, ("defaults",))
        if defaults is None:  # their mistake is told: what lacks a resource for it has none of its own
            defaults = Defaults(resource=1)
        limits = self._table(table.limits, LimitsTable, ("limits",)) or LimitsTable()
        connections = dict(self._connections(table.connections))
        found: list[tuple[Recount, KeyPath]] = []
        for place, entry in enumerate(table.section):
            found += self._section(entry, ("section", place), defaults, list(table.connections))
        if not table.section:
            self._wrong((), "the plan has no recount: write a [[section]] with [[section.recount]] tables")
        self._check_names(found)
        plan = Plan(
            path=self._path,
            name=table.name or self._path.stem,
            connections=connections,
            recounts=tuple(recount for recount, _ in found),
            limits=Limits(**msgspec.structs.asdict(limits)),
            journal=self._beside(table.journal),
            history=self._beside(table.history),
            report=self._beside(table.report),
            in_doubt=table.in_doubt,
        )
        if not self.mistakes:
            self._check_requests(plan, found)
        return plan

    def _connections(self, tables: dict[str, object]) -> Iterator[tuple[str, PlanConnection]]:
        for name, entry in tables.items():
            path = ("connections", name)
            table = self._table(entry, ConnectionTable, path)
            if table is None:
                continue
            url = urlsplit(table.url)
            if url.scheme.lower() not in ("http", "https", "sandbox") or not (url.netloc or url.scheme == "sandbox"):
                self._wrong((*path, "url"), "write a URL, https://your.host or sandbox:")
            elif url.username is not None or url.password is not None:
                self._wrong((*path, "url"), "no password belongs in a URL of a plan")
            elif url.scheme != "sandbox" and table.token_env is None:
                self._wrong(path, 'name the variable that holds the token: token_env = "ALTCRAFT_TOKEN"')
            if table.token_env is not None and not VARIABLE.fullmatch(table.token_env):
                self._wrong((*path, "token_env"), "write the name of the variable that holds the token, not the token")
            if table.listen is not None and not re.fullmatch(r".+:\d{1,5}", table.listen):
                self._wrong((*path, "listen"), 'write an address and a port, such as "0.0.0.0:8081"')
            yield name, msgspec.convert(msgspec.to_builtins(table), PlanConnection)

    def _section(
        self, entry: object, path: KeyPath, defaults: Defaults, connections: list[str]
    ) -> list[tuple[Recount, KeyPath]]:
        table = self._table(entry, SectionTable, path)
        if table is None:
            recounts = entry.get("recount") if isinstance(entry, dict) else None
            for place, recount in enumerate(recounts if isinstance(recounts, list) else []):
                self._table(recount, RecountTable, (*path, "recount", place))
            return []
        if not table.recount:
            self._wrong(path, "the section has no recount: write [[section.recount]] tables below it")
        found: list[tuple[Recount, KeyPath]] = []
        for place, recount in enumerate(table.recount):
            found += self._recounts(recount, (*path, "recount", place), table, defaults, connections)
        return found

    def _recounts(
        self, entry: object, path: KeyPath, section: SectionTable, defaults: Defaults, connections: list[str]
    ) -> list[tuple[Recount, KeyPath]]:
        table = self._table(entry, RecountTable, path)
        if table is None:
            return []
        given = [target for target in TARGETS if getattr(table, target) is not None]
        if len(given) != 1:
            self._wrong(path, f"{table.name!r} needs one of segments, databases and resources")
            return []
        (target,) = given
        resource = _first(table.resource, section.resource, defaults.resource)
        database = _first(table.database, section.database, defaults.database)
        if target == "databases" and table.database is not None:
            self._wrong((*path, "database"), "a recount of databases takes none: databases says which are recounted")
        if target == "resources" and table.resource is not None:
            self._wrong((*path, "resource"), "a recount of resources takes none: resources says which are recounted")
        if target != "resources" and resource is None:
            self._wrong(path, f"{table.name!r} needs a resource, its own, its section's or that of [defaults]")
            return []
        connection = self._connection(
            _first(table.connection, section.connection, defaults.connection), connections, path, table
        )
        ids = list(self._ids(getattr(table, target), (*path, target)))
        alert_drop = _first(table.alert_drop, section.alert_drop, defaults.alert_drop)
        return [
            (
                Recount(
                    name=_expanded(table.name, id, several=len(ids) > 1),
                    entry=table.name,
                    section=section.name,
                    connection=connection,
                    request=_request(target, id, resource or 0, database),
                    alert_drop=alert_drop,
                ),
                path,
            )
            for id in ids
        ]

    def _connection(self, name: str | None, known: list[str], path: KeyPath, table: RecountTable) -> str | None:
        if name is None:
            if len(known) > 1:
                self._wrong(path, f"{table.name!r} needs a connection: {' or '.join(known)}")
            return known[0] if known else None
        if name not in known:
            place = (*path, "connection") if table.connection is not None else path
            hint = suggestion(name, known) if known else "the plan has no [connections]"
            self._wrong(place, f"no such connection: {name}; {hint}")
        return name

    def _ids(self, given: Ids, path: KeyPath) -> Iterator[int]:
        entries = given if isinstance(given, list) else [given]
        if not entries:
            self._wrong(path, "the list is empty")
        for place, entry in enumerate(entries):
            here = (*path, place) if isinstance(given, list) else path
            if isinstance(entry, int):
                if entry < 1:
                    self._wrong(here, f"an id is a whole number from 1, not {entry}")
                yield entry
            elif (match := RANGE_FORM.fullmatch(entry)) is None:
                self._wrong(here, f'write an id, or a range such as "20-25", not {entry!r}')
            elif not 0 <= int(match[2]) - int(match[1]) < RANGE or int(match[1]) < 1:
                self._wrong(here, f"a range goes from a smaller id to a larger, of {RANGE:,} at most, not {entry!r}")
            else:
                yield from range(int(match[1]), int(match[2]) + 1)

    def _check_names(self, found: list[tuple[Recount, KeyPath]]) -> None:
        times = Counter(recount.name for recount, _ in found)
        for recount, path in found:
            if times.pop(recount.name, 0) > 1:
                self._wrong((*path, "name"), f"the plan has the name {recount.name!r} more than once")
            if not 1 <= len(recount.name) <= NAME_LENGTH or not recount.name.isprintable():
                self._wrong((*path, "name"), f"a name is 1 to {NAME_LENGTH} printable characters")

    def _check_requests(self, plan: Plan, found: list[tuple[Recount, KeyPath]]) -> None:
        names: dict[str, str] = {}
        for recount, path in found:
            other = names.setdefault(plan.key(recount), recount.name)
            if other != recount.name:
                self._wrong(path, f"{recount.name!r} and {other!r} are the same recount")

    def _table(self, entry: object, kind: type[S], path: KeyPath) -> S | None:
        """One table, or None where it has a mistake."""
        if not isinstance(entry, dict):
            self._wrong(path, f"a table, not {entry!r}")
            return None
        table = cast("dict[str, object]", entry)
        known = kind.__struct_fields__
        before = len(self.mistakes)
        for key in table:
            if key.lower() in SECRETS:
                self._wrong(
                    (*path, key), 'no token belongs in a plan: name the variable that holds it, token_env = "NAME"'
                )
            elif key not in known:
                self._wrong((*path, key), f"unknown key; {suggestion(key, known)}")
        for key in known:  # each on its own, so that every mistake is found
            if key in table:
                try:
                    msgspec.convert({key: table[key]}, _alone(kind, key))
                except msgspec.ValidationError as error:
                    self._wrong_value((*path, key), str(error))
        if len(self.mistakes) > before:
            return None
        try:
            return msgspec.convert(table, kind)
        except msgspec.ValidationError as error:  # a key is missing
            self._wrong(path, in_words(str(error)))
            return None

    def _wrong_value(self, path: KeyPath, message: str) -> None:
        text = in_words(message)
        _, _, told = text.rpartition(": ")
        self._wrong(path, told)

    def _wrong(self, path: KeyPath, text: str) -> None:
        line = line_of(self._text, path, self._loads) if path else None
        self.mistakes.append(Mistake(line, written(path) or None, text))

    def _beside(self, name: str | None) -> Path | None:
        return None if name is None else self._path.parent / name


def _alone(kind: type[Struct], key: str) -> type[Struct]:
    """A struct with that one field of `kind`."""
    (field,) = (field for field in msgspec.structs.fields(kind) if field.name == key)
    return msgspec.defstruct("Alone", [(key, field.type)])


def _first(*values: Any) -> Any:
    return next((value for value in values if value is not None), None)


def _expanded(name: str, id: int, *, several: bool) -> str:
    if "{id}" in name:
        return name.replace("{id}", str(id))
    return f"{name} {id}" if several else name


def _request(target: str, id: int, resource: int, database: int | None) -> Any:
    if target == "segments":
        return SegmentsRefreshCounters(id, resource, database)
    if target == "databases":
        return DatabasesRefreshCounters(id, resource)
    return ResourcesRefreshCounters(id, database)
