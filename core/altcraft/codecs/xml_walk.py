"""From an element tree to what `msgspec.convert` takes, compiled once a type out of msgspec's own view of it.

The walk gives objects and mappings as dicts, arrays as lists and leaves as texts; every conversion is msgspec's. What
an empty element means follows from the type, in this order: an empty string where a string may stand, an empty array
or mapping, None, the field's default, an object without fields.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from msgspec import inspect as mi

from altcraft.errors import DecodeError

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

__all__ = ["Walk", "compile_walk"]

Walk: TypeAlias = "Callable[[Element], object]"

_ABSENT = object()
"""A walk's answer to an empty element that says nothing: the field keeps its default."""

_ARRAYS = (mi.ListType, mi.SetType, mi.FrozenSetType, mi.VarTupleType)
_FIXED_ARRAYS = (mi.TupleType, mi.NamedTupleType)
_OBJECTS = (mi.StructType, mi.TypedDictType, mi.DataclassType)


class _Field(NamedTuple):
    name: str
    is_array: bool
    keeps_blank: bool  # of an array: a lone blank element is an item, not the empty array
    walk: Walk


def compile_walk(type_: type) -> Walk:
    """The walk for a document of that type. TypeError where this XML has no form for it: nested arrays, say."""
    return _Compiler().compile(mi.type_info(type_), has_default=False)


class _Compiler:
    def __init__(self) -> None:
        # By identity: an object type may contain itself, and msgspec then gives the same description again.
        self._objects: dict[int, dict[str, _Field]] = {}

    def compile(self, info: mi.Type, *, has_default: bool) -> Walk:
        variants = _variants(info)
        if _has(variants, mi.AnyType):
            return _untyped
        if _has(variants, *_ARRAYS, *_FIXED_ARRAYS):
            raise TypeError("XML as the platform writes it has no form for an array that is not an object's field")
        empty: object = _ABSENT if has_default else {}
        leaf: Walk | None = None
        if _has(variants, mi.StrType):
            leaf, empty = _text, ""
        elif _has(variants, mi.DictType):
            empty = {}
        elif _has(variants, mi.NoneType):
            empty = None
        if leaf is None and not all(isinstance(v, (*_OBJECTS, mi.DictType, mi.NoneType)) for v in variants):
            leaf = _leaf
            empty = "" if empty == {} else empty
        container = self._container(variants)
        return _choose(container, leaf, empty)

    def _container(self, variants: tuple[mi.Type, ...]) -> Walk | None:
        fields: dict[str, _Field] = {}
        for variant in variants:
            if isinstance(variant, mi.DictType):
                return self._mapping(variant)
            if isinstance(variant, _OBJECTS):
                fields = fields or self._fields(variant)
                if fields is not self._fields(variant):  # a union of objects: msgspec will tell them apart by their tag
                    fields = {**self._fields(variant), **fields}
        return _object_walk(fields) if _has(variants, *_OBJECTS) else None

    def _fields(self, info: mi.StructType | mi.TypedDictType | mi.DataclassType) -> dict[str, _Field]:
        known = self._objects.get(id(info))
        if known is not None:
            return known
        fields = self._objects[id(info)] = {}
        if isinstance(info, mi.StructType):
            if info.array_like:
                raise TypeError(f"{info.cls.__name__} is written as an array, for which this XML has no form")
            if info.tag_field is not None:
                fields[info.tag_field] = _Field(info.tag_field, False, False, _text)
        for field in info.fields:
            items = _items(field.type)
            walk = self.compile(items or field.type, has_default=items is None and not field.required)
            keeps_blank = items is not None and _has(_variants(items), mi.StrType)
            fields[field.encode_name] = _Field(field.encode_name, items is not None, keeps_blank, walk)
        return fields

    def _mapping(self, info: mi.DictType) -> Walk:
        items = _items(info.value_type)
        walk = self.compile(items or info.value_type, has_default=False)

        def mapping(element: Element) -> object:
            values: dict[str, object] = {}
            for child in element:
                name = _local_name(child)
                if items is not None:
                    entry = values.setdefault(name, [])
                    assert isinstance(entry, list)
                    entry.append(walk(child))
                elif name in values:
                    raise _repeated(name, element)
                else:
                    values[name] = walk(child)
            return values

        return mapping


def _object_walk(fields: dict[str, _Field]) -> Walk:
    def object_(element: Element) -> object:
        values: dict[str, object] = {}
        arrays: dict[str, list[Element]] = {}
        for child in element:
            field = fields.get(child.tag) or fields.get(_local_name(child))
            if field is None:
                continue
            if field.is_array:
                arrays.setdefault(field.name, []).append(child)
                continue
            if field.name in values:
                raise _repeated(field.name, element)
            values[field.name] = field.walk(child)
        for name, children in arrays.items():
            field = fields[name]
            lone_and_empty = len(children) == 1 and _is_empty(children[0], blank=not field.keeps_blank)
            values[name] = [] if lone_and_empty else [field.walk(child) for child in children]
        return {name: value for name, value in values.items() if value is not _ABSENT}

    return object_


def _choose(container: Walk | None, leaf: Walk | None, empty: object) -> Walk:
    """One walk for elements with children, one for those with text, a value for those with neither."""

    def choose(element: Element) -> object:
        if len(element):
            return container(element) if container is not None else _untyped(element)
        if leaf is _text:
            return _text(element)
        if _is_empty(element, blank=True):
            return empty
        return leaf(element) if leaf is not None else _text(element)

    return choose


def _text(element: Element) -> str:
    return element.text or ""


def _leaf(element: Element) -> str:
    return (element.text or "").strip()


def _untyped(element: Element) -> object:
    """What can be said without a type: objects as dicts, repeated elements as lists, all the rest as texts."""
    if not len(element):
        return _text(element)
    values: dict[str, object] = {}
    repeated: set[str] = set()
    for child in element:
        name = _local_name(child)
        value = _untyped(child)
        if name in repeated:
            entry = values[name]
            assert isinstance(entry, list)
            entry.append(value)
        elif name in values:
            repeated.add(name)
            values[name] = [values[name], value]
        else:
            values[name] = value
    return values


def _is_empty(element: Element, *, blank: bool) -> bool:
    text = element.text
    return not len(element) and (not text or (blank and text.isspace()))


def _local_name(element: Element) -> str:
    return element.tag.rpartition("}")[2]


def _repeated(name: str, element: Element) -> DecodeError:
    return DecodeError(
        f"XML of another shape: <{_local_name(element)[:80]}> has more than one <{name[:80]}>, where the schema has one"
    )


def _variants(info: mi.Type) -> tuple[mi.Type, ...]:
    """What may stand here: a union taken apart, annotations taken off."""
    if isinstance(info, mi.Metadata):
        return _variants(info.type)
    if isinstance(info, mi.UnionType):
        return tuple(variant for part in info.types for variant in _variants(part))
    return (info,)


def _items(info: mi.Type) -> mi.Type | None:
    """The type of the items where an array may stand, else None."""
    for variant in _variants(info):
        if isinstance(variant, _ARRAYS):
            return variant.item_type
    return None


def _has(variants: tuple[mi.Type, ...], *kinds: type[mi.Type]) -> bool:
    return any(isinstance(variant, kinds) for variant in variants)
