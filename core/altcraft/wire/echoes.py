"""Finds a secret in the text that another machine sent, in the forms that servers give to what they echo.

A text is searched as it is, then with its escapes undone, then with the escapes in that undone. So a token is found
that is percent-encoded within JSON within XML. Undoing escapes may also change a token that looks escaped itself, such
as "a%41": it is sought as it is, and as it becomes.
"""

from __future__ import annotations

import re
from binascii import b2a_base64
from bisect import bisect_right
from collections.abc import Iterator
from typing import TypeAlias

__all__ = ["Echoes"]

_LAYERS = 3
"""So many layers of escapes are undone."""

_SHORTEST_BASE64 = 6
"""Fewer characters of base64 may well be part of another text."""

_LONGEST = 16_384
"""Characters of a text that has escapes, or the secret. No honest text is longer, and work on it takes time."""

_BASE64 = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_")

Span: TypeAlias = "tuple[int, int]"


class Echoes:
    """The forms of one secret. `mask` replaces them in a text."""

    __slots__ = ("_base64", "_margin", "_plain")

    def __init__(self, secret: str) -> None:
        variants = [secret]
        for _ in range(_LAYERS):
            variants.append(_Unescaped(variants[-1]).text)
        data = secret.encode("utf-8", "surrogatepass")
        cases = (case(variant) for variant in variants for case in (str, str.upper, str.lower, str.casefold))
        self._plain = {data.hex(), *map(_lower, cases)} - {""}
        self._base64 = dict(_base64_forms(data))
        self._margin = 64 * len(data)  # the length of the secret with several layers of escapes

    def mask(self, text: str, mask: str) -> str:
        """The text with a mask in place of the secret. One that is too long for the work is cut, and ends in "…"."""
        lowered = _lower(text)
        if not _has_escapes(text) and not any(form in lowered for form in (*self._plain, *self._base64)):
            return text
        parts: list[str] = []
        done = 0
        for start, end in sorted(self._spans(text[: _LONGEST + self._margin])):
            if start >= _LONGEST:
                break
            if start >= done:
                parts += text[done:start], mask
            done = max(done, end)
        return "".join(parts) + text[done:_LONGEST] + "…" * (len(text) > _LONGEST)

    def _spans(self, text: str, layers: int = _LAYERS) -> Iterator[Span]:
        lowered = _lower(text)
        for form in self._plain:
            for start in _places(form, lowered):
                yield start, start + len(form)
        for form, shares_first in self._base64.items():
            for start in _places(form, lowered):
                yield _base64_span(text, start - shares_first, start + len(form))
        if layers and _has_escapes(text):
            plain = _Unescaped(text)
            for start, end in self._spans(plain.text, layers - 1):
                yield plain.source(start)[0], plain.source(end - 1)[1]


def _has_escapes(text: str) -> bool:
    """Whether there may be escapes: quick, for texts of any length."""
    return "%" in text or "\\" in text or "&" in text or "\0" in text


def _lower(text: str) -> str:
    """The text in lower case, character for character, so that places in it are places in the text."""
    lowered = text.lower()
    if len(lowered) != len(text):
        lowered = "".join(low if len(low := character.lower()) == 1 else character for character in text)
    return lowered.replace("ς", "σ")  # which of the two it is depends on the next letter


def _places(form: str, text: str) -> Iterator[int]:
    start = text.find(form)
    while start >= 0:
        yield start
        start = text.find(form, start + len(form))


def _base64_forms(data: bytes) -> Iterator[tuple[str, bool]]:
    """What base64 text has in it that encodes the data, after 0 to 2 other bytes in the first group of three.

    These are the characters that the data alone decides, in lower case, each with whether the character before them
    holds bits of the data, too.
    """
    for ahead in range(3):
        first, last = -(-ahead * 8 // 6), (ahead + len(data)) * 8 // 6
        encoded = b2a_base64(bytes(ahead) + data + bytes(2), newline=False).decode()
        for form in (encoded[first:last], encoded[first:last].replace("+", "-").replace("/", "_")):
            if len(form) >= _SHORTEST_BASE64:
                yield form.lower(), ahead > 0


def _base64_span(text: str, start: int, end: int) -> Span:
    """The span with the character behind it, which holds bits of the data, too, and with the padding."""
    if end < len(text) and text[end] in _BASE64:
        end += 1
    while end < len(text) and text[end] == "=":
        end += 1
    return max(start, 0), end


class _Unescaped:
    """A text with one layer of escapes undone, and the way back to the places in the text."""

    def __init__(self, text: str) -> None:
        pieces: list[str] = []
        self._plain: list[int] = [0]  # where each piece begins in the plain text,
        self._source: list[Span] = [(0, 0)]  # and the first character of it in the source
        self._at = done = 0
        for match in re.finditer(_ESCAPES, text):
            start, end = match.span()
            if start > done:
                pieces.append(self._piece(text[done:start], done, 1))
            for character, length in _decoded(match[0]):
                pieces.append(self._piece(character, start, length))
                start += length
            done = end
        pieces.append(self._piece(text[done:], done, 1))
        self.text = "".join(pieces)

    def _piece(self, piece: str, start: int, length: int) -> str:
        self._plain.append(self._at)
        self._source.append((start, start + length))
        self._at += len(piece)
        return piece

    def source(self, at: int) -> Span:
        """Where the character at a place of the plain text comes from."""
        index = bisect_right(self._plain, at) - 1
        ahead = at - self._plain[index]
        start, end = self._source[index]
        return start + ahead, end + ahead


_ESCAPES = (
    r"(?i)(?:%[0-9a-f]{2})+|(?:\\u[0-9a-f]{4})+|(?:\\x[0-9a-f]{2})+"
    r"""|\\["'\\/bfnrt]|&(?:amp|lt|gt|quot|apos|#[0-9]{1,12}|#x[0-9a-f]{1,12});|\0+"""
)
_SHORT = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_NAMED = {"&amp;": "&", "&lt;": "<", "&gt;": ">", "&quot;": '"', "&apos;": "'"}


def _decoded(escape: str) -> Iterator[tuple[str, int]]:
    """The characters that an escape, or a run of them, stands for; each with the length of what stands for it."""
    if escape[0] == "%":
        yield from _of_bytes(escape, 3)
    elif escape[0] == "&":
        yield _referred(escape), len(escape)
    elif escape[:2].lower() == "\\x":
        yield from _of_bytes(escape, 4)
    elif escape[:2].lower() == "\\u":
        units = bytes.fromhex(re.sub(r"\\u", "", escape, flags=re.IGNORECASE))
        for character in units.decode("utf-16-be", "surrogatepass"):
            yield character, 12 if ord(character) > 0xFFFF else 6
    elif escape[0] == "\\":
        yield _SHORT.get(escape[1], escape[1]), 2
    # Zero bytes stand for nothing: they are between the letters of a UTF-16 text that was read as bytes.


def _of_bytes(escape: str, length: int) -> Iterator[tuple[str, int]]:
    data = bytes(int(escape[end - 2 : end], 16) for end in range(length, len(escape) + 1, length))
    for character in data.decode("utf-8", "surrogateescape"):
        yield character, length * len(character.encode("utf-8", "surrogateescape"))


def _referred(reference: str) -> str:
    if reference[1] != "#":
        return _NAMED[reference.lower()]
    code = int(reference[3:-1], 16) if reference[2] in "xX" else int(reference[2:-1])
    return chr(code) if code < 0x110000 else "\N{REPLACEMENT CHARACTER}"
