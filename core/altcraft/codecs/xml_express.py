"""The express road: regular documents, read by regular expressions that are learnt from the documents themselves.

A server writes its elements in an order and a layout of its own, always the same. So what the general road has read of
a type is sketched: each stretch of elements between two arrays becomes one pattern, which spells out what was met and
captures the texts, and a template that puts the texts into JSON. The next document of that form takes a few matches,
and goes into the struct through msgspec's decoder, the same converter as on the general road.

What keeps it honest:

* A pattern knows elements and plain texts, nothing else. Attributes, comments, CDATA, references, document types,
  control characters, a quote or backslash or `>` in a text: any of these, and the document is a miss.
* A miss, a refusal by msgspec included, leaves the document to the general road, which has the last word.
* What an empty element means is taken from the same shape that the general road goes by.

Each repetition in a pattern ends at a `<`, which it can't contain itself: matching takes time linear in the document.
Learning is bounded: a few forms a type or array, a few lessons; whatever arrives, no more is compiled.
"""

from __future__ import annotations

import re
import sys
from contextlib import suppress
from itertools import groupby
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from altcraft.codecs.xml_shape import ABSENT, Shape

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

    from altcraft.codecs.xml import ExpressCounts

__all__ = ["MISS", "Express"]

MISS = object()
"""The answer to a document that is not regular, or of a form not met yet."""

FORMS = 6  # that are known of a type or an array, at most
LESSONS = 12  # documents that are looked at to learn, a type
SAMPLES = 64  # items that are looked at to learn, an array and a document
LONGEST = 20_000  # characters that a pattern may have
PATIENCE = 16  # misses in a row, after which only one document in as many is tried

_POSSESSIVE = "+" if sys.version_info >= (3, 11) else ""  # spares the matcher its notes for turning back, no more
_PROLOG = r'(?:<\?xml version="1\.0"(?: encoding="[Uu][Tt][Ff]-8")?(?: standalone="yes")? ?\?>)?'
_SPACE = r"[ \t\r\n]*" + _POSSESSIVE
_TEXT = r'[^\x00-\x1f<>&"\\]*' + _POSSESSIVE
_TOKEN = r"[!#-%'-;=?-\[\]-~]+" + _POSSESSIVE  # no white space, ASCII: what is not a string needs no more
_DIGITS = r"[0-9]+" + _POSSESSIVE  # a number in JSON, or no JSON at all: 007
_NUMBER = r"[-+.0-9eE]+" + _POSSESSIVE  # any number, NaN and the infinities apart
_UNREAD = r"[ -%'-;=?-~]*" + _POSSESSIVE  # of elements that nobody knows: ASCII, so that the rest alone is checked
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_NOT_IN_XML = (b"\xef\xbf\xbe", b"\xef\xbf\xbf")  # U+FFFE and U+FFFF, all that the patterns let pass


class _Irregular(Exception):
    """A document from which nothing can be learnt."""


class _Form(NamedTuple):
    """One way in which an element was seen to be written: a stretch, then arrays, each with the stretch behind it."""

    first: re.Pattern[bytes]
    more: tuple[tuple[_Array, re.Pattern[bytes]], ...]
    template: bytes

    def read(self, data: bytes, at: int) -> tuple[bytes, int] | None:
        """What begins at `at`, in JSON, and the place after it; None where it is of another form."""
        found = self.first.match(data, at)
        if found is None:
            return None
        texts = found.groups(b"")
        for array, stretch in self.more:
            items, at = array.read(data, found.end())
            found = stretch.match(data, at)
            if items is None or found is None:
                return None
            texts += items, *found.groups(b"")
        return self.template % texts, found.end()


class _Array:
    """The items of one array, whatever form each has."""

    def __init__(self, shape: Shape) -> None:
        self._shape = shape
        self._forms: tuple[_Form, ...] = ()

    def read(self, data: bytes, at: int) -> tuple[bytes | None, int]:
        """The items that begin at `at`, None where there are none, and the place after them."""
        forms = self._forms
        items: list[bytes] = []
        while True:
            for form in forms:
                if form.more:
                    read = form.read(data, at)
                    if read is not None:
                        item, at = read
                        break
                else:  # the common case, in place
                    found = form.first.match(data, at)
                    if found is not None:
                        item, at = form.template % found.groups(b""), found.end()
                        break
            else:
                break
            items.append(item)
        if items == [b'""']:  # a lone and empty element is the empty array
            return b"", at
        return b",".join(items) if items else None, at

    def learn(self, items: list[Element], arrays: dict[int, _Array]) -> None:
        """Looks at the items of an array, as far as it needs to."""
        for item in items[:SAMPLES]:
            if len(item) or item.text or self._shape.is_text:
                self._forms = _with(self._forms, _Sketch(arrays), item, self._shape)


class Express:
    """One type's express road. Threads may share it: at worst, two of them learn the same thing."""

    def __init__(self, type_: Any, shape: Shape, counts: ExpressCounts) -> None:
        self._decode = msgspec.json.Decoder(type_, strict=False).decode
        self._shape = shape
        self._counts = counts
        self._arrays: dict[int, _Array] = {}
        self._forms: tuple[_Form, ...] = ()
        self._lessons = LESSONS
        self._missed = 0  # in a row

    def read(self, data: bytes) -> Any:
        """The value, or MISS. msgspec's refusals are misses too."""
        if self._missed < PATIENCE or self._missed % PATIENCE == 0:
            for form in self._forms:
                found = form.read(data, 0)
                if found is None or found[1] != len(data):
                    continue
                json = found[0]
                if json.isascii() or _is_legal(json):
                    try:
                        value = self._decode(json)
                    except (msgspec.MsgspecError, ValueError, RecursionError):
                        break
                    self._counts.hits += 1
                    self._missed = 0
                    return value
        self._counts.misses += 1
        self._missed += 1
        return MISS

    @property
    def wants_to_learn(self) -> bool:
        """Whether it would look at the document it has just missed: not at the first, which may be the only one."""
        return self._lessons > 0 and (self._missed > 1 or bool(self._forms))

    def learn(self, root: Element) -> None:
        """Looks at a document that the general road has read."""
        self._lessons -= 1
        with suppress(_Irregular, RecursionError):
            self._forms = _with(self._forms, _Sketch(self._arrays, _PROLOG + _SPACE), root, self._shape)


def _with(forms: tuple[_Form, ...], sketch: _Sketch, element: Element, shape: Shape) -> tuple[_Form, ...]:
    """The forms, and that of the element if it is a new one."""
    if len(forms) == FORMS:
        return forms
    form = sketch.form(element, shape)
    return forms if form in forms else (*forms, form)


class _Sketch:
    """Draws one element as patterns and a template."""

    def __init__(self, arrays: dict[int, _Array], beginning: str = "") -> None:
        self._arrays = arrays
        self._pattern = beginning
        self._more: list[_Array] = []
        self._patterns: list[str] = []

    def form(self, element: Element, shape: Shape) -> _Form:
        template = self._element(element, shape)
        if not template:
            raise _Irregular
        first, *rest = (re.compile(pattern.encode()) for pattern in (*self._patterns, self._pattern + _SPACE))
        return _Form(first, tuple(zip(self._more, rest, strict=True)), template.encode())

    def _element(self, element: Element, shape: Shape | None) -> str:
        """Adds the element to the pattern; the template of its value, "" where it has none."""
        name = element.tag
        if _NAME.fullmatch(name) is None or len(self._pattern) > LONGEST:
            raise _Irregular
        if len(element):
            self._pattern += f"<{name}>{_layout(element.text)}"
            template = self._children(element, shape)
            self._pattern += f"</{name}>"
            return template
        text = element.text or ""
        if shape is None:
            self._pattern += f"<{name}(?:/|>{_UNREAD}</{name})>"
            return ""
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
        if shape is None:
            fields, values = {}, None
        elif shape.fields is None and (shape.values is None or shape.values.is_array or not shape.has_plain_keys):
            raise _Irregular
        else:
            fields, values = shape.fields or {}, shape.values
        members: dict[str, str] = {}
        for name, group in groupby(element, lambda child: child.tag):
            children = list(group)
            member = values or fields.get(name)
            if name in members:
                raise _Irregular
            if member is not None and member.is_array:
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
        array = self._arrays.setdefault(id(shape), _Array(shape))
        array.learn(items, self._arrays)
        self._more.append(array)
        self._patterns.append(self._pattern)
        self._pattern = ""
        return "[%b]"


def _layout(text: str | None) -> str:
    """White space between elements, as it stands: a server that indents does so all the time."""
    if text and text.strip(" \t\n"):
        raise _Irregular
    return text or ""


def _is_legal(data: bytes) -> bool:
    """Whether what is not ASCII is UTF-8, and all its characters are XML's."""
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return not any(character in data for character in _NOT_IN_XML)
