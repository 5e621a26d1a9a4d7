"""Values to XML the way the platform writes it: no attributes, an array as its element repeated, UTF-8.

What is usual goes the short way of `altcraft.codecs.xml.write_fast`. This is the whole way, for any value, and for the
errors: escapes, enums, subclasses, names that are none.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from enum import Enum
from functools import lru_cache
from math import isfinite
from typing import Any

import msgspec

from altcraft.errors import EncodeError

__all__ = ["BROKEN", "ROOT", "is_default", "is_name", "moment_text", "write"]

ROOT = "xml"

is_name: Callable[[str], object] = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*").fullmatch
# What needs escaping, and what XML 1.0 cannot carry at all, in one scan.
_SPECIAL = re.compile("[&<>\r\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_json = msgspec.json.Encoder().encode
_fields = lru_cache(1024)(msgspec.structs.fields)  # by class; it takes as long as writing thirty fields
BROKEN = (ArithmeticError, AttributeError, NameError, NotImplementedError, TypeError, ValueError)
"""What values raise that are not what their class says: fields without a value, types that don't resolve."""

_LEAVES = {bool, datetime, float, int, str}
_ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#13;"}


def write(root: str, value: object) -> bytes:
    """The value as a document with that root. EncodeError, with the element, for what has no form in XML."""
    parts: list[str] = []
    try:
        _write(root, value, parts.append)
    except RecursionError:
        raise EncodeError("not expressible in XML: nested too deeply, or in itself") from None
    except EncodeError:
        raise
    except BROKEN as error:
        raise EncodeError(f"not expressible in XML: {error!r}") from error
    return "".join(parts).encode()


def _write(name: str, value: object, out: Callable[[str], None]) -> None:
    if type(value) in _LEAVES:  # to ask whether it is a mapping takes far longer
        out(f"<{name}>{_leaf(name, value)}</{name}>")
    elif isinstance(value, msgspec.Struct):
        out(f"<{name}>")
        for key, item in _members(value):
            _write_member(key, item, out)
        out(f"</{name}>")
    elif isinstance(value, Mapping):
        out(f"<{name}>")
        for key, item in value.items():
            _write_member(str.__str__(key) if isinstance(key, str) else _key(name, key), item, out)
        out(f"</{name}>")
    elif value is None:
        out(f"<{name}/>")
    elif (names := _names(value)) is not None:
        out(f"<{name}>")
        for key in names:
            if (item := getattr(value, key)) is not msgspec.UNSET:
                _write_member(key, item, out)
        out(f"</{name}>")
    else:
        out(f"<{name}>{_leaf(name, value)}</{name}>")


def _write_member(name: str, value: object, out: Callable[[str], None]) -> None:
    if is_name(name) is None:
        raise EncodeError(f"{name[:80]!r} can't be the name of an XML element")
    if not isinstance(value, (list, tuple, set, frozenset)):
        _write(name, value, out)
    elif value:
        for item in value:
            if isinstance(item, (list, tuple, set, frozenset)):
                raise EncodeError(f"<{name[:80]}>: an array in an array has no form in this XML")
            _write(name, item, out)
    else:
        out(f"<{name}/>")


def _members(struct: msgspec.Struct) -> list[tuple[str, object]]:
    """The struct's fields under their wire names, without those that are unset or omitted as default."""
    config = struct.__struct_config__
    members: list[tuple[str, object]] = [] if config.tag is None else [(str(config.tag_field), config.tag)]
    for field in _fields(type(struct)):
        value = getattr(struct, field.name)
        omitted = config.omit_defaults and is_default(value, field)
        if value is not msgspec.UNSET and not omitted:
            members.append((field.encode_name, value))
    return members


def _names(value: object) -> list[str] | None:
    """The fields of a dataclass, or those of an attrs class that have no underscore before them, as in JSON."""
    type_ = type(value)
    if isinstance(value, Enum):
        return None
    if hasattr(type_, "__dataclass_fields__"):
        from dataclasses import fields  # takes a while to import, and is hardly ever needed

        return [field.name for field in fields(value)]  # type: ignore[arg-type]  # it is a dataclass
    attributes = getattr(type_, "__attrs_attrs__", None)
    return None if attributes is None else [field.name for field in attributes if not field.name.startswith("_")]


def _key(name: str, key: object) -> str:
    """The text of a key that is none, as in JSON."""
    (text,) = _plain(name, {key: None})
    return str(text)


def is_default(value: object, field: msgspec.structs.FieldInfo) -> bool:
    """Whether a field holds its default, so that a struct with `omit_defaults` leaves it out."""
    if field.default is not msgspec.NODEFAULT:
        return value is field.default or (type(value) is type(field.default) and value == field.default)
    return field.default_factory in (list, dict, set) and not value and type(value) is field.default_factory


def moment_text(moment: datetime) -> str:
    """RFC 3339, to the millisecond where that is exact, as the platform writes it."""
    text = _json(moment).decode()  # in quotes; seven times as quick as isoformat()
    if '000Z"' in text:  # to the millisecond, and in UTC
        return text[1:24] + "Z"
    microsecond = moment.microsecond
    if not microsecond:
        return f"{text[1:20]}.000{text[20:-1]}"
    return text[1:-1] if microsecond % 1000 else f"{text[1:24]}{text[27:-1]}"


def _leaf(name: str, value: object) -> str:
    if isinstance(value, str):
        text = str.__str__(value)  # of a member of an enumeration, too
        return _SPECIAL.sub(lambda match: _escape(name, match[0]), text) if _SPECIAL.search(text) else text
    if isinstance(value, bool):
        return "true" if value else "false"
    try:
        if isinstance(value, datetime):
            return moment_text(value)
        if isinstance(value, int):
            return str(int(value))
        if isinstance(value, float):
            if isfinite(value):
                return str(float(value))
            raise ValueError("no number")
    except (TypeError, ValueError) as error:  # a moment of a class of its own is one that msgspec does not write
        raise _refused(name, error) from error
    plain = _plain(name, value)  # enums, UUIDs, dates, decimals: as in JSON
    if type(plain) not in (str, int, float, bool):
        raise _refused(name, f"a value of type {type(value).__name__}")
    return _leaf(name, plain)


def _plain(name: str, value: object) -> Any:
    """What msgspec makes of a value for any format."""
    try:
        return msgspec.to_builtins(value, str_keys=True)
    except (TypeError, ValueError, OverflowError) as error:
        raise _refused(name, error) from error


def _refused(name: str, reason: object) -> EncodeError:
    return EncodeError(f"<{name[:80]}>: not expressible in XML: {reason}")


def _escape(name: str, character: str) -> str:
    try:
        return _ESCAPES[character]
    except KeyError:
        raise EncodeError(f"<{name[:80]}>: XML can't carry the character U+{ord(character):04X}") from None
