"""Replaces the nulls that a schema does not allow.

Some writers put null for an empty array, as Go does for a nil slice, or for a missing object. So a null in place of an
array becomes an empty array, and any other one is taken out. The JSON codec uses this only after msgspec has refused a
document. Everything else in the document stays as it is, including the nulls that the schema allows.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec
from msgspec import inspect as mi

from altcraft.codecs.shapes import ARRAYS, OBJECTS, fixed_items, variants_of

__all__ = ["Nulls"]

# Numbers other than plain integers keep their spelling.
_read = msgspec.json.Decoder(float_hook=lambda spelling: msgspec.Raw(spelling.encode())).decode
_write = msgspec.json.Encoder().encode

_NULLABLE = (mi.NoneType, mi.AnyType, mi.RawType, mi.CustomType)


class Nulls:
    """Replaces the nulls in documents of one type."""

    def __init__(self, type_: Any) -> None:
        self._info = mi.type_info(type_)
        # By the identity of an object's description, which `_info` keeps alive.
        self._fields: dict[int, dict[str, mi.Type]] = {}

    def replaced(self, data: bytes) -> bytes:
        """The document without the nulls. Raises what msgspec raises for a document that is not JSON."""
        return _write(self._value(_read(data), self._info))

    def _value(self, value: Any, info: mi.Type) -> Any:
        if value is None:
            variants = variants_of(info)
            is_array = any(isinstance(part, ARRAYS) for part in variants)
            return [] if is_array and not _allows_null(variants) else None
        if isinstance(value, dict):
            return self._object(value, variants_of(info))
        if isinstance(value, list):
            return self._array(value, variants_of(info))
        return value

    def _object(self, value: dict[str, Any], variants: Iterable[mi.Type]) -> dict[str, Any]:
        for variant in variants:
            if isinstance(variant, mi.DictType):
                return self._members(value, dict.fromkeys(value, variant.value_type))
            if isinstance(variant, OBJECTS) and _has_tag_of(value, variant):
                fields = self._fields.get(id(variant))
                if fields is None:
                    fields = {field.encode_name: field.type for field in variant.fields}
                    self._fields[id(variant)] = fields
                return self._members(value, fields)
        return value

    def _members(self, value: dict[str, Any], types: dict[str, mi.Type]) -> dict[str, Any]:
        members: dict[str, Any] = {}
        for name, item in value.items():
            info = types.get(name)
            new = item if info is None else self._value(item, info)
            if new is not None or info is None or _allows_null(variants_of(info)):
                members[name] = new
        return members

    def _array(self, value: list[Any], variants: Iterable[mi.Type]) -> list[Any]:
        for variant in variants:
            if isinstance(variant, ARRAYS):
                return [self._value(item, variant.item_type) for item in value]
            types = _types_by_place(variant)
            if len(types) >= len(value):
                return [self._value(item, type_) for item, type_ in zip(value, types, strict=False)]
        return value


def _allows_null(variants: Iterable[mi.Type]) -> bool:
    return any(isinstance(part, _NULLABLE) for part in variants)


def _types_by_place(info: mi.Type) -> tuple[mi.Type, ...]:
    """The types of the items of an array of fixed length, or of a struct that is written as an array."""
    if isinstance(info, mi.StructType) and info.array_like and not info.tag:
        return tuple(field.type for field in info.fields)
    return fixed_items(info) or ()


def _has_tag_of(value: dict[str, Any], info: mi.StructType | mi.TypedDictType | mi.DataclassType) -> bool:
    """Whether an object has the tag of a type; true for a type without a tag."""
    if not isinstance(info, mi.StructType) or info.tag_field is None:
        return True
    return bool(value.get(info.tag_field, info.tag) == info.tag)
