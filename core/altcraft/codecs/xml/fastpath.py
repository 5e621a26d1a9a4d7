"""The fast path: reads regular documents with regular expressions, which it learns from the documents themselves.

A server writes its elements always in the same order and layout. So the fast path studies a few samples of a type:
documents that the general reader has read. It splits a sample where an array begins and ends. Each piece, a stretch,
becomes a regular expression that spells out the elements and captures the texts. A template puts the texts into JSON,
which msgspec decodes. The next document of the same form takes a few matches instead of a parser.

The general reader has the last word. Three rules keep the fast path in agreement with it:

* A pattern matches elements and plain texts only. A document with attributes, comments, CDATA, references, a document
  type, or a quote, backslash or `>` in a text is a miss. So is one that msgspec refuses, bytes that are not UTF-8
  included.
* A miss goes to the general reader. Both take the meaning of an empty element from the same shape.
* Time is linear in the document. Each repetition in a pattern stops at `<`, which it can't contain, and no array is
  read twice, not even one that turned out not to match. What is learnt is bounded: a few forms for each type and each
  array, from a few samples.

`compile_reader` in altcraft.codecs.xml.reader is the only place that uses this file. See docs/reference/codecs.md.
"""

from __future__ import annotations

import re
import sys
from contextlib import suppress
from itertools import groupby
from typing import TYPE_CHECKING, Generic, TypeAlias, TypeVar

import msgspec

from altcraft.codecs.shapes import ABSENT, Members, Shape

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

    from altcraft.codecs.xml.reader import GeneralReader

__all__ = ["FastPath"]

T = TypeVar("T")

FORMS = 8
"""Most forms that are kept for a type, and for an array."""

SAMPLES = 12
"""Most documents that are studied for a type."""

ITEMS = 64
"""Most items of an array that are studied in one document."""

LONGEST = 10_000
"""Most characters in a pattern."""

PATIENCE = 16
"""After so many misses in a row, only one document in as many is tried."""

_POSSESSIVE = "+" if sys.version_info >= (3, 11) else ""  # the pattern matches the same without; it only saves time
_PROLOG = r'(?:<\?xml version="1\.0"(?: encoding="[Uu][Tt][Ff]-8")?(?: standalone="yes")? ?\?>)?'
_SPACE = r"[ \t\r\n]*" + _POSSESSIVE
_TEXT = r'[^\x00-\x1f<>&"\\\xef]*' + _POSSESSIVE  # \xef: U+FFFE and U+FFFF, not in XML, begin with it in UTF-8
_WORD = f"(?! ){_TEXT}(?<! )"  # _TEXT holds no other white space
_TOKEN = r"[!#-%'-;=?-\[\]-~]+" + _POSSESSIVE  # ASCII without white space: enough for everything but strings
_DIGITS = r"[0-9]+" + _POSSESSIVE  # a number in JSON; msgspec refuses 007
_NUMBER = r"[-+.0-9eE]+" + _POSSESSIVE  # any number but NaN and the infinities
_UNREAD = r"[ -%'-;=?-~]*" + _POSSESSIVE  # in unknown elements: ASCII, so that UTF-8 is checked where it matters
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")


class _Irregular(Exception):
    """A document from which nothing can be learnt."""


# A stretch of elements; the array that follows it and the steps that may come after, or None and nothing at the end of
# the form; and, on the last step, the template of the whole form. A plain tuple unpacks fastest.
_Step: TypeAlias = "tuple[re.Pattern[bytes], _Forms | None, tuple[_Step, ...], bytes]"


class _Forms:
    """The known forms of a document, or of an array's items, as a tree: forms that begin alike share their steps."""

    def __init__(self) -> None:
        self._steps: tuple[_Step, ...] = ()
        self._is_flat = True  # no form contains an array
        self.number = 0

    def read(self, data: bytes, at: int) -> tuple[bytes, int] | None:
        """What begins at `at`, as JSON, and where it ends; None where it has no known form."""
        steps = self._steps
        texts: tuple[bytes, ...] = ()
        unread: tuple[tuple[_Forms, int], ...] = ()  # arrays that did not match, and where they begin
        while True:
            for stretch, array, after, template in steps:
                found = stretch.match(data, at)
                if found is None or (unread and (array, found.end()) in unread):
                    continue
                if array is None:
                    return template % (texts + found.groups(b"")), found.end()
                if (items := array.read_all(data, found.end())) is not None:
                    texts += (*found.groups(b""), items[0])
                    at = items[1]
                    steps = after
                    break
                unread += ((array, found.end()),)
            else:
                return None

    def read_all(self, data: bytes, at: int) -> tuple[bytes, int] | None:
        """All the items of an array, as JSON joined by commas, and where they end; None where there are none."""
        items: list[bytes] = []
        steps = self._steps
        while not self._is_flat and (read := self.read(data, at)) is not None:
            items.append(read[0])
            at = read[1]
        while self._is_flat:  # most arrays are: reading the items here saves a call for each
            for stretch, _, _, template in steps:
                found = stretch.match(data, at)
                if found is not None:
                    items.append(template % found.groups(b""))
                    at = found.end()
                    break
            else:
                break
        joined = b",".join(items)
        return (joined if joined != b'""' else b"", at) if items else None

    def add(self, stretches: list[tuple[str, _Forms | None]], template: str) -> None:
        """Adds a form, unless it is known or there are FORMS of them."""
        if self.number < FORMS:
            steps = _grown(self._steps, stretches, template.encode())
            self.number += steps != self._steps
            self._is_flat = self._is_flat and len(stretches) == 1  # first, since other threads read by the steps
            self._steps = steps


def _grown(steps: tuple[_Step, ...], stretches: list[tuple[str, _Forms | None]], template: bytes) -> tuple[_Step, ...]:
    (pattern, array), *rest = stretches
    stretch = re.compile(pattern.encode())
    known = next((step for step in steps if step[:2] == (stretch, array)), None)
    after, ending = known[2:] if known else ((), b"" if rest else template)
    if rest:
        after = _grown(after, rest, template)
    others = [other for other in steps if other is not known]
    # The longest first: a stretch may begin like a longer one.
    return tuple(sorted([*others, (stretch, array, after, ending)], key=lambda step: -len(step[0].pattern)))


class FastPath(Generic[T]):
    """Reads documents of one type: those of a known form by itself, all others through the general reader.

    `hits` and `misses` count both kinds. Threads may share a FastPath: at worst, two of them study the same sample,
    and the counts are a little too low.
    """

    def __init__(self, reader: GeneralReader[T]) -> None:
        self._reader = reader
        self._decode = msgspec.json.Decoder(reader.type, strict=False).decode
        self._arrays: dict[tuple[int, int], _Forms] = {}
        self._forms = _Forms()
        self._samples = SAMPLES  # that may still be studied
        self._missed = 0  # in a row
        self.hits = 0
        self.misses = 0

    def read(self, data: bytes) -> T:
        """The document's value. DecodeError where it is no such document, UnsafeXml where it has a document type."""
        if self._missed < PATIENCE or self._missed % PATIENCE == 0:
            try:
                found = self._forms.read(data, 0)
                if found is not None and found[1] == len(data):
                    value = self._decode(found[0])
                    self.hits += 1
                    self._missed = 0
                    return value
            except (msgspec.MsgspecError, RecursionError, TypeError, ValueError):
                pass
        self.misses += 1
        self._missed += 1
        value = self._reader.read(data)
        # The first document is not studied: it may be the only one of its type.
        if self._samples > 0 and (self._missed > 1 or self._forms.number > 0):
            self._samples -= 1
            self._study(self._reader.parse(data))  # parsed again: the general reader takes its tree apart
        return value

    def _study(self, root: Element) -> None:
        with suppress(_Irregular, RecursionError):
            _Sketch(self._arrays, 0, _PROLOG + _SPACE).add_to(self._forms, root, self._reader.shape)


class _Sketch:
    """Turns one element of a sample into stretches and a template."""

    def __init__(self, arrays: dict[tuple[int, int], _Forms], level: int, beginning: str = "") -> None:
        self._arrays = arrays
        self._level = level
        self._pattern = beginning
        self._stretches: list[tuple[str, _Forms | None]] = []

    def add_to(self, forms: _Forms, element: Element, shape: Shape) -> None:
        """Adds the element's form to the known ones."""
        template = self._element(element, shape)
        self._stretches.append((self._pattern + _SPACE, None))
        if not template or any(len(pattern) > LONGEST for pattern, _ in self._stretches):
            raise _Irregular
        forms.add(self._stretches, template)

    def _element(self, element: Element, shape: Shape | None) -> str:
        """Adds the element to the pattern, and returns the template of its value, "" where it has none."""
        name = element.tag
        if _NAME.fullmatch(name) is None or len(self._pattern) > LONGEST:
            raise _Irregular
        if len(element):
            self._pattern += f"<{name}>{_layout(element.text)}"
            self._level += 1
            template = self._children(element, shape)
            self._level -= 1
            self._pattern += f"</{name}>"
            return template
        text = element.text or ""
        if shape is None:
            self._pattern += f"<{name}(?:/|>{_UNREAD}</{name})>"
            return ""
        if shape.tags:
            if text not in shape.tags or _NAME.fullmatch(text) is None:
                raise _Irregular
            self._pattern += f"<{name}>{re.escape(text)}</{name}>"
            return f'"{text}"'
        if shape.is_text:
            content = f"({_WORD if shape.is_word else _TEXT})"
            self._pattern += f"<{name}>{content}</{name}>" if text else f"<{name}(?:/|>{content}</{name})>"
            return '"%b"'
        if shape.is_scalar and text.strip():
            self._pattern += f"<{name}>({_DIGITS if shape.is_int else _NUMBER if shape.is_float else _TOKEN})</{name}>"
            return "%b" if shape.is_int else '"%b"'
        if shape.is_untyped or text:
            raise _Irregular
        self._pattern += f"<{name}(?:/|></{name})>"
        return "" if shape.empty is ABSENT else msgspec.json.encode(shape.empty).decode()

    def _children(self, element: Element, shape: Shape | None) -> str:
        fields, values = (shape.fields_of(element), shape.values) if shape is not None else (Members(), None)
        if fields is None and (values is None or values.is_array or not (shape and shape.has_plain_keys)):
            raise _Irregular
        members: dict[str, str] = {}
        for name, group in groupby(element, lambda child: child.tag):
            children = list(group)
            member = values or (fields or {}).get(name)
            if name in members or (member is not None and member.places):
                raise _Irregular
            if member is not None and member.is_array:
                if shape and shape.variants and shape.tag_field not in members:
                    raise _Irregular  # each variant would have to read the array for itself
                members[name] = self._array(children, member.shape)
                continue
            for child in children:
                template = self._element(child, member.shape if member is not None else None)
                self._pattern += _layout(child.tail)
                if template:
                    members[name] = template
        for name in fields.required_arrays if fields is not None else ():
            members.setdefault(name, "[]")
        return "" if shape is None else "{" + ",".join(f'"{key}":{value}' for key, value in members.items()) + "}"

    def _array(self, items: list[Element], shape: Shape) -> str:
        first = items[0]
        if len(items) == 1 and not len(first) and not first.text:
            self._pattern += f"<{first.tag}(?:/|></{first.tag})>{_SPACE}"
            return "[]"
        # Each level has forms of its own, so that no combination is deeper than a sample that passed the depth limit.
        forms = self._arrays.setdefault((id(shape), self._level), _Forms())
        for item in items[:ITEMS]:
            if len(item) or item.text or shape.is_text:
                _Sketch(self._arrays, self._level).add_to(forms, item, shape)
        self._stretches.append((self._pattern, forms))
        self._pattern = ""
        return "[%b]"


def _layout(text: str | None) -> str:
    """The white space between elements, spelt out: a server that indents does so always."""
    if text and text.strip(" \t\n"):
        raise _Irregular
    return text or ""
