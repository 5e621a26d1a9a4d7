"""Shapes: what the elements of a document may be. A shape is made from what msgspec says of a type.

XML as the platform writes it says less than JSON: an array of one item looks like the item alone; an empty array, a
null and an empty string look alike. A `Shape` holds what the type says about that. The general reader and the fast path
both go by it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from msgspec import Struct, field
from msgspec import inspect as mi

from altcraft.schema.fields import STRIPPED

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

__all__ = ["ABSENT", "ARRAYS", "OBJECTS", "Member", "Members", "Shape", "fixed_items", "shape_of", "variants_of"]

ABSENT = object()
"""Stands for an empty element that leaves a field at its default."""

ARRAYS = (mi.ListType, mi.SetType, mi.FrozenSetType, mi.VarTupleType)
_FIXED_ARRAYS = (mi.TupleType, mi.NamedTupleType)
OBJECTS = (mi.StructType, mi.TypedDictType, mi.DataclassType)
_BYTES = (mi.BytesType, mi.ByteArrayType, mi.MemoryViewType)
_CONTAINERS = (*OBJECTS, mi.DictType, mi.NoneType)


class Shape(Struct, eq=False):
    """What an element may be. Compared by identity, since a type may contain itself.

    An element with children is an object with `fields`, one of several objects (`variants`), or a mapping with
    `values`. An element without children is a text or a scalar, or means `empty` where it has no text either. Texts
    keep the white space around them, and so do the `texts` of an enumeration; everything else is read without it.
    """

    is_text: bool = False
    is_word: bool = False  # a text without the white space around it; see altcraft.schema.fields
    is_scalar: bool = False  # written as a text, but not a string: a number, a moment, an enumeration
    is_int: bool = False  # a scalar that is always an integer or None
    is_float: bool = False  # a scalar that may be a float
    is_untyped: bool = False
    empty: object = ABSENT
    texts: frozenset[str] = frozenset()  # the texts of an enumeration that have white space around them
    fields: Members | None = None
    variants: dict[str, Members] = field(default_factory=dict)  # by the text of the tag
    tag_field: str = ""  # the element that holds the tag of the variants
    tags: dict[str, object] = field(default_factory=dict)  # for a tag itself: what each text stands for
    values: Member | None = None
    has_plain_keys: bool = False  # a mapping in which any string may be a key

    @property
    def holds_elements(self) -> bool:
        """Whether an element of this shape may have children."""
        return self.fields is not None or self.values is not None

    def fields_of(self, element: Element) -> Members | None:
        """The fields of the object in an element; None where its tag is missing or unknown."""
        if not self.variants:
            return self.fields
        tag = next((child.text for child in element if child.tag == self.tag_field), None)
        return self.variants.get((tag or "").strip())


class Member(NamedTuple):
    """A field of an object, or the values of a mapping."""

    name: str
    shape: Shape  # for an array: the shape of its items
    is_array: bool = False
    places: tuple[Shape, ...] = ()  # for an array of fixed length: the shape of each item; `shape` is that of no array


class Members(dict[str, Member]):
    """The fields of an object, by the names that they have in a document."""

    is_closed: bool = False  # an unknown field is an error
    required_arrays: tuple[str, ...] = ()  # arrays without a default: where no element has the name, they are empty


def shape_of(type_: object) -> Shape:
    """The shape of a document of that type. TypeError where this XML has no form for it: an array in an array, say."""
    return _Shapes().shape(mi.type_info(type_), has_default=False)


class _Shapes:
    def __init__(self) -> None:
        # By identity: where an object contains its own kind, msgspec gives the same description again.
        self._fields: dict[int, Members] = {}

    def shape(self, info: mi.Type, *, has_default: bool) -> Shape:
        variants = variants_of(info)
        if _has(variants, mi.AnyType):
            return Shape(is_untyped=True)
        if _has(variants, *ARRAYS, *_FIXED_ARRAYS):
            raise TypeError("XML as the platform writes it has no form for an array that is not an object's field")
        if _has(variants, mi.RawType):
            raise TypeError("XML has no form for raw JSON")
        is_text = _has(variants, mi.StrType)
        is_scalar = not is_text and not all(isinstance(variant, _CONTAINERS) for variant in variants)
        is_int = is_scalar and all(isinstance(variant, (mi.IntType, mi.NoneType)) for variant in variants)
        is_word = is_text and _is_stripped(info)
        shape = Shape(is_text, is_word, is_scalar, is_int, is_float=is_scalar and _has(variants, mi.FloatType))
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
            if member.required and fields[name].is_array and not fields[name].places:
                fields.required_arrays += (name,)
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
    """The field that tells objects apart. Where tags are numbers, msgspec takes only numbers."""
    name = str(infos[0].tag_field)
    tags: dict[str, object] = {str(info.tag): info.tag for info in infos}
    return Members({name: Member(name, Shape(is_text=True, empty="", tags=tags))})


def variants_of(info: mi.Type) -> tuple[mi.Type, ...]:
    """The types in a union, or the type itself, without annotations."""
    if isinstance(info, mi.Metadata):
        return variants_of(info.type)
    if isinstance(info, mi.UnionType):
        return tuple(variant for part in info.types for variant in variants_of(part))
    if isinstance(info, mi.CustomType) and info.cls is object:  # to a codec the same as Any
        return (mi.AnyType(),)
    return (info,)


def _items(info: mi.Type) -> mi.Type | None:
    """The type of the items, where the type is or includes an array, else None."""
    for variant in variants_of(info):
        if isinstance(variant, ARRAYS):
            return variant.item_type
    return None


def fixed_items(info: mi.Type) -> tuple[mi.Type, ...] | None:
    """The types of the items, where the type is or includes an array of fixed length, else None."""
    for variant in variants_of(info):
        if isinstance(variant, mi.TupleType):
            return variant.item_types
        if isinstance(variant, mi.NamedTupleType):
            return tuple(item.type for item in variant.fields)
    return None


def _is_stripped(info: mi.Type) -> bool:
    """Whether the type is marked as one whose surrounding white space says nothing."""
    if isinstance(info, mi.UnionType):
        return any(_is_stripped(part) for part in info.types)
    return isinstance(info, mi.Metadata) and (bool((info.extra or {}).get(STRIPPED)) or _is_stripped(info.type))


def _texts(variants: tuple[mi.Type, ...]) -> set[str]:
    """The texts that are members of enumerations or literals."""
    values: list[object] = []
    for variant in variants:
        if isinstance(variant, mi.EnumType):
            values += [member.value for member in variant.cls]
        elif isinstance(variant, mi.LiteralType):
            values += variant.values
    return {value for value in values if isinstance(value, str)}


def _has(variants: tuple[mi.Type, ...], *kinds: type[mi.Type]) -> bool:
    return any(isinstance(variant, kinds) for variant in variants)
