"""Writes values as XML the way the platform does: no attributes, an array as its element repeated, UTF-8.

msgspec turns structs, dataclasses, enumerations and all other values into dicts, lists and scalars. One recursive
function turns those into elements. See docs/reference/codecs.md.
"""

from __future__ import annotations

import re
from datetime import datetime
from math import isfinite

import msgspec

from altcraft.codecs.refusals import LONGEST_REASON
from altcraft.errors import EncodeError

__all__ = ["write"]

_is_name = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*").fullmatch
# One scan finds both what must be escaped and what XML 1.0 can't carry.
_SPECIAL = re.compile("[&<>\r\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#13;"}

_json = msgspec.json.Encoder().encode
_names: set[str] = set()  # names of elements that were checked before: to check one takes as long as to write it
_MOST_NAMES, _LONGEST_NAME = 1024, 80

# What msgspec raises for values that have no form, or that are not what their class says.
_REFUSALS = (ArithmeticError, AttributeError, NotImplementedError, TypeError, ValueError)


def write(root: str, value: object) -> bytes:
    """The value as a document with that root element. EncodeError for a value that has no form in XML.

    The error is raised here, since the frames of `_element` hold parts of the value: a request carries the token.
    """
    try:
        return _element(root, msgspec.to_builtins(value, builtin_types=(datetime,), str_keys=True)).encode()
    except RecursionError:
        reason = "nested too deeply, or in itself"
    except _REFUSALS as error:
        reason = str(error)[:LONGEST_REASON]
    raise EncodeError(f"not expressible in XML: {reason}")


def _element(name: str, value: object) -> str:
    """One element. ValueError, with the element's name, for what XML has no form for."""
    if isinstance(value, str):
        return f"<{name}>{value if _SPECIAL.search(value) is None else _escaped(name, value)}</{name}>"
    if type(value) is int:
        return f"<{name}>{value}</{name}>"
    if isinstance(value, dict):
        inside: list[str] = []
        for key, item in value.items():
            if key not in _names:
                _check_name(key)
            if isinstance(item, (list, tuple)):
                inside += [_element(key, entry) for entry in item] or [f"<{key}/>"]
            else:
                inside.append(_element(key, item))
        return f"<{name}>{''.join(inside)}</{name}>"
    if value is None:
        return f"<{name}/>"
    if isinstance(value, bool):
        return f"<{name}>{'true' if value else 'false'}</{name}>"
    if isinstance(value, datetime):
        return f"<{name}>{_moment(value)}</{name}>"
    if isinstance(value, float) and isfinite(value):
        return f"<{name}>{value}</{name}>"
    what = "an array that is not an object's field" if isinstance(value, (list, tuple)) else f"the number {value}"
    raise ValueError(f"<{name[:_LONGEST_NAME]}>: XML as the platform writes it has no form for {what}")


def _check_name(name: str) -> None:
    if _is_name(name) is None:
        raise ValueError(f"{name[:_LONGEST_NAME]!r} can't be the name of an XML element")
    if len(_names) < _MOST_NAMES and len(name) <= _LONGEST_NAME:
        _names.add(name)


def _escaped(name: str, text: str) -> str:
    def escape(match: re.Match[str]) -> str:
        character = match[0]
        if character not in _ESCAPES:
            raise ValueError(f"<{name[:_LONGEST_NAME]}>: XML can't carry the character U+{ord(character):04X}")
        return _ESCAPES[character]

    return _SPECIAL.sub(escape, text)


def _moment(moment: datetime) -> str:
    """RFC 3339, to the millisecond where that is exact, as the platform writes it."""
    text = _json(moment).decode()[1:-1]  # seven times as quick as isoformat()
    if moment.microsecond == 0:
        return f"{text[:19]}.000{text[19:]}"
    return text if moment.microsecond % 1000 else f"{text[:23]}{text[26:]}"
