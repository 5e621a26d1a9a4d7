"""Strategies for values of any type that msgspec describes, and for structs that users might declare.

For XML the values leave out what the platform's way of writing it can't express. Each exception below is a line of the
table "What a format can't say" in docs/how-to/writing-a-codec.md.
"""

from __future__ import annotations

import datetime as dt
import enum
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID

import msgspec
from hypothesis import strategies as st
from msgspec import UNSET, UnsetType
from msgspec import inspect as mi

from altcraft.schema.fields import STRIPPED
from hostile import Kind, Level

__all__ = ["structs", "values"]

Format = Literal["json", "xml"]

_XML_TEXT = st.text(
    st.one_of(
        st.characters(codec="utf-8", categories=("L", "N", "P", "S", "Z", "M")),
        st.sampled_from("\t\n\r <>&]'\"\x7f\x85\u2028"),
    ),
    max_size=20,
)
_TEXT = {"json": st.text(st.characters(codec="utf-8"), max_size=20), "xml": _XML_TEXT}
_NAMES = {"json": _TEXT["json"], "xml": st.from_regex(r"[A-Za-z_][A-Za-z0-9_.-]{0,10}", fullmatch=True)}
_OFFSETS = st.integers(-14 * 60, 14 * 60).map(lambda minutes: dt.timezone(dt.timedelta(minutes=minutes)))
_MOMENTS = st.datetimes(dt.datetime(2, 1, 1), dt.datetime(9998, 12, 30))  # noqa: DTZ001  # zones are added later
_PLAIN: dict[type[mi.Type], st.SearchStrategy[Any]] = {
    mi.IntType: st.integers(-(2**63), 2**63 - 1),
    mi.FloatType: st.floats(allow_nan=False, allow_infinity=False),
    mi.BoolType: st.booleans(),
    mi.NoneType: st.none(),
    mi.DateType: st.dates(),
    mi.UUIDType: st.uuids(),
    mi.DecimalType: st.decimals(allow_nan=False, allow_infinity=False),
}


def values(type_: object, format_: Format) -> st.SearchStrategy[Any]:
    """Values of that type that survive a round trip in the format."""
    return _values(mi.type_info(type_), format_, 0)  # type: ignore[arg-type]  # any type, generic ones included


def _values(info: mi.Type, format_: Format, depth: int) -> st.SearchStrategy[Any]:
    if isinstance(info, mi.Metadata):
        drawn = _values(info.type, format_, depth)
        return drawn.map(lambda text: text.strip(" \t\r\n")) if (info.extra or {}).get(STRIPPED) else drawn
    if isinstance(info, mi.UnionType):
        return _union(info, format_, depth)
    if isinstance(info, mi.StrType):
        return _TEXT[format_]
    if isinstance(info, mi.AnyType) or (isinstance(info, mi.CustomType) and info.cls is object):
        return st.just("anything")
    if isinstance(info, mi.DateTimeType):
        return _moments(info)
    if isinstance(info, mi.EnumType):
        return st.sampled_from(list(info.cls))
    if isinstance(info, mi.DictType):
        return st.dictionaries(_NAMES[format_], _values(info.value_type, format_, depth + 1), max_size=3)
    if isinstance(info, (mi.ListType, mi.SetType)):
        items = st.lists(_values(info.item_type, format_, depth + 1), max_size=3 if depth < 6 else 1)
        if format_ == "xml":  # an array of one blank item looks like an empty array
            items = items.filter(lambda entries: len(entries) != 1 or not _blank(entries[0]))
        return items if isinstance(info, mi.ListType) else items.map(set)
    if isinstance(info, mi.StructType):
        return _struct(info, format_, depth)
    return _PLAIN[type(info)]


def _moments(info: mi.DateTimeType) -> st.SearchStrategy[dt.datetime]:
    aware = st.builds(lambda moment, zone: moment.replace(tzinfo=zone), _MOMENTS, _OFFSETS)
    return aware if info.tz else _MOMENTS if info.tz is False else aware | _MOMENTS


def _union(info: mi.UnionType, format_: Format, depth: int) -> st.SearchStrategy[Any]:
    parts = info.types
    if depth > 8 and any(isinstance(part, mi.NoneType) for part in parts):
        return st.none()
    drawn = st.one_of(_values(part, format_, depth + 1) for part in parts)
    if format_ == "xml" and any(isinstance(part, mi.NoneType) for part in parts):
        # A blank element is the empty string, array or mapping where one may stand, else None.
        textual = any(isinstance(part, (mi.StrType, mi.ListType, mi.SetType, mi.DictType)) for part in parts)
        drawn = drawn.filter(lambda value: value is not None if textual else value is None or not _blank(value))
    return drawn


def _struct(info: mi.StructType, format_: Format, depth: int) -> st.SearchStrategy[Any]:
    cls = getattr(info.cls, "__origin__", info.cls)  # of a generic type, the struct
    omitted: bool = cls.__struct_config__.omit_defaults
    fields: dict[str, st.SearchStrategy[Any]] = {}
    for field in info.fields:
        drawn = st.deferred(lambda kind=field.type: _values(kind, format_, depth + 1))  # type: ignore[misc]  # bound early
        if format_ == "xml" and not field.required:  # an object without fields reads as the default
            drawn = drawn.filter(lambda value: not (isinstance(value, msgspec.Struct) and _blank(value)))
        if field.default is UNSET or (omitted and field.default is not mi.NODEFAULT):
            drawn |= st.just(field.default)  # not written at all
        fields[field.name] = drawn
    return st.fixed_dictionaries(fields).map(lambda arguments: cls(**arguments))


def _blank(value: object) -> bool:
    """Whether a value is written as an empty element."""
    return value is UNSET or msgspec.to_builtins(value) in (None, "", [], {})


# Structs as users declare them


class _Colour(enum.Enum):
    RED = "red"
    BLUE = "light blue"


_LEAVES = st.sampled_from(
    (str, int, float, bool, dt.datetime, dt.date, UUID, Decimal, _Colour, Kind, Level, int | float, bool | int)
)


@st.composite
def structs(draw: st.DrawFn, depth: int = 0) -> type[msgspec.Struct]:
    """Structs with up to five fields: leaves, nested structs, lists and mappings; some optional, some with defaults."""
    fields: list[tuple[str, Any, Any]] = []
    for number in range(draw(st.integers(1, 5))):
        kind, default = draw(_fields(depth))
        fields.append((f"f{number}", kind, default))
    rename = draw(st.sampled_from((None, "camel", "kebab")))
    omit = draw(st.booleans())
    name = f"Declared{depth}"
    return msgspec.defstruct(name, fields, kw_only=True, rename=rename, omit_defaults=omit)


@st.composite
def _fields(draw: st.DrawFn, depth: int) -> tuple[Any, Any]:
    kind: Any = draw(structs(depth + 1)) if depth < 2 and draw(st.integers(0, 2)) == 0 else draw(_LEAVES)
    shape = draw(st.sampled_from(("plain", "optional", "list", "dict", "dict of lists", "optional list", "unset")))
    if shape == "optional":
        return kind | None, None
    if shape == "list":
        return list[kind], msgspec.field(default_factory=list)
    if shape == "dict":
        return dict[str, kind], draw(st.sampled_from((msgspec.NODEFAULT, msgspec.field(default_factory=dict))))
    if shape == "dict of lists":
        return dict[str, list[kind]], msgspec.NODEFAULT
    if shape == "optional list":
        return list[kind] | None, None
    if shape == "unset":
        return kind | UnsetType, UNSET
    return kind, msgspec.NODEFAULT
