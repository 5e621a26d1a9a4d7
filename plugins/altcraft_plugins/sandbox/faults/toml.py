"""A fault plan's file: TOML, with a `seed` and a table `[[fault]]` for each fault."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final, Literal, cast, get_args, get_origin

import msgspec
from msgspec.structs import fields

from altcraft_plugins._toml import in_words, loader, suggestion
from altcraft_plugins.sandbox.durations import parse_seconds
from altcraft_plugins.sandbox.faults.plan import EXCHANGE_FAULTS, OPERATIONS, TASK_FAULTS, Fault, FaultPlan, Outage

__all__ = ["KINDS", "read_plan"]

FAULTS: Final[tuple[type[Fault], ...]] = (*EXCHANGE_FAULTS, Outage, *TASK_FAULTS)
KINDS: Final[dict[str, type[Fault]]] = {str(fault.__struct_config__.tag): fault for fault in FAULTS}
"""The classes of faults, by their names in a file."""

DURATIONS: Final = ("seconds", "since", "until")
"""The keys whose values may be texts such as "500ms"."""


def read_plan(path: str | os.PathLike[str]) -> FaultPlan:
    """The plan in a file. Raises ValueError, which names the file, the fault, the key, and what it should be."""
    loads = loader("a fault plan's file")
    try:
        document = loads(Path(path).read_text("utf-8"))
    except OSError as error:
        raise ValueError(f"{path}: the fault plan can't be read: {error.strerror}") from None
    except ValueError as error:
        raise ValueError(f"{path}: not TOML: {error}") from None
    try:
        return _plan(document)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def _plan(document: dict[str, object]) -> FaultPlan:
    for key in document:
        _require(key, ("seed", "fault"), "key")
    seed, tables = document.get("seed", 0), document.get("fault", [])
    if not isinstance(seed, int) or isinstance(seed, bool):
        raise ValueError(f"seed: a whole number, not {seed!r}")
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise ValueError("fault: write each fault as a table of its own, [[fault]]")
    return FaultPlan(tuple(_fault(n, table) for n, table in enumerate(cast("list[dict[str, Any]]", tables), 1)), seed)


def _fault(number: int, table: dict[str, Any]) -> Fault:
    """One fault. Raises ValueError."""
    if "kind" not in table:
        raise ValueError(f"fault {number}: kind: missing; it is one of {', '.join(KINDS)}")
    try:
        kind = _require(table["kind"], KINDS, "kind")
        place = f"fault {number} ({kind})"
        for key in table:
            _require(key, ("kind", *KINDS[kind].__struct_fields__), "key")
        values = {key: _value(kind, key, value) for key, value in table.items()}
    except ValueError as error:
        raise ValueError(f"fault {number}: {error}") from None
    try:
        return msgspec.convert(values, KINDS[kind])
    except msgspec.ValidationError as error:
        raise ValueError(f"{place}: {in_words(str(error))}") from None


def _value(kind: str, key: str, value: object) -> object:
    """The value of a key, with durations in seconds. Raises ValueError where it is none of the key's words."""
    if key in DURATIONS and isinstance(value, str):
        try:
            return parse_seconds(value)
        except ValueError as error:
            raise ValueError(f"{key}: {error}") from None
    words = {field.name: get_args(field.type) for field in fields(KINDS[kind]) if get_origin(field.type) is Literal}
    if key in words:
        return _require(value, words[key], key)
    if key == "operations" and isinstance(value, list):
        for name in value:
            if isinstance(name, str) and "*" not in name:
                _require(name, OPERATIONS, "operation")
    return value


def _require(name: object, known: Iterable[str], what: str) -> str:
    """The name, if it is known. Raises ValueError with the nearest one that is."""
    names = list(known)
    if isinstance(name, str) and name in names:
        return name
    raise ValueError(f"no such {what}: {name}; {suggestion(name, names)}")
