"""Values to XML the way the platform writes it: no attributes, an array as its element repeated, UTF-8."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime

import msgspec

from altcraft.errors import EncodeError

__all__ = ["write"]

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
# What needs escaping, and what XML 1.0 cannot carry at all, in one scan.
_SPECIAL = re.compile("[&<>\r\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#13;"}


def write(root: str, value: object) -> bytes:
    """The value as a document with that root. EncodeError, with the element, for what has no form in XML."""
    parts: list[str] = []
    try:
        _write(root, value, parts.append)
    except RecursionError:
        raise EncodeError("not expressible in XML: nested too deeply, or in itself") from None
    return "".join(parts).encode()


def _write(name: str, value: object, out: Callable[[str], None]) -> None:
    if isinstance(value, msgspec.Struct):
        out(f"<{name}>")
        for key, item in _members(value):
            _write_member(key, item, out)
        out(f"</{name}>")
    elif isinstance(value, Mapping):
        out(f"<{name}>")
        for key, item in value.items():
            _write_member(str(key), item, out)
        out(f"</{name}>")
    elif value is None:
        out(f"<{name}/>")
    else:
        out(f"<{name}>{_leaf(name, value)}</{name}>")


def _write_member(name: str, value: object, out: Callable[[str], None]) -> None:
    if _NAME.fullmatch(name) is None:
        raise EncodeError(f"{name!r} can't be the name of an XML element")
    if not isinstance(value, (list, tuple, set, frozenset)):
        _write(name, value, out)
    elif value:
        for item in value:
            if isinstance(item, (list, tuple, set, frozenset)):
                raise EncodeError(f"<{name}>: an array in an array has no form in this XML")
            _write(name, item, out)
    else:
        out(f"<{name}/>")


def _members(struct: msgspec.Struct) -> list[tuple[str, object]]:
    """The struct's fields under their wire names, without those that are unset or omitted as default."""
    config = struct.__struct_config__
    members: list[tuple[str, object]] = [] if config.tag is None else [(str(config.tag_field), config.tag)]
    for field in msgspec.structs.fields(struct):
        value = getattr(struct, field.name)
        omitted = config.omit_defaults and _is_default(value, field)
        if value is not msgspec.UNSET and not omitted:
            members.append((field.encode_name, value))
    return members


def _is_default(value: object, field: msgspec.structs.FieldInfo) -> bool:
    if field.default is not msgspec.NODEFAULT:
        return value is field.default or (type(value) is type(field.default) and value == field.default)
    return field.default_factory in (list, dict, set) and not value and type(value) is field.default_factory


def _leaf(name: str, value: object) -> str:
    if isinstance(value, str):
        text = value
    elif isinstance(value, bool):
        return "true" if value else "false"
    elif isinstance(value, int):
        return str(int(value))
    elif isinstance(value, datetime):
        text = value.isoformat(timespec="auto" if value.microsecond % 1000 else "milliseconds").replace("+00:00", "Z")
    else:
        try:
            plain = msgspec.to_builtins(value)  # enums, UUIDs, dates, decimals: as in JSON
        except (TypeError, ValueError) as error:
            raise EncodeError(f"<{name}>: not expressible in XML: {error}") from error
        if isinstance(plain, (dict, list)):
            raise EncodeError(f"<{name}>: not expressible in XML: {type(value).__name__}")
        if not isinstance(plain, str):
            return str(plain)
        text = plain
    return _SPECIAL.sub(lambda match: _escape(name, match[0]), text) if _SPECIAL.search(text) else text


def _escape(name: str, character: str) -> str:
    try:
        return _ESCAPES[character]
    except KeyError:
        raise EncodeError(f"<{name}>: XML can't carry the character U+{ord(character):04X}") from None
