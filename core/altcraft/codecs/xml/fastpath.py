"""The express road: regular documents, read by regular expressions that are learnt from the documents themselves.

A server writes its elements in an order and a layout of its own, always the same. So what the general road has read of
a type is sketched: each stretch of elements between two arrays becomes one pattern, which spells out what was met and
captures the texts, and a template that puts the texts into JSON. The next document of that form takes a few matches,
and goes into the struct through msgspec's decoder, the same converter as on the general road.

* A pattern knows elements and plain texts, nothing else: attributes, comments, CDATA, references, document types, a
  quote, backslash or `>` in a text make a miss. So does a refusal by msgspec, be it of bytes that are no UTF-8.
* A miss leaves the document to the general road, which has the last word. What an empty element means, both roads take
  from the same shape.
* Each repetition in a pattern ends at a `<`, which it can't contain itself, and no array is read twice, be the first
  reading in vain: time is linear in the document. Learning is bounded, too: a few forms a type or array, a few lessons.
"""

from __future__ import annotations

import re
import sys
from contextlib import suppress
from itertools import groupby
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec

from altcraft.codecs.shapes import ABSENT, Members, Shape

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

    from altcraft.codecs.xml.fastpath_counts import FastPathCounts

__all__ = ["MISS", "FastPath"]

MISS = object()  # the answer to a document that is not regular, or of a form not met yet
FORMS = 8  # that are known of a type or an array, at most
LESSONS = 12  # documents that are looked at to learn, a type
SAMPLES = 64  # items that are looked at to learn, an array and a document
LONGEST = 10_000  # characters that a pattern may have
PATIENCE = 16  # misses in a row, after which only one document in as many is tried

_POSSESSIVE = "+" if sys.version_info >= (3, 11) else ""  # spares the matcher its notes for turning back, no more
_PROLOG = r'(?:<\?xml version="1\.0"(?: encoding="[Uu][Tt][Ff]-8")?(?: standalone="yes")? ?\?>)?'
_SPACE = r"[ \t\r\n]*" + _POSSESSIVE
_TEXT = r'[^\x00-\x1f<>&"\\\xef]*' + _POSSESSIVE  # \xef: U+FFFE and U+FFFF, not in XML, begin with it in UTF-8
_TOKEN = r"[!#-%'-;=?-\[\]-~]+" + _POSSESSIVE  # no white space, ASCII: what is not a string needs no more
_DIGITS = r"[0-9]+" + _POSSESSIVE  # a number in JSON, or no JSON at all: 007
_NUMBER = r"[-+.0-9eE]+" + _POSSESSIVE  # any number, NaN and the infinities apart
_UNREAD = r"[ -%'-;=?-~]*" + _POSSESSIVE  # of elements that nobody knows: ASCII, so that the rest alone is checked
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")


class _Irregular(Exception):
    """A document from which nothing can be learnt."""


# A stretch of elements, and what comes after it: an array and one of the next steps, or the end. Then the template of
# all the steps to this one, where it is the last. A plain tuple is the quickest to take apart.
_Step: TypeAlias = "tuple[re.Pattern[bytes], _Forms | None, tuple[_Step, ...], bytes]"


class _Forms:
    """The forms that are known of a document, or of an array's items, as a tree: no array is read twice."""

    def __init__(self) -> None:
        self._steps: tuple[_Step, ...] = ()
        self._is_flat = True  # none of them has an array
        self.number = 0

    def read(self, data: bytes, at: int) -> tuple[bytes, int] | None:
        """What begins at `at`, in JSON, and the place after it; None where it is of no form that is known."""
        steps = self._steps
        texts: tuple[bytes, ...] = ()
        unread: tuple[tuple[_Forms, int], ...] = ()  # arrays, and where each could not be read
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
        """The same for an array's items, any number of them but none."""
        items: list[bytes] = []
        steps = self._steps
        while not self._is_flat and (read := self.read(data, at)) is not None:
            items.append(read[0])
            at = read[1]
        while self._is_flat:  # as most arrays are: their items in place
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
        """A form; nothing happens where it is known, or where enough are."""
        if self.number < FORMS:
            steps = _grown(self._steps, stretches, template.encode())
            self.number += steps != self._steps
            self._is_flat = self._is_flat and len(stretches) == 1  # before the steps: another thread may read them
            self._steps = steps


def _grown(steps: tuple[_Step, ...], stretches: list[tuple[str, _Forms | None]], template: bytes) -> tuple[_Step, ...]:
    (pattern, array), *rest = stretches
    stretch = re.compile(pattern.encode())
    known = next((step for step in steps if step[:2] == (stretch, array)), None)
    after, ending = known[2:] if known else ((), b"" if rest else template)
    if rest:
        after = _grown(after, rest, template)
    others = [other for other in steps if other is not known]
    # The longest first, since one may begin as another does.
    return tuple(sorted([*others, (stretch, array, after, ending)], key=lambda step: -len(step[0].pattern)))


class FastPath:
    """One type's express road. Threads may share it: at worst, two of them learn the same thing."""

    def __init__(self, type_: Any, shape: Shape, counts: FastPathCounts) -> None:
        self._decode = msgspec.json.Decoder(type_, strict=False).decode
        self._shape = shape
        self._counts = counts
        self._arrays: dict[tuple[int, int], _Forms] = {}
        self._forms = _Forms()
        self._lessons = LESSONS
        self._missed = 0  # in a row

    def read(self, data: bytes) -> Any:
        """The value, or MISS. msgspec's refusals are misses too."""
        if self._missed < PATIENCE or self._missed % PATIENCE == 0:
            try:
                found = self._forms.read(data, 0)
                if found is not None and found[1] == len(data):
                    value = self._decode(found[0])
                    self._counts.hits += 1
                    self._missed = 0
                    return value
            except (msgspec.MsgspecError, ValueError, RecursionError):
                pass
        self._counts.misses += 1
        self._missed += 1
        return MISS

    @property
    def wants_to_learn(self) -> bool:
        """Whether it would look at the document it has just missed: not at the first, which may be the only one."""
        return self._lessons > 0 and (self._missed > 1 or self._forms.number > 0)

    def learn(self, root: Element) -> None:
        """Looks at a document that the general road has read."""
        self._lessons -= 1
        with suppress(_Irregular, RecursionError):
            _Sketch(self._arrays, 0, _PROLOG + _SPACE).teach(self._forms, root, self._shape)


class _Sketch:
    """Draws one element as patterns and a template."""

    def __init__(self, arrays: dict[tuple[int, int], _Forms], level: int, beginning: str = "") -> None:
        self._arrays = arrays
        self._level = level
        self._pattern = beginning
        self._stretches: list[tuple[str, _Forms | None]] = []

    def teach(self, forms: _Forms, element: Element, shape: Shape) -> None:
        """Adds the element's form to those known."""
        template = self._element(element, shape)
        self._stretches.append((self._pattern + _SPACE, None))
        if not template or any(len(pattern) > LONGEST for pattern, _ in self._stretches):
            raise _Irregular
        forms.add(self._stretches, template)

    def _element(self, element: Element, shape: Shape | None) -> str:
        """Adds the element to the pattern; the template of its value, "" where it has none."""
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
            self._pattern += f"<{name}>({_TEXT})</{name}>" if text else f"<{name}(?:/|>({_TEXT})</{name})>"
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
                    raise _Irregular  # an array that each of the variants would read for itself
                members[name] = self._array(children, member.shape)
                continue
            for child in children:
                template = self._element(child, member.shape if member is not None else None)
                self._pattern += _layout(child.tail)
                if template:
                    members[name] = template
        return "" if shape is None else "{" + ",".join(f'"{key}":{value}' for key, value in members.items()) + "}"

    def _array(self, items: list[Element], shape: Shape) -> str:
        first = items[0]
        if len(items) == 1 and not len(first) and not first.text:
            self._pattern += f"<{first.tag}(?:/|></{first.tag})>{_SPACE}"
            return "[]"
        # At each level its own, so that no combination of forms is deeper than what has passed the limit of depth.
        forms = self._arrays.setdefault((id(shape), self._level), _Forms())
        for item in items[:SAMPLES]:
            if len(item) or item.text or shape.is_text:
                _Sketch(self._arrays, self._level).teach(forms, item, shape)
        self._stretches.append((self._pattern, forms))
        self._pattern = ""
        return "[%b]"


def _layout(text: str | None) -> str:
    """White space between elements, as it stands: a server that indents does so all the time."""
    if text and text.strip(" \t\n"):
        raise _Irregular
    return text or ""
