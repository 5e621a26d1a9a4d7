"""What the elements of a document may be, worked out once a type from msgspec's own view of it.

XML as the platform writes it says less than JSON: an array of one looks like its item; an empty array, a null and an
empty string look alike. A `Shape` holds what the type has to say about that; both ways of reading go by it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from msgspec import inspect as mi

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

__all__ = ["ABSENT", "ARRAYS", "OBJECTS", "Member", "Members", "Shape", "fixed_items", "shape_of", "variants_of"]

ABSENT = object()
"""The meaning of an empty element that says nothing: the field keeps its default."""

ARRAYS = (mi.ListType, mi.SetType, mi.FrozenSetType, mi.VarTupleType)
_FIXED_ARRAYS = (mi.TupleType, mi.NamedTupleType)
OBJECTS = (mi.StructType, mi.TypedDictType, mi.DataclassType)
_BYTES = (mi.BytesType, mi.ByteArrayType, mi.MemoryViewType)
_CONTAINERS = (*OBJECTS, mi.DictType, mi.NoneType)


@dataclass(eq=False)
class Shape:
    """What an element may be. Compared by identity, since a type may contain itself.

    `fields`, or `values` for a mapping, say what an element with children holds; where objects of several types may
    stand, their tag tells which of the `variants` it is. A text is taken as it stands where a string is wanted, or is
    one of the `texts`, and without the white space around it where anything else is; an element with neither text nor
    children means `empty`.
    """

    is_text: bool = False
    is_scalar: bool = False  # anything that is written as a text, without being one
    is_int: bool = False  # a scalar that is an integer and nothing else, but for None
    is_float: bool = False  # a scalar that may be one
    is_untyped: bool = False
    empty: object = ABSENT
    texts: frozenset[str] = frozenset()  # of an enumeration: those with white space around them
    fields: Members | None = None
    variants: dict[str, Members] = field(default_factory=dict)  # by the text of their tag
    tag_field: str = ""  # of the variants
    tags: dict[str, object] = field(default_factory=dict)  # of a tag: what each text stands for
    values: Member | None = None
    has_plain_keys: bool = False  # of a mapping: any string is a key

    @property
    def holds_elements(self) -> bool:
        """Whether an element with children makes sense."""
        return self.fields is not None or self.values is not None

    def fields_of(self, element: Element) -> Members | None:
        """The fields of the object that an element is, where its tag can be told."""
        if not self.variants:
            return self.fields
        tag = next((child.text for child in element if child.tag == self.tag_field), None)
        return self.variants.get((tag or "").strip())


class Member(NamedTuple):
    """A field of an object, or all the values of a mapping."""

    name: str
    shape: Shape  # of an array: that of its items
    is_array: bool = False
    places: tuple[Shape, ...] = ()  # of an array of fixed length: that of each item; `shape` is that of no array


class Members(dict[str, Member]):
    """An object's fields, by the names they have in a document."""

    is_closed: bool = False  # whether unknown fields are an error


def shape_of(type_: object) -> Shape:
    """The shape of a document of that type. TypeError where this XML has no form for it: nested arrays, say."""
    return _Shapes().shape(mi.type_info(type_), has_default=False)


class _Shapes:
    def __init__(self) -> None:
        # By identity: msgspec gives the same description again when an object type contains itself.
        self._fields: dict[int, Members] = {}

    def shape(self, info: mi.Type, *, has_default: bool) -> Shape:
        variants = variants_of(info)
        if _has(variants, mi.AnyType):
            return Shape(is_untyped=True)
        if _has(variants, *ARRAYS, *_FIXED_ARRAYS):
            raise TypeError("XML as the platform writes it has no form for an array that is not an object's field")
        is_text = _has(variants, mi.StrType)
        is_scalar = not is_text and not all(isinstance(variant, _CONTAINERS) for variant in variants)
        is_int = is_scalar and all(isinstance(variant, (mi.IntType, mi.NoneType)) for variant in variants)
        shape = Shape(is_text, is_scalar, is_int, is_float=is_scalar and _has(variants, mi.FloatType))
        texts = _texts(variants)
        shape.texts = frozenset(text for text in texts if text != text.strip())
        if any(isinstance(variant, mi.StrType) and not variant.min_length for variant in variants):
            shape.empty = ""
        elif _has(variants, mi.DictType):
            shape.empty = {}
        elif _has(variants, mi.NoneType):
            shape.empty = None
        elif "" in texts or _has(variants, *_BYTES):
            shape.empty = ""
        elif not has_default:
            shape.empty = {} if _has(variants, *OBJECTS) and not shape.is_scalar else ""
        mappings = [variant for variant in variants if isinstance(variant, mi.DictType)]
        objects = [variant for variant in variants if isinstance(variant, OBJECTS)]
        if mappings:
            shape.values = self._member("", mappings[0].value_type)
            if shape.values.places:
                raise TypeError("XML as the platform writes it has no form for a mapping's arrays of fixed length")
            shape.has_plain_keys = mappings[0].key_type == mi.StrType()
        elif len(objects) == 1:
            shape.fields = self._fields_of(objects[0])
        elif objects:
            tagged = [variant for variant in objects if isinstance(variant, mi.StructType)]
            shape.variants = {str(variant.tag): self._fields_of(variant) for variant in tagged}
            shape.tag_field = str(tagged[0].tag_field)
            shape.fields = _tag_alone(tagged)
        return shape

    def _fields_of(self, info: mi.StructType | mi.TypedDictType | mi.DataclassType) -> Members:
        known = self._fields.get(id(info))
        if known is not None:
            return known
        fields = self._fields[id(info)] = Members()
        if isinstance(info, mi.StructType):
            if info.array_like:
                raise TypeError(f"{info.cls.__name__} is written as an array, for which this XML has no form")
            fields.is_closed = info.forbid_unknown_fields
            if info.tag_field is not None:
                fields.update(_tag_alone([info]))
        for member in info.fields:
            name = member.encode_name
            fields[name] = self._member(name, member.type, has_default=not member.required)
        return fields

    def _member(self, name: str, info: mi.Type, *, has_default: bool = False) -> Member:
        items, fixed = _items(info), fixed_items(info)
        if items is not None:
            return Member(name, self.shape(items, has_default=False), is_array=True)
        if fixed is not None:
            others = mi.UnionType(tuple(part for part in variants_of(info) if not isinstance(part, _FIXED_ARRAYS)))
            alone = self.shape(others, has_default=has_default)
            return Member(name, alone, True, tuple(self.shape(item, has_default=False) for item in fixed))
        return Member(name, self.shape(info, has_default=has_default))


def _tag_alone(infos: list[mi.StructType]) -> Members:
    """The field that tells objects apart. Tags may be numbers, which msgspec takes as nothing else."""
    name = str(infos[0].tag_field)
    tags: dict[str, object] = {str(info.tag): info.tag for info in infos}
    return Members({name: Member(name, Shape(is_text=True, empty="", tags=tags))})


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
        if isinstance(variant, ARRAYS):
            return variant.item_type
    return None


def fixed_items(info: mi.Type) -> tuple[mi.Type, ...] | None:
    """The types of the items where an array of fixed length may stand, else None."""
    for variant in variants_of(info):
        if isinstance(variant, mi.TupleType):
            return variant.item_types
        if isinstance(variant, mi.NamedTupleType):
            return tuple(item.type for item in variant.fields)
    return None


def _texts(variants: tuple[mi.Type, ...]) -> set[str]:
    """The texts of enumerations and literals."""
    values: list[object] = []
    for variant in variants:
        if isinstance(variant, mi.EnumType):
            values += [member.value for member in variant.cls]
        elif isinstance(variant, mi.LiteralType):
            values += variant.values
    return {value for value in values if isinstance(value, str)}


def _has(variants: tuple[mi.Type, ...], *kinds: type[mi.Type]) -> bool:
    return any(isinstance(variant, kinds) for variant in variants)
