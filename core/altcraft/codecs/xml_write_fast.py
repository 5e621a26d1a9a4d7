"""The short way of writing XML: structs as code made for their class, mappings as templates made for their keys.

Plain values go straight into the document. Their texts are kept, too, and one look at all of them says at the end
whether any holds a character that must be escaped, or that XML does not have. Then, and for whatever is not a plain
value, there is None instead of a document: `altcraft.codecs.xml_write` writes it, or says what is wrong with it.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeAlias

import msgspec
from msgspec import inspect as mi

from altcraft.codecs.ready import make_ready
from altcraft.codecs.xml_shape import variants_of
from altcraft.codecs.xml_write import is_default, is_name, moment_text

__all__ = ["write_plain"]

Write: TypeAlias = Callable[[str, Any, list[str]], str]
"""Takes the name of an element and its value, gives the element, and adds the value's texts to the list."""

_KEPT = 1024  # classes of structs, and sets of keys, that are remembered

_json = msgspec.json.Encoder().encode


class _Special(Exception):
    """A value that takes the whole way."""


def write_plain(root: str, value: object) -> bytes | None:
    """The document, or None where the value takes the whole way."""
    texts: list[str] = []
    try:
        document = _WRITERS[type(value)](root, value, texts)
    except (_Special, TypeError, ValueError, OverflowError, RecursionError):  # msgspec's of integers too long, say
        return None
    text = "".join(texts)
    # Nothing that XML can't carry is printable; nor are some that it can, which then take the whole way. Letters and
    # digits alone, as tokens are, need but one look.
    if text.isalnum() or (text.isprintable() and "&" not in text and "<" not in text and ">" not in text):
        return document.encode()
    return None


def _member(name: str, value: object, texts: list[str]) -> str:
    """What a field becomes: an element, one for each item of an array, or nothing for what is unset."""
    if type(value) is list:
        if not value:
            return f"<{name}/>"
        return "".join([_WRITERS[type(item)](name, item, texts) for item in value])
    if value is msgspec.UNSET:
        return ""
    return _WRITERS[type(value)](name, value, texts)


def _mapping(name: str, value: dict[str, object], texts: list[str]) -> str:
    """All at once where all the values are natural numbers, as counters are: msgspec is the quickest to print them."""
    keys = (name, *value)
    template = _templates.get(keys)
    if template is None:
        if not all(type(key) is str and is_name(key) for key in value):
            raise _Special
        entries = "".join(f"<{key}>%b</{key}>" for key in value)
        template = f"<{name}>{entries}</{name}>".encode()
        _remember(_templates, keys, template)
    numbers = _json([*value.values()])[1:-1]
    if numbers.replace(b",", b"").isdigit():  # nothing else is printed as digits alone
        return (template % (*numbers.split(b","),)).decode()
    return f"<{name}>{''.join([_member(key, item, texts) for key, item in value.items()])}</{name}>"


def _text(name: str, value: str, texts: list[str]) -> str:
    texts.append(value)
    return f"<{name}>{value}</{name}>"


def _float(name: str, value: float, texts: list[str]) -> str:
    if value - value:  # NaN and the infinities
        raise _Special
    return f"<{name}>{value}</{name}>"


class _Writers(dict[type, Write]):
    def __missing__(self, type_: type) -> Write:
        write = _writer(type_)
        _remember(self, type_, write)
        return write


def _writer(type_: type) -> Write:
    """What writes the structs of a class that was not met before."""
    if not issubclass(type_, msgspec.Struct):
        raise _Special
    make_ready(type_)
    try:
        info = mi.type_info(type_)
    except TypeError as error:  # it has fields that only Python knows of
        raise _Special from error
    assert isinstance(info, mi.StructType)
    return _compile(type_, info)


def _compile(type_: type[msgspec.Struct], info: mi.StructType) -> Write:
    """Code for a class of structs: each field is asked whether it holds what it is declared to hold, and put in place.

    It is made of what the class says of itself: of Python's identifiers, and of XML's names.
    """
    scope: dict[str, Any] = {
        "_is_default": is_default,
        "_member": _member,
        "_moment_text": moment_text,
        "datetime": datetime,
    }
    lines = ["def write(name, value, texts):"]
    document = _tag(info)
    for number, (field, known) in enumerate(zip(info.fields, msgspec.structs.fields(type_), strict=True)):
        it, key = f"v{number}", field.encode_name
        if not is_name(key):
            raise _Special
        omits = type_.__struct_config__.omit_defaults and not field.required
        null = "" if omits and field.default is None else f"<{key}/>"
        otherwise = f"{it} = '{null}' if {it} is None else _member('{key}', {it}, texts)"
        kind = _kind(field.type)
        lines.append(f"{it} = value.{field.name}")
        if omits and field.default is not None:
            scope[f"_field{number}"] = known
            lines.append(f"{it} = '' if _is_default({it}, _field{number}) else _member('{key}', {it}, texts)")
        elif kind is None:
            lines.append(otherwise)
        else:
            shown = _SHOWN.get(kind, "{}").replace("{}", it)
            lines.append(f"if type({it}) is {kind}:")
            if kind == "str":
                lines.append(f" texts.append({it})")
            lines.append(f" {it} = f'<{key}>{{{shown}}}</{key}>'")
            lines.append(f"else: {otherwise}")
        document += f"{{{it}}}"
    lines.append(f'return f"<{{name}}>{document}</{{name}}>"')
    exec("\n ".join(lines), scope)  # noqa: S102  # as dataclasses does it
    write: Write = scope["write"]
    return write


def _tag(info: mi.StructType) -> str:
    if info.tag_field is None:
        return ""
    element = write_plain(info.tag_field, info.tag)
    if element is None or not is_name(info.tag_field):
        raise _Special
    return element.decode().replace("{", "{{").replace("}", "}}").replace("\\", "\\\\").replace('"', '\\"')


def _kind(info: mi.Type) -> str | None:
    """The name of the only type, apart from None, that a field may hold and that is written in place."""
    kinds = {type(variant) for variant in variants_of(info)} - {mi.NoneType}
    return _KINDS.get(kinds.pop()) if len(kinds) == 1 else None


def _remember(table: dict[Any, Any], key: object, value: object) -> None:
    if len(table) < _KEPT:
        table[key] = value


_KINDS: dict[type[mi.Type], str] = {
    mi.BoolType: "bool",
    mi.DateTimeType: "datetime",
    mi.IntType: "int",
    mi.StrType: "str",
}
_SHOWN = {"bool": '"true" if {} else "false"', "datetime": "_moment_text({})"}
_templates: dict[tuple[str, ...], bytes] = {}
_WRITERS = _Writers(
    {
        str: _text,
        int: lambda name, value, _: f"<{name}>{value}</{name}>",
        float: _float,
        bool: lambda name, value, _: f"<{name}>true</{name}>" if value else f"<{name}>false</{name}>",
        type(None): lambda name, value, _: f"<{name}/>",
        datetime: lambda name, value, _: f"<{name}>{moment_text(value)}</{name}>",
        dict: _mapping,
    }
)
