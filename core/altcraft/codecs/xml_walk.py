"""The general road: from an element tree to what `msgspec.convert` takes, compiled once a type out of its shape.

The walk gives objects and mappings as dicts, arrays as lists and leaves as texts; every conversion is msgspec's. What
it has read of an array it takes out of the tree, so that the tree shrinks while the values grow.

Most of its time goes into the two loops over children, `_object` and `_mapping`: there, leaves are read in place.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING, TypeAlias

from altcraft.codecs.xml_shape import ABSENT, Member, Shape
from altcraft.errors import DecodeError

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

__all__ = ["Walk", "compile_walk"]

Walk: TypeAlias = "Callable[[Element, int], object]"
"""Takes an element, and how many levels there may be below it."""

Childless: TypeAlias = "Callable[[Element], object]"
"""What is to be said of an element without children."""


_NO_NUMBERS = ("nan", "inf", "infinity")
"""To msgspec they are floats; to the platform, and to whoever computes with a progress, they are not."""


def compile_walk(shape: Shape) -> Walk:
    """The walk for a document of that shape. It raises DecodeError where there are more levels than it is told."""
    return _Compiler().walk(shape)


@dataclass
class _Fields:
    """An object's fields, by how they are read."""

    texts: set[str] = field(default_factory=set)
    scalars: dict[str, object] = field(default_factory=dict)  # with what an empty element means
    nested: dict[str, Walk] = field(default_factory=dict)
    arrays: dict[str, tuple[Walk, bool]] = field(default_factory=dict)  # the bool: a lone blank element is an item
    may_be_absent: bool = False


class _Compiler:
    def __init__(self) -> None:
        # An object may contain its own kind: these are looked into when it is met, and filled in by then.
        self._fields: dict[int, _Fields] = {}

    def walk(self, shape: Shape) -> Walk:
        if shape.is_untyped:
            return _untyped
        if shape.values is not None:
            return _mapping(self.walk(shape.values.shape), shape.values, _childless(shape))
        if shape.fields is not None:
            return _object(self.fields(shape.fields), _childless(shape))
        childless = _childless(shape)
        return lambda element, left: _untyped(element, left) if len(element) else childless(element)

    def fields(self, members: dict[str, Member]) -> _Fields:
        known = self._fields.get(id(members))
        if known is not None:
            return known
        fields = self._fields[id(members)] = _Fields()
        for name, (_, shape, is_array) in members.items():
            if is_array:
                fields.arrays[name] = self.walk(shape), shape.is_text
            elif shape.is_untyped or shape.is_float or shape.holds_elements:
                fields.nested[name] = self.walk(shape)
            elif shape.is_text:
                fields.texts.add(name)
            else:
                fields.scalars[name] = shape.empty
            fields.may_be_absent |= shape.empty is ABSENT
        return fields


def _object(fields: _Fields, childless: Childless) -> Walk:
    texts, scalars, nested, arrays = fields.texts, fields.scalars, fields.nested, fields.arrays

    def object_(element: Element, left: int) -> object:
        if not left and len(element):
            raise _too_deep()
        left -= 1
        values: dict[str, object] = {}
        lists: dict[str, list[object]] | None = None
        blank: tuple[str, ...] = ()
        for child in element:
            name = child.tag
            if name in values:
                raise _repeated(name, element)
            if name in scalars:
                values[name] = _untyped(child, left) if len(child) else (child.text or "").strip() or scalars[name]
            elif name in texts:
                values[name] = _untyped(child, left) if len(child) else child.text or ""
            elif name in nested:
                values[name] = nested[name](child, left)
            elif name in arrays:
                walk, keeps_blank = arrays[name]
                lists = {} if lists is None else lists
                if name not in lists:
                    lists[name] = []
                    if _is_empty(child, blank=not keeps_blank):
                        blank = (*blank, name)
                lists[name].append(walk(child, left))
                child.clear()
            else:
                _pass_over(child, left)
        if lists is not None:
            for name in blank:
                if len(lists[name]) == 1:  # a lone and empty element is the empty array
                    lists[name] = []
            values.update(lists)
        elif not values and not len(element):
            return childless(element)
        if fields.may_be_absent:
            return {name: value for name, value in values.items() if value is not ABSENT}
        return values

    return object_


def _mapping(walk: Walk, member: Member, childless: Childless) -> Walk:
    def mapping(element: Element, left: int) -> object:
        if not len(element):
            return childless(element)
        if not left:
            raise _too_deep()
        values: dict[str, object] = {}
        for child in element:
            if child.tag in values:
                raise _repeated(child.tag, element)
            values[child.tag] = walk(child, left - 1)
        return values

    def mapping_of_scalars(element: Element, left: int) -> object:
        # As counters are, and many of them: all at once, unless there is something to look into.
        values = {child.tag: (child.text or "").strip() or empty for child in element if not len(child)}
        return values if left and values and len(values) == len(element) else mapping(element, left)

    def mapping_of_arrays(element: Element, left: int) -> object:
        if not len(element):
            return childless(element)
        if not left:
            raise _too_deep()
        values: dict[str, list[object]] = {}
        for child in element:
            values.setdefault(child.tag, []).append(walk(child, left - 1))
            child.clear()
        return values

    empty = member.shape.empty
    if member.is_array:
        return mapping_of_arrays
    return (
        mapping_of_scalars
        if member.shape.is_scalar and not (member.shape.is_float or member.shape.holds_elements)
        else mapping
    )


def _childless(shape: Shape) -> Childless:
    empty = shape.empty
    if shape.is_text:
        return lambda element: element.text or ""
    if not shape.is_float:
        return lambda element: (element.text or "").strip() or empty

    def number(element: Element) -> object:
        text = (element.text or "").strip()
        if text.lstrip("+-").lower() in _NO_NUMBERS:
            raise DecodeError(f"XML of another shape: <{element.tag[:80]}> holds {text[:20]!r}, and not a number")
        return text or empty

    return number


def _untyped(element: Element, left: int) -> object:
    """What can be said without a type: objects as dicts, repeated elements as lists, all the rest as texts."""
    if not len(element):
        return element.text or ""
    if not left:
        raise _too_deep()
    left -= 1
    values: dict[str, object] = {}
    lists: dict[str, list[object]] = {}
    for child in element:
        name = child.tag
        value = _untyped(child, left)
        if name in lists:
            lists[name].append(value)
        elif name in values:
            values[name] = lists[name] = [values[name], value]
        else:
            values[name] = value
    return values


def _pass_over(element: Element, left: int) -> None:
    """Nothing is read of an unknown element; only that it is not too deep."""
    level = list(element)
    while level:
        if not left:
            raise _too_deep()
        left -= 1
        level = list(chain.from_iterable(level))


def _is_empty(element: Element, *, blank: bool) -> bool:
    text = element.text
    return not len(element) and (not text or (blank and text.isspace()))


def _repeated(name: str, element: Element) -> DecodeError:
    return DecodeError(
        f"XML of another shape: <{element.tag[:80]}> has more than one <{name[:80]}>, where the schema has one"
    )


def _too_deep() -> DecodeError:
    return DecodeError("the XML is nested more deeply than this codec's max_depth")
