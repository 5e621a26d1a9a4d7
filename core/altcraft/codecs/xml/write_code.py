"""Code made for a class of structs, which writes them as XML: a part of `altcraft.codecs.xml.write_fast`."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from keyword import iskeyword
from typing import Any, TypeAlias, cast

import msgspec
from msgspec import NODEFAULT, UNSET
from msgspec import inspect as mi

from altcraft.codecs.per_type import make_ready
from altcraft.codecs.shapes import variants_of
from altcraft.codecs.xml.writer import is_default, is_name, moment_text

__all__ = ["Special", "Write", "write_structs"]

Write: TypeAlias = Callable[[Any, list[str], list[int | None]], str]
"""Takes a value, and gives it in XML. Adds its texts, which stand there as they are, and its counters, for which there
is `%b`, to the lists.
"""


class Special(Exception):
    """A value that takes the whole way."""


def write_structs(type_: type, before: str, after: str, scope: dict[str, Any]) -> Write:
    """What writes the structs of a class, between these tags. The scope has what the code needs of other modules.

    Most structs hold what is declared in every field that is `_INLINE`, and are a single f-string. Otherwise each field
    is made an element by itself. The code is made of Python's identifiers, and of XML's names. A channel's:

        def write(value, texts, counts):
         v0 = value.channel
         v1 = value.counters
         if not (type(v0) is str and type(v1) is dict): return write_one_by_one(value, texts, counts)
         texts.append(v0)
         counts += v1.values(); keys = tuple(v1); v1 = template(keys) or new_template(keys)
         return f'<channels><channel>{v0}</channel><status>{v1}</status></channels>'
    """
    info, fields = _described(type_)
    omits = info.cls.__struct_config__.omit_defaults
    document = elements = before + _tag(info)
    scope |= {"datetime": datetime, "is_default": is_default, "moment_text": moment_text, "UNSET": UNSET}
    scope |= {"tag": info.tag, "fields": fields}
    at_once = one_by_one = "\n texts.append(tag)" if isinstance(info.tag, str) else ""
    reads, checks = "", []
    for number, (field, known) in enumerate(zip(info.fields, fields, strict=True)):
        it, key = f"v{number}", field.encode_name
        if not is_name(key) or not is_name(field.name) or iskeyword(field.name):
            raise Special
        default, factory = (known.default, known.default_factory) if omits else (NODEFAULT, NODEFAULT)
        null = "" if default is None else f"<{key}/>"
        empty = "" if factory is list else f"<{key}/>"
        compares = factory in (dict, set) or not any(default is usual for usual in (None, NODEFAULT, UNSET))
        kind = None if compares or factory is list else _kind(field.type)
        reads += f"\n {it} = value.{field.name}"
        elements += f"{{{it}}}"
        if kind is None:
            document += f"{{{it}}}"
            code = (f"\n if is_default({it}, fields[{number}]): {it} = ''\n el" if compares else "\n ") + _ANY
            code = code.format(it=it, n=number, null=null, empty=empty)
            writers = scope["writers_of"](key)
            scope |= {f"writers{number}": writers, f"known{number}": writers.get}
            at_once += code
            one_by_one += code
        else:
            gather, shown = (part.format(it=it) for part in _INLINE[kind])
            element = f"<{key}>{{{shown}}}</{key}>"
            document += element
            checks.append(f"type({it}) is {kind}")
            at_once += f"\n {gather}"
            one_by_one += _ALONE.format(it=it, key=key, null=null, kind=kind, gather=gather, element=element)
    if checks:
        at_once = f"\n if not ({' and '.join(checks)}): return write_one_by_one(value, texts, counts){at_once}"

    def write_one_by_one(value: Any, texts: list[str], counts: list[int | None]) -> str:
        # When it is first needed, the code takes the place of this.
        exec(f"def write_one_by_one{_TAKES}{reads}{one_by_one}\n return f'{elements}{after}'", scope)  # noqa: S102
        write: Write = scope["write_one_by_one"]
        return write(value, texts, counts)

    scope["write_one_by_one"] = write_one_by_one
    exec(f"def write{_TAKES}{reads}{at_once}\n return f'{document}{after}'", scope)  # noqa: S102  # as dataclasses does it
    write: Write = scope["write"]
    return write


def _described(type_: type) -> tuple[mi.StructType, tuple[msgspec.structs.FieldInfo, ...]]:
    """The class, as msgspec says."""
    if not issubclass(type_, msgspec.Struct):
        raise Special
    make_ready(type_)
    try:
        info = mi.type_info(type_)
    except TypeError as error:  # it has fields that only Python knows of
        raise Special from error
    assert isinstance(info, mi.StructType)
    return info, msgspec.structs.fields(type_)


def _tag(info: mi.StructType) -> str:
    """The element for it."""
    if info.tag_field is None:
        return ""
    if not is_name(info.tag_field):
        raise Special
    return f"<{info.tag_field}>{{tag}}</{info.tag_field}>"


def _kind(info: mi.Type) -> str | None:
    """The only type of values, apart from None, that a field is declared to hold, where these are inline.

    Of a number that may be a float, too, it is int.
    """
    variants = [variant for variant in variants_of(info) if not isinstance(variant, mi.NoneType)]
    kinds = {type(variant) for variant in variants}
    if kinds == {mi.DictType}:
        values = {type(value) for kind in variants for value in variants_of(cast(mi.DictType, kind).value_type)}
        return "dict" if values <= {mi.IntType, mi.NoneType} else None
    if kinds == {mi.IntType, mi.FloatType}:
        return "int"
    return _KINDS.get(kinds.pop()) if len(kinds) == 1 else None


_TAKES = "(value, texts, counts):"

# A field's value is in the variable {it}, which then holds its element, or nothing.

_INLINE = {  # how the value is gathered, and what stands in its element
    "bool": ("", '"true" if {it} else "false"'),
    "datetime": ("", "moment_text({it})"),
    "dict": ("counts += {it}.values(); keys = tuple({it}); {it} = template(keys) or new_template(keys)", "{it}"),
    "int": ("", "{it}"),
    "str": ("texts.append({it})", "{it}"),
}
_ALONE = """
 if type({it}) is {kind}:
  {gather}
  {it} = f'{element}'
 else: {it} = '{null}' if {it} is None else '' if {it} is UNSET else member('{key}', {it}, texts, counts)"""
_ANY = """if type({it}) is list:
  items = []
  for item in {it}:
   write = known{n}(type(item)) or writers{n}[type(item)]
   items.append(write(item, texts, counts))
  {it}, items = ''.join(items) or '{empty}', None
 elif {it} is None: {it} = '{null}'
 elif {it} is UNSET: {it} = ''
 else:
  write = known{n}(type({it})) or writers{n}[type({it})]
  {it} = write({it}, texts, counts)"""
_KINDS: dict[type[mi.Type], str] = {
    mi.BoolType: "bool",
    mi.DateTimeType: "datetime",
    mi.IntType: "int",
    mi.StrType: "str",
}
