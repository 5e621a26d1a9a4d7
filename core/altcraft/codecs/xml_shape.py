"""What the elements of a document may be, worked out once a type from msgspec's own view of it.

XML as the platform writes it says less than JSON: an array of one looks like its item; an empty array, a null and an
empty string look alike. A `Shape` holds what the type has to say about that; both ways of reading go by it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from msgspec import inspect as mi

__all__ = ["ABSENT", "Member", "Shape", "shape_of", "variants_of"]

ABSENT = object()
"""The meaning of an empty element that says nothing: the field keeps its default."""

_ARRAYS = (mi.ListType, mi.SetType, mi.FrozenSetType, mi.VarTupleType)
_FIXED_ARRAYS = (mi.TupleType, mi.NamedTupleType)
_OBJECTS = (mi.StructType, mi.TypedDictType, mi.DataclassType)
_CONTAINERS = (*_OBJECTS, mi.DictType, mi.NoneType)


@dataclass(eq=False)
class Shape:
    """What an element may be. Compared by identity, since a type may contain itself.

    `fields`, or `values` for a mapping, say what an element with children holds. A text is taken as it stands where a
    string is wanted, and without the white space around it where anything else is; an element with neither text nor
    children means `empty`.
    """

    is_text: bool = False
    is_scalar: bool = False  # anything that is written as a text, without being one
    is_int: bool = False  # a scalar that is an integer and nothing else, but for None
    is_float: bool = False  # a scalar that may be one
    is_untyped: bool = False
    empty: object = ABSENT
    fields: dict[str, Member] | None = None
    values: Member | None = None
    has_plain_keys: bool = False  # of a mapping: any string is a key

    @property
    def holds_elements(self) -> bool:
        """Whether an element with children makes sense."""
        return self.fields is not None or self.values is not None


class Member(NamedTuple):
    """A field of an object, or all the values of a mapping."""

    name: str
    shape: Shape  # of an array: that of its items
    is_array: bool = False


def shape_of(type_: object) -> Shape:
    """The shape of a document of that type. TypeError where this XML has no form for it: nested arrays, say."""
    shapes = _Shapes()
    shape = shapes.shape(mi.type_info(type_), has_default=False)
    shapes.merge()
    return shape


class _Shapes:
    def __init__(self) -> None:
        # By identity: msgspec gives the same description again when an object type contains itself.
        self._fields: dict[int, dict[str, Member]] = {}
        self._unions: list[tuple[dict[str, Member], list[dict[str, Member]]]] = []

    def merge(self) -> None:
        """Gives unions of objects the fields of all of them: msgspec will tell the objects apart by their tag."""
        for merged, parts in self._unions:
            for fields in reversed(parts):
                merged.update(fields)

    def shape(self, info: mi.Type, *, has_default: bool) -> Shape:
        variants = variants_of(info)
        if _has(variants, mi.AnyType):
            return Shape(is_untyped=True)
        if _has(variants, *_ARRAYS, *_FIXED_ARRAYS):
            raise TypeError("XML as the platform writes it has no form for an array that is not an object's field")
        is_text = _has(variants, mi.StrType)
        is_scalar = not is_text and not all(isinstance(variant, _CONTAINERS) for variant in variants)
        is_int = is_scalar and all(isinstance(variant, (mi.IntType, mi.NoneType)) for variant in variants)
        shape = Shape(is_text, is_scalar, is_int, is_float=is_scalar and _has(variants, mi.FloatType))
        if is_text:
            shape.empty = ""
        elif _has(variants, mi.DictType):
            shape.empty = {}
        elif _has(variants, mi.NoneType):
            shape.empty = None
        elif not has_default:
            shape.empty = "" if shape.is_scalar else {}
        mappings = [variant for variant in variants if isinstance(variant, mi.DictType)]
        objects = [self._fields_of(variant) for variant in variants if isinstance(variant, _OBJECTS)]
        if mappings:
            shape.values = self._member("", mappings[0].value_type)
            shape.has_plain_keys = mappings[0].key_type == mi.StrType()
        elif len(objects) == 1:
            shape.fields = objects[0]
        elif objects:
            shape.fields = {}
            self._unions.append((shape.fields, objects))
        return shape

    def _fields_of(self, info: mi.StructType | mi.TypedDictType | mi.DataclassType) -> dict[str, Member]:
        known = self._fields.get(id(info))
        if known is not None:
            return known
        fields = self._fields[id(info)] = {}
        if isinstance(info, mi.StructType):
            if info.array_like:
                raise TypeError(f"{info.cls.__name__} is written as an array, for which this XML has no form")
            if info.tag_field is not None:
                fields[info.tag_field] = Member(info.tag_field, Shape(is_text=True, empty=""))
        for field in info.fields:
            fields[field.encode_name] = self._member(field.encode_name, field.type, has_default=not field.required)
        return fields

    def _member(self, name: str, info: mi.Type, *, has_default: bool = False) -> Member:
        items = _items(info)
        if items is None:
            return Member(name, self.shape(info, has_default=has_default))
        return Member(name, self.shape(items, has_default=False), is_array=True)


def variants_of(info: mi.Type) -> tuple[mi.Type, ...]:
    """What may stand here: a union taken apart, annotations taken off."""
    if isinstance(info, mi.Metadata):
        return variants_of(info.type)
    if isinstance(info, mi.UnionType):
        return tuple(variant for part in info.types for variant in variants_of(part))
    return (info,)


def _items(info: mi.Type) -> mi.Type | None:
    """The type of the items where an array may stand, else None."""
    for variant in variants_of(info):
        if isinstance(variant, _ARRAYS):
            return variant.item_type
    return None


def _has(variants: tuple[mi.Type, ...], *kinds: type[mi.Type]) -> bool:
    return any(isinstance(variant, kinds) for variant in variants)
