"""Tells which types msgspec can make out of a document, before a document is there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from msgspec import UnsetType
from msgspec import inspect as mi

__all__ = ["check_readable"]

# What documents are made of. msgspec takes a class that it does not know for a mere check: `isinstance(value, cls)`.
_MADE_OF = (str, int, float, bool, type(None), dict, list)


def check_readable(type_: Any) -> None:
    """TypeError, with the place in the type, for one that no document can be read as."""
    try:
        info = mi.type_info(type_)
    except NameError as error:
        raise TypeError(f"{_name(type_)}: an annotation does not resolve: {error}") from None
    for place, cls in _unknown(info, "", set()):
        raise TypeError(
            f"{place or _name(type_)}: msgspec can't make a {_name(cls)}: declare a msgspec.Struct, a dataclass or a "
            f"TypedDict instead"
        )


def _unknown(info: mi.Type, place: str, seen: set[int]) -> Iterator[tuple[str, type]]:
    """The classes that msgspec does not know, and that no part of a document is an instance of."""
    if id(info) in seen:  # an object that contains its own kind
        return
    seen.add(id(info))
    if isinstance(info, mi.CustomType):
        if info.cls is not UnsetType and not any(issubclass(part, info.cls) for part in _MADE_OF):
            yield place, info.cls
    elif isinstance(info, mi.Metadata):
        yield from _unknown(info.type, place, seen)
    elif isinstance(info, mi.UnionType):
        for part in info.types:
            yield from _unknown(part, place, seen)
    elif isinstance(info, mi.DictType):
        yield from _unknown(info.key_type, place, seen)
        yield from _unknown(info.value_type, place, seen)
    elif isinstance(info, mi.CollectionType):
        yield from _unknown(info.item_type, place, seen)
    elif isinstance(info, mi.TupleType):
        for part in info.item_types:
            yield from _unknown(part, place, seen)
    elif isinstance(info, (mi.StructType, mi.TypedDictType, mi.DataclassType, mi.NamedTupleType)):
        for field in info.fields:
            yield from _unknown(field.type, f"{_name(info.cls)}.{field.name}", seen)


def _name(type_: Any) -> str:
    return getattr(type_, "__qualname__", None) or str(type_)
