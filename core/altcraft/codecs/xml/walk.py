"""Walks: each turns an element tree into what `msgspec.convert` takes. A walk is compiled from the shape of a type.

A walk gives objects and mappings as dicts, arrays as lists and leaves as texts; msgspec does all conversions. A walk
takes the tree apart: it clears the items of an array, except for the first, once it has read them. So the tree shrinks
as the values grow.

The loop over an object's children takes most of the time. So it reads leaves, and mappings of scalars such as counters,
in place.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Container
from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from msgspec import Struct, field

from altcraft.codecs.refusals import beyond_limits
from altcraft.codecs.shapes import ABSENT, Member, Members, Shape
from altcraft.errors import DecodeError

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

__all__ = ["Walk", "compile_walk"]

Walk: TypeAlias = "Callable[[Element, int], object]"
"""Takes an element, and how many levels it may have below it."""

Childless: TypeAlias = "Callable[[Element], object]"
"""Takes an element without children, and gives its value."""

WHITE_SPACE = " \t\r\n"
"""As XML defines it."""

_NO_NUMBERS = ("nan", "inf", "infinity")
"""msgspec reads these as floats. JSON has none of them, and no code can compute with such a progress."""


def compile_walk(shape: Shape, *, strip: bool = False) -> Walk:
    """The walk for documents of that shape. It raises DecodeError for an element deeper than it is told.

    `strip` removes white space around everything but strings. Without it the walk is faster, and msgspec refuses a
    number that has white space around it.
    """
    return _Compiler(strip).walk(shape)


class _Fixed(NamedTuple):
    places: list[Walk]
    empty: object  # the meaning of an empty element that is the only one of its name


class _Fields(Struct):
    """An object's fields, by the way they are read."""

    leaves: dict[str, object] = field(default_factory=dict)  # the values: what an empty element means
    words: dict[str, object] = field(default_factory=dict)  # likewise
    counters: dict[str, Walk] = field(default_factory=dict)  # mappings of scalars
    nested: dict[str, Walk] = field(default_factory=dict)
    untyped: set[str] = field(default_factory=set)  # among `nested`: fields that take anything, several elements too
    arrays: dict[str, Walk] = field(default_factory=dict)
    of_texts: set[str] = field(default_factory=set)  # arrays in which white space alone is an item: not one of words
    fixed: dict[str, _Fixed] = field(default_factory=dict)  # arrays of fixed length
    required_arrays: tuple[str, ...] = ()
    is_closed: bool = False


class _Compiler:
    def __init__(self, strip: bool) -> None:
        self._strip = strip
        # By identity of the members. An object may contain its own kind, so an entry is made before it is filled.
        self._fields: dict[int, _Fields] = {}

    def walk(self, shape: Shape) -> Walk:
        if shape.is_untyped:
            return _untyped
        if shape.tags:
            return lambda element, _: shape.tags.get((element.text or "").strip(), element.text)
        if shape.is_float and not shape.holds_elements:
            return _number(shape.empty)
        childless = _childless(shape, self._strip)
        if shape.values is not None:
            return _mapping(self.walk(shape.values.shape), shape.values, childless)
        if shape.fields is not None:
            walk = _object(self.fields(shape.fields), childless)
            variants = {id(part): _object(self.fields(part), childless) for part in shape.variants.values()}
            return _tagged(shape, variants, walk) if variants else walk
        return lambda element, left: _untyped(element, left) if len(element) else childless(element)

    def fields(self, members: Members) -> _Fields:
        known = self._fields.get(id(members))
        if known is not None:
            return known
        fields = self._fields[id(members)] = _Fields()
        fields.is_closed, fields.required_arrays = members.is_closed, members.required_arrays
        for name, (_, shape, is_array, places) in members.items():
            if places:
                fields.fixed[name] = _Fixed([self.walk(place) for place in places], shape.empty)
            elif shape.tags:
                fields.nested[name] = self.walk(shape)
            elif is_array:
                fields.arrays[name] = self.walk(shape)
                if shape.is_text and not shape.is_word:
                    fields.of_texts.add(name)
            elif shape.is_word and not shape.holds_elements:
                fields.words[name] = shape.empty
            elif shape.is_text or not (self._strip or shape.is_untyped or shape.is_float or shape.holds_elements):
                fields.leaves[name] = shape.empty
            elif shape.values is not None and not self._strip and _holds_scalars(shape.values):
                fields.counters[name] = self.walk(shape)
            else:
                fields.nested[name] = self.walk(shape)
                if shape.is_untyped:
                    fields.untyped.add(name)
        return fields


def _object(fields: _Fields, childless: Childless) -> Walk:
    leaves, counters, nested, arrays = fields.leaves, fields.counters, fields.nested, fields.arrays
    words, fixed, is_closed, required_arrays = fields.words, fields.fixed, fields.is_closed, fields.required_arrays

    def object_(element: Element, left: int) -> object:
        children = element[:]  # a list is quicker to go through
        if not children:
            value = childless(element)
            return {name: [] for name in required_arrays} if value == {} else value
        if not left:
            raise _too_deep()
        left -= 1
        values: dict[str, Any] = {}
        others = 0  # children that add no key to `values`
        absent = False
        for child in children:
            name = child.tag
            if name in leaves:
                text = child.text
                if len(child):
                    values[name] = _untyped(child, left)
                elif text:
                    values[name] = text
                else:
                    values[name] = leaves[name]
                    absent = absent or leaves[name] is ABSENT
            elif name in words:
                text = child.text
                if len(child):
                    values[name] = _untyped(child, left)
                elif text and (text := text.strip(WHITE_SPACE)):
                    values[name] = text
                else:
                    values[name] = words[name]
                    absent = absent or words[name] is ABSENT
            elif name in counters:
                entries = child[:]
                mapping = {}
                for entry in entries:
                    if len(entry):
                        break
                    mapping[entry.tag] = entry.text
                if mapping and left and len(mapping) == len(entries):
                    values[name] = mapping
                else:  # it is not so simple
                    values[name] = counters[name](child, left)
            elif name in nested:
                values[name] = value = nested[name](child, left)
                if value is ABSENT:
                    absent = True
            elif name in arrays:
                if name in values:
                    values[name].append(arrays[name](child, left))
                    others += 1
                    child.clear()
                else:
                    values[name] = [arrays[name](child, left)]
                    if not len(child) and _is_alone(child, children, blank=name not in fields.of_texts):
                        values[name] = []
            elif name in fixed:
                others += name in values
                _put_in_place(values, child, children, fixed[name], left)
                absent = absent or values[name] is ABSENT
            else:
                _pass_over(child, left)
                if is_closed and name not in values:
                    values[name] = None  # for msgspec to refuse
                else:
                    others += 1
        if len(values) + others != len(children):
            for name in _several(element, {*leaves, *words, *counters, *nested}, fields.untyped):
                values[name] = _untyped_array(children, name, left)
        if required_arrays:
            for name in required_arrays:
                values.setdefault(name, [])
        if absent:
            return {name: value for name, value in values.items() if value is not ABSENT}
        return values

    return object_


def _put_in_place(values: dict[str, Any], child: Element, children: list[Element], fixed: _Fixed, left: int) -> None:
    """Reads an item of an array of fixed length, by the type of its place."""
    name = child.tag
    if name not in values and len(fixed.places) != 1 and _is_alone(child, children, blank=True):
        values[name] = fixed.empty
        return
    items = values.setdefault(name, [])
    items.append(fixed.places[min(len(items), len(fixed.places) - 1)](child, left))


def _tagged(shape: Shape, variants: dict[int, Walk], any_object: Walk) -> Walk:
    """Objects of several types: the tag says which fields an object has. msgspec refuses an object without a tag."""
    return lambda element, left: variants.get(id(shape.fields_of(element)), any_object)(element, left)


def _mapping(walk: Walk, member: Member, childless: Childless) -> Walk:
    def mapping(element: Element, left: int) -> object:
        if not len(element):
            return childless(element)
        if not left:
            raise _too_deep()
        values: dict[str, object] = {}
        for child in element:
            if child.tag in values:
                raise _repeated(element, {child.tag})
            values[child.tag] = walk(child, left - 1)
        return values

    def mapping_of_arrays(element: Element, left: int) -> object:
        if not len(element):
            return childless(element)
        if not left:
            raise _too_deep()
        values: dict[str, list[object]] = {}
        blank: list[str] = []
        for child in element:
            if child.tag in values:
                values[child.tag].append(walk(child, left - 1))
            else:
                values[child.tag] = [walk(child, left - 1)]
                if _is_empty(child, blank=member.shape.is_word or not member.shape.is_text):
                    blank.append(child.tag)
            child.clear()
        for name in blank:
            if len(values[name]) == 1:
                values[name] = []
        return values

    return mapping_of_arrays if member.is_array else mapping


def _holds_scalars(member: Member) -> bool:
    shape = member.shape
    return shape.is_scalar and not (member.is_array or shape.is_float or shape.holds_elements)


def _childless(shape: Shape, strip: bool) -> Childless:
    empty, texts = shape.empty, shape.texts
    if shape.is_word:
        return lambda element: (element.text or "").strip(WHITE_SPACE) or empty
    if shape.is_text:
        return lambda element: element.text or empty
    if shape.is_float:
        number = _number(empty)
        return lambda element: number(element, 0)
    if strip and texts:
        return lambda element: element.text if element.text in texts else (element.text or "").strip() or empty
    if strip:
        return lambda element: (element.text or "").strip() or empty
    return lambda element: element.text or empty


def _number(empty: object) -> Walk:
    """A number that may be a float."""

    def number(element: Element, left: int) -> object:
        text = element.text or ""
        if len(element):
            return _untyped(element, left)
        if text.isdigit():  # most are
            return text
        text = text.strip()
        if text[-1:].isalpha() and text.lstrip("+-").lower() in _NO_NUMBERS:
            raise DecodeError(f"XML of another shape: <{element.tag[:80]}> holds {text[:20]!r}, and not a number")
        return text or empty

    return number


def _untyped(element: Element, left: int) -> object:
    """A value without a declared type: objects as dicts, repeated elements as lists, everything else as texts."""
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


def _untyped_array(children: list[Element], name: str, left: int) -> list[object]:
    """All the elements of a name. In the loop over the children, a comprehension would slow down all variables."""
    return [_untyped(child, left) for child in children if child.tag == name]


def _pass_over(element: Element, left: int) -> None:
    """Reads nothing of an unknown element, and only checks its depth."""
    level = list(element)
    while level:
        if not left:
            raise _too_deep()
        left -= 1
        level = list(chain.from_iterable(level))


def _is_alone(child: Element, children: list[Element], *, blank: bool) -> bool:
    """Whether an element is empty and the only one of its name. `blank` counts white space as empty."""
    return _is_empty(child, blank=blank) and [other.tag for other in children].count(child.tag) == 1


def _is_empty(element: Element, *, blank: bool) -> bool:
    text = element.text
    return not len(element) and (not text or (blank and text.isspace()))


def _several(element: Element, known: set[str], untyped: set[str]) -> set[str]:
    """The untyped fields of which there are several elements. DecodeError where there are several of another field."""
    counts = Counter(child.tag for child in element)
    names = {name for name in known if counts[name] > 1}
    if not names <= untyped:
        raise _repeated(element, names - untyped)
    return names


def _repeated(element: Element, known: Container[str]) -> DecodeError:
    names = Counter(child.tag for child in element if child.tag in known)
    name = names.most_common(1)[0][0]
    return DecodeError(
        f"XML of another shape: <{element.tag[:80]}> has more than one <{name[:80]}>, where the schema has one"
    )


def _too_deep() -> DecodeError:
    return beyond_limits("the XML is nested more deeply than this codec's max_depth")
