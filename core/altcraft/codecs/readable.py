"""Tells which types msgspec can make out of a document, before a document is there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from msgspec import UnsetType
from msgspec import inspect as mi

from altcraft.codecs.shapes import OBJECTS, variants_of

__all__ = ["check_readable"]

# What documents are made of. For a class that it does not know, msgspec only checks `isinstance(value, cls)`.
_MADE_OF = (str, int, float, bool, type(None), dict, list)
_NO_KEYS = (mi.CollectionType, mi.TupleType, mi.NamedTupleType, mi.DictType, *OBJECTS)
_UNHASHABLE = (mi.DictType, mi.ListType, mi.SetType, mi.TypedDictType)


def check_readable(type_: Any) -> None:
    """TypeError, with the place in the type and the reason, for a type that no document can be read as."""
    try:
        info = mi.type_info(type_)
    except NameError as error:
        raise TypeError(f"{_name(type_)}: an annotation does not resolve: {error}") from None
    for place, reason in _faults(info, "", set()):
        raise TypeError(f"{place or _name(type_)}: {reason}")


def _faults(info: mi.Type, place: str, seen: set[int]) -> Iterator[tuple[str, str]]:
    """The parts of a type that can't be read, each with its place and the reason."""
    if id(info) in seen:  # an object that contains its own kind
        return
    seen.add(id(info))
    parts: list[tuple[str, mi.Type]] = []
    if isinstance(info, (mi.CustomType, mi.ExtType)):
        cls = info.cls if isinstance(info, mi.CustomType) else mi.ExtType
        if cls is not UnsetType and not any(issubclass(part, cls) for part in _MADE_OF):
            advice = "declare a msgspec.Struct, a dataclass or a TypedDict instead"
            yield place, f"msgspec can't make a {_name(cls)}: {advice}"
    elif isinstance(info, (mi.Metadata, mi.UnionType)):
        parts = [(place, part) for part in ((info.type,) if isinstance(info, mi.Metadata) else info.types)]
    elif isinstance(info, mi.DictType):
        if any(isinstance(part, _NO_KEYS) for part in variants_of(info.key_type)):
            yield place, "the keys of a mapping are texts, and can't be arrays or objects"
        parts = [(place, info.key_type), (place, info.value_type)]
    elif isinstance(info, mi.CollectionType):
        is_set = isinstance(info, (mi.SetType, mi.FrozenSetType))
        if is_set and any(_is_unhashable(part) for part in variants_of(info.item_type)):
            yield place, "the items of a set must have a hash: declare a list instead"
        parts = [(place, info.item_type)]
    elif isinstance(info, mi.TupleType):
        parts = [(place, part) for part in info.item_types]
    elif isinstance(info, (*OBJECTS, mi.NamedTupleType)):
        parts = [(f"{_name(info.cls)}.{field.name}", field.type) for field in info.fields]
    for where, part in parts:
        yield from _faults(part, where, seen)


def _is_unhashable(info: mi.Type) -> bool:
    if isinstance(info, mi.StructType):
        config = getattr(info.cls, "__struct_config__", None)
        return config is not None and config.eq and not config.frozen
    return isinstance(info, _UNHASHABLE) or (isinstance(info, mi.DataclassType) and info.cls.__hash__ is None)


def _name(type_: Any) -> str:
    return getattr(type_, "__qualname__", None) or str(type_)
