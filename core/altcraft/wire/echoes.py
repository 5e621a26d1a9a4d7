"""Finds a secret in the text that another machine sent, escaped and encoded in the ways that servers have.

A text is searched as it is, then with one kind of escapes undone, then with another kind undone in that, and so on.
So a token is found that is percent-encoded within JSON within XML. A search takes time in proportion to the text,
times the number of such ways to read it: callers cut a text to a bounded size first, and to its final size afterwards.
"""

from __future__ import annotations

import base64
import re
from bisect import bisect_right
from collections.abc import Callable, Iterator
from typing import TypeAlias

__all__ = ["Echoes"]

_DEPTH = 3
"""So many layers of escapes are undone."""

_SHORTEST_BASE64 = 6
"""Fewer characters of base64 may well be part of another text."""

Span: TypeAlias = "tuple[int, int]"
Decoded: TypeAlias = "Iterator[tuple[str, int]]"
"""The characters of an escape sequence, each with the length of what stands for it."""


class Echoes:
    """The forms of one secret. `spans` gives their places in a text."""

    __slots__ = ("_forms",)

    def __init__(self, secret: str) -> None:
        data = secret.encode("utf-8", "surrogatepass")
        forms = {re.escape(case) for case in (secret, secret.upper(), secret.lower(), secret.casefold())}
        forms.add(data.hex())
        for ahead in range(3):
            forms.update(_base64_forms(data, ahead))
        self._forms = re.compile("|".join(sorted(forms, key=len, reverse=True)), re.IGNORECASE)

    def spans(self, text: str) -> list[Span]:
        """Where the text has the secret in one form or another, in order, without overlaps."""
        merged: list[Span] = []
        for start, end in sorted(self._found(text, _DEPTH)):
            if merged and start <= merged[-1][1]:
                merged[-1] = merged[-1][0], max(merged[-1][1], end)
            else:
                merged.append((start, end))
        return merged

    def _found(self, text: str, depth: int) -> Iterator[Span]:
        for match in self._forms.finditer(text):
            yield match.span()
        for escapes, decode in _ESCAPES if depth else ():
            plain = _Unescaped(text, escapes, decode)
            if plain.is_changed:
                for start, end in self._found(plain.text, depth - 1):
                    yield plain.source(start)[0], plain.source(end - 1)[1]


def _base64_forms(data: bytes, ahead: int) -> Iterator[str]:
    """Patterns of base64 text that encodes the data after `ahead` other bytes in its first group of three.

    Only the characters that the data alone decides are fixed. One at either end holds bits of a neighbour, too.
    """
    first, last = -(-ahead * 8 // 6), (ahead + len(data)) * 8 // 6
    for alphabet in (None, b"-_"):
        fixed = base64.b64encode(bytes(ahead) + data + bytes(2), alphabet)[first:last].decode()
        if len(fixed) >= _SHORTEST_BASE64:
            shared = "[A-Za-z0-9+/_-]?"
            yield f"{shared if ahead else ''}{re.escape(fixed)}{shared}={{0,2}}"


class _Unescaped:
    """A text with one kind of escapes undone, and the way back to the places in the text."""

    def __init__(self, text: str, escapes: re.Pattern[str], decode: Callable[[str], Decoded]) -> None:
        pieces: list[str] = []
        self._plain: list[int] = [0]  # where each piece begins in the plain text,
        self._source: list[Span] = [(0, 0)]  # and the first character of it in the source
        self._at = done = 0
        for match in escapes.finditer(text):
            start, end = match.span()
            if start > done:
                pieces.append(self._piece(text[done:start], done, 1))
            for character, length in decode(match[0]):
                pieces.append(self._piece(character, start, length))
                start += length
            done = end
        self.is_changed = done > 0
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


def _percent(run: str) -> Decoded:
    for character in bytes.fromhex(run.replace("%", "")).decode("utf-8", "surrogateescape"):
        yield character, 3 * len(character.encode("utf-8", "surrogateescape"))


_SHORT_ESCAPES = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}


def _backslash(sequence: str) -> Decoded:
    if sequence[1] == "x":
        for character in bytes.fromhex(sequence.replace("\\x", "").replace("\\X", "")).decode(
            "utf-8", "surrogateescape"
        ):
            yield character, 4 * len(character.encode("utf-8", "surrogateescape"))
    elif len(sequence) > 2:
        units = bytes.fromhex(re.sub(r"\\u", "", sequence, flags=re.IGNORECASE))
        for character in units.decode("utf-16-be", "surrogatepass"):
            yield character, 6 * (len(character.encode("utf-16-be", "surrogatepass")) // 2)
    else:
        yield _SHORT_ESCAPES.get(sequence[1], sequence[1]), 2


_NAMED = {"&amp;": "&", "&lt;": "<", "&gt;": ">", "&quot;": '"', "&apos;": "'"}


def _reference(reference: str) -> Decoded:
    named = _NAMED.get(reference.lower())
    if named is not None:
        yield named, len(reference)
        return
    digits = reference[2:-1]
    code = int(digits[1:], 16) if digits[0] in "xX" else int(digits)
    yield chr(code) if code < 0x110000 else "\N{REPLACEMENT CHARACTER}", len(reference)


def _nothing(run: str) -> Decoded:
    """The zero bytes between the letters of a UTF-16 text that was read as bytes."""
    return iter(())


_ESCAPES: tuple[tuple[re.Pattern[str], Callable[[str], Decoded]], ...] = (
    (re.compile(r"(?:%[0-9a-f]{2})+", re.IGNORECASE), _percent),
    (re.compile(r"""(?:\\u[0-9a-f]{4})+|(?:\\x[0-9a-f]{2})+|\\["'\\/bfnrt]""", re.IGNORECASE), _backslash),
    (re.compile(r"&(?:amp|lt|gt|quot|apos|#[0-9]{1,12}|#x[0-9a-f]{1,12});", re.IGNORECASE), _reference),
    (re.compile(r"\0+"), _nothing),
)
