"""A fault plan's file: TOML, with a `seed` and a table `[[fault]]` for each fault."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterable
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final, Literal, cast, get_args, get_origin

import msgspec
from msgspec.structs import fields

from altcraft_plugins.sandbox.durations import parse_seconds
from altcraft_plugins.sandbox.faults.plan import EXCHANGE_FAULTS, OPERATIONS, TASK_FAULTS, Fault, FaultPlan, Outage

__all__ = ["KINDS", "read_plan"]

FAULTS: Final[tuple[type[Fault], ...]] = (*EXCHANGE_FAULTS, Outage, *TASK_FAULTS)
KINDS: Final[dict[str, type[Fault]]] = {str(fault.__struct_config__.tag): fault for fault in FAULTS}
"""The classes of faults, by their names in a file."""

TYPES: Final = {
    "float": "a number", "int": "a whole number", "str": "a text", "bool": "true or false", "array": "a list",
    "object": "a table", "null": "nothing", "date": "a date", "time": "a time", "datetime": "a time",
    "float | null": "a number", "str | null": "a text", "float | str | null": "a number or a text",
}  # fmt: skip
"""msgspec's names of types, in words."""

DURATIONS: Final = ("seconds", "since", "until")
"""The keys whose values may be texts such as "500ms"."""


def read_plan(path: str | os.PathLike[str]) -> FaultPlan:
    """The plan in a file. Raises ValueError, which names the file, the fault, the key, and what it should be."""
    loads = _toml()
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


def _toml() -> Callable[[str], dict[str, Any]]:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        try:
            import tomli as tomllib  # pyright: ignore[reportMissingImports]  # for Python 3.10 alone
        except ImportError:
            raise ValueError("a fault plan's file needs Python 3.11, or the package tomli: pip install tomli") from None
    return cast("Callable[[str], dict[str, Any]]", tomllib.loads)


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
        raise ValueError(f"{place}: {_in_words(str(error))}") from None


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
    near = get_close_matches(str(name), names, 1)
    hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(names)}"
    raise ValueError(f"no such {what}: {name}; {hint}")


def _in_words(message: str) -> str:
    """msgspec's message for a person: "rate: a number, not a text"."""
    text, _, path = message.partition(" - at `$.")
    for type_, words in TYPES.items():
        text = text.replace(f"`{type_}`", words)
    text = text.replace("Expected ", "").replace(", got ", ", not ")
    if (missing := re.fullmatch("Object missing required field `(.*)`", text)) is not None:
        return f"{missing[1]}: missing"
    return f"{path.rstrip('`')}: {text}" if path else text
