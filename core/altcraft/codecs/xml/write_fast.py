"""The short way of writing XML: structs by code made for their class, counters by templates made for their names.

Plain values go straight into the document. Their texts are gathered, too, and one look at all of them says at the end
whether any holds a character that must be escaped, or that XML does not have. Counters leave places in the document,
and all of them are printed at once. Where one of these is not plain, and for any other value that is not, there is None
instead of a document: `altcraft.codecs.xml.writer` writes it, or says what is wrong with it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import msgspec

from altcraft.codecs.xml.write_code import Special, Write, write_structs
from altcraft.codecs.xml.writer import BROKEN, ROOT, is_name, moment_text

__all__ = ["write_plain"]

_KEPT = 1024  # types of values, names of elements, and sets of keys, that are remembered
_MOST_KEYS = 100  # in a set that is remembered
_PORTION = 1 << 14  # characters
_PERCENT = ord("%")

# To translate by: what is plain stays what it is, and all else becomes FF, which is nowhere in UTF-8.
# U+FFFE and U+FFFF, which XML does not have, are among the characters that begin with EF.
_PLAIN = bytes(0xFF if code in b"&<>\xef" or (code < 0x20 and code not in b"\t\n") else code for code in range(0x100))
_INTEGERS = bytes(code if code in b"0123456789-\n" else 0xFF for code in range(0x100))

_lines = msgspec.json.Encoder().encode_lines
_shorten = re.compile(rb">\0</[^>]+>").sub


def write_plain(value: object) -> bytes | None:
    """The document, or None where the value takes the whole way."""
    texts: list[str] = []
    counts: list[int | None] = []
    try:
        document = _documents[type(value)](value, texts, counts)
        plain = "".join(texts).encode()
        if plain.translate(_PLAIN) != plain:
            return None
        if not counts:
            return document.encode()
        if _PERCENT in plain:  # as itself
            if b"%b" in plain:
                return None
            document = document.replace("%", "%%").replace("%%b", "%b")
        if len(document) < _PORTION:
            return _counted(document, counts)
        portions = _portions(document, counts)
        del document  # for the memory
        return b"".join(portions)
    except (Special, RecursionError, *BROKEN):  # msgspec's of integers too long, say
        return None


def _counted(document: str, counts: list[int | None]) -> bytes:
    """The document with its counters in their places. msgspec is the quickest to print them, one a line.

    TypeError where there are not as many lines: msgspec.Raw may hold more than a number, or nothing.
    """
    printed = _lines(counts)
    if printed.translate(_INTEGERS) == printed:
        return document.encode() % tuple(printed.split())
    kinds = {*map(type, counts)}
    if not kinds <= _COUNTABLE:
        raise Special
    shown = printed.replace(b"null", b"\0").split()
    if float in kinds:  # of which Python has a spelling of its own
        shown = [
            _float(count).encode() if type(count) is float else text for count, text in zip(counts, shown, strict=True)
        ]
    return _shorten(b"/>", document.encode() % tuple(shown))


def _portions(document: str, counts: list[int | None]) -> Iterator[bytes]:
    """The same bit by bit, for a long document."""
    start = done = 0
    while start < len(document):
        end = document.find(">%b", start + _PORTION)
        portion = document[start : end if end > 0 else None]
        places = portion.count("%b")
        yield _counted(portion, counts[done : done + places])
        start += len(portion)
        done += places


class _Writers(dict[type, Write]):
    """What writes values as elements of a name, by their type; without a name, as what stands in an element."""

    def __init__(self, name: str = "") -> None:
        self._before, self._after = (f"<{name}>", f"</{name}>") if name else ("", "")

    def __missing__(self, type_: type) -> Write:
        if sum(map(len, _tables())) >= _KEPT:
            _forget()
        self[type_] = write = self._made(type_)
        return write

    def _made(self, type_: type) -> Write:
        before, after = self._before, self._after
        content = _CONTENTS.get(type_)
        if content is None:
            try:
                return write_structs(type_, before, after, {**_SCOPE})
            except (Special, *BROKEN):
                return _refuse
        if not before:
            return content
        return lambda value, texts, counts: f"{before}{content(value, texts, counts)}{after}"


def _writers_of(name: str) -> _Writers:
    """Those of all fields of a name: a struct may contain others of its class."""
    if len(_writers) >= _KEPT:
        _forget()
    return _writers.setdefault(name, _Writers(name))


def _tables() -> list[_Writers]:
    return [_documents, _contents, *_writers.values()]


def _forget() -> None:
    """Makes room when there are too many: what is needed is made again."""
    for writers in _tables():
        writers.clear()
    _writers.clear()


def _member(name: str, value: object, texts: list[str], counts: list[int | None]) -> str:
    """What an entry of a mapping becomes, or a field that does not hold what it is declared to hold."""
    if value is None:
        return f"<{name}/>"
    if type(value) is list:
        items = [_contents[type(item)](item, texts, counts) for item in value]
        return f"<{name}>{f'</{name}><{name}>'.join(items)}</{name}>" if items else f"<{name}/>"
    return f"<{name}>{_contents[type(value)](value, texts, counts)}</{name}>"


def _mapping(value: dict[str, object], texts: list[str], counts: list[int | None]) -> str:
    keys = tuple(value)
    template = _templates.get(keys) or _new_template(keys)
    if {*map(type, value.values())} <= _COUNTABLE:
        counts += value.values()  # type: ignore[arg-type]
        return template
    if {str, *map(type, keys)} != {str}:  # equal to the keys of a template, but not written alike
        raise Special
    return "".join([_member(key, item, texts, counts) for key, item in value.items()])


def _new_template(keys: tuple[str, ...]) -> str:
    """An element for each key, and in it a place for a counter."""
    if not all(type(key) is str and is_name(key) for key in keys):
        raise Special
    template = "".join([f"<{key}>%b</{key}>" for key in keys])
    if len(keys) <= _MOST_KEYS:
        if len(_templates) >= _KEPT:
            _templates.clear()
        _templates[keys] = template
    return template


def _refuse(value: object, _: object, __: object) -> str:
    """Writes the values of a class that always takes the whole way."""
    raise Special


def _text(value: str, texts: list[str], _: object) -> str:
    texts.append(value)
    return value


def _float(value: float, _: object = None, __: object = None) -> str:
    if value - value:  # NaN and the infinities
        raise Special
    return str(value)


_templates: dict[tuple[str, ...], str] = {}
_writers: dict[str, _Writers] = {}
_documents = _Writers(ROOT)
_contents = _Writers()
_COUNTABLE = {bool, float, int, type(None)}
_CONTENTS: dict[type, Write] = {
    bool: lambda value, _, __: "true" if value else "false",
    datetime: lambda value, _, __: moment_text(value),
    dict: _mapping,
    float: _float,
    int: lambda value, _, __: str(value),
    str: _text,
}
_SCOPE: dict[str, Any] = {
    "member": _member,
    "new_template": _new_template,
    "template": _templates.get,
    "writers_of": _writers_of,
}
