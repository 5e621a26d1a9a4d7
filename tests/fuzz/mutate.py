"""Makes documents out of documents: cut, spliced, doubled, with tokens moved, replaced and invented.

Most mutants stay well-formed, or nearly so, since the interesting faults are behind the parser. The same dice make the
same documents.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence

from fuzz.units import mutate_units

__all__ = ["Mutator"]

_TOKENS = {
    "xml": re.compile(rb"<[^<>]*>|[^<]+|<", re.DOTALL),
    "json": re.compile(rb'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+|\s+|.', re.DOTALL),
}
_LEAF = re.compile(rb"(?<=>)([^<>]*)</")
_NUMBERS = (
    b"0 1 -1 -0 00 01 1.0 12.0 1e3 1E3 1e-3 1e400 -1e400 0.1 .5 5. +5 0x10 1_000 NaN nan inf -Infinity "
    b"9007199254740993 9223372036854775807 9223372036854775808 -9223372036854775809 18446744073709551615 "
    b"18446744073709551616 99999999999999999999999999 1.7976931348623157e308 4.9e-324 0.30000000000000004"
).split()
_TEXTS = (
    b"", b" ", b"  12 ", b"\n12\n", b"\t", b"true", b"false", b"True", b"null", b"None", b"completed", b"success",
    b"2024-04-17T21:36:01.449Z", b"2024-04-17T21:36:01", b"2024-04-17 21:36:01+03:00", b"2024-13-45T99:99:99Z",
    b"0001-01-01T00:00:00+23:59", b"9999-12-31T23:59:59.999999999Z", b"1713389761", b"24:00:00", b"email",
    b"930bfdb0-a5a8-4207-a77d-6b989bdea326", b"\xd1\x8f", "\u2028\x85\xa0\u3000".encode(), "٣".encode(),
    b"\xf0\x9f\x92\x8c", b"full", b"10", b"a" * 5000, b"9" * 5000,
)  # fmt: skip
_BROKEN = (
    b"\0", b"\x01", b"\x0b", b"\x1f", b"\x7f", b"\x80", b"\xc3", b"\xc0\x80", b"\xed\xa0\x80", b"\xef\xbf\xbe",
    b"\xf4\x90\x80\x80", b"\xff", b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf", b"\r", b"\r\n",
)  # fmt: skip
_WORDS = {
    "xml": (
        b"<!---->", b"<!-- -- -->", b"<![CDATA[]]>", b"<![CDATA[12]]>", b"]]>", b"&amp;", b"&lt;", b"&#49;", b"&#x32;",
        b"&#0;", b"&#xD800;", b"&#x110000;", b"&lol;", b"&", b"<?pi?>", b"<?xml version='1.0'?>", b"<", b">", b"/>",
        b"</",
        b"<?xml version='1.0' encoding='utf-16'?>", b"<?xml version=\"1.0\" encoding=\"latin-1\"?>", b"<!DOCTYPE xml>",
        b"<!DOCTYPE x [<!ENTITY a 'b'>]>", b"<!ENTITY a 'b'>", b"<xml>", b"</xml>", b"<data>", b"</data>", b"<data/>",
        b"<result>", b"</result>", b"<result/>", b"<result></result>", b"<status>", b"</status>", b"<error>0</error>",
        b"<error>1</error>", b"<channels>", b"</channels>", b"<channels/>", b"<x/>", b"<x a='1'/>",
        b"<x:y xmlns:x='u'/>",
        b"<data xmlns='u'>", b"<result a=\"&lt;\">", b"<x><y/></x>", b"<\xd1\x8f/>", b"<parent>", b"</parent>",
    ),
    "json": (
        b"{", b"}", b"[", b"]", b",", b":", b'"', b"\\", b"\\u0000", b"\\ud800", b"\\ud83d\\udc8c", b"\\x", b"null",
        b"true",
        b"false", b"nul", b"[]", b"{}", b"[[]]", b'""', b'"data"', b'"error"', b'"result"', b'"status"',
        b'"\\u0064ata"',
        b'"error":1,', b'"data":null,', b'"result":[],', b"//", b"/**/", b"'", b'{"a":{"b":[{}]}}', b'"x":1,', b"-",
    ),
}  # fmt: skip
_CHARSETS = ("utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-8-sig", "utf-7", "cp037", "latin-1", "cp1251")


class Mutator:
    """Makes documents of one format out of a corpus."""

    def __init__(self, format_: str, corpus: Sequence[bytes], dice: random.Random) -> None:
        self._format = format_
        self._dice = dice
        self._corpus = list(corpus)
        self._token = _TOKENS[format_]
        self._words = _WORDS[format_]
        self._steps: tuple[Callable[[bytes], bytes], ...] = (
            *(self._with_units,) * 12,
            *(self._with_tokens,) * 6,
            self._flip,
            self._insert,
            self._cut,
            self._splice,
            *(self._value,) * 4,
        )
        self._moves: tuple[Callable[[list[bytes]], None], ...] = (
            self._drop, self._double, self._swap, self._replace, self._put, self._move_run, self._repeat_run,
            self._borrow,
        )  # fmt: skip

    def mutate(self, data: bytes) -> bytes:
        """A mutant of that document: mostly one or two changes, seldom more."""
        dice = self._dice
        for _ in range(1 + int(dice.expovariate(1.2))):
            data = dice.choice(self._steps)(data)
        if dice.random() < 0.005:
            data = self._recode(data)
        if self._format == "xml" and dice.random() < 0.01:
            data = self._typed(data)
        return data if len(data) < 50_000 else data[:50_000]

    def revalue(self, data: bytes) -> bytes:
        """The XML document with another text in one element, seldom in several. Its form stays the same."""
        dice = self._dice
        for _ in range(1 + int(dice.expovariate(1.5))):
            spans = [match.span(1) for match in _LEAF.finditer(data)]
            start, end = dice.choice(spans or [(0, 0)])
            old = data[start:end]
            if dice.random() < 0.3:
                new = dice.choice(dice.choice((_NUMBERS, _TEXTS, _BROKEN, self._words)))
            elif old.isdigit():
                new = b"%d" % dice.randrange(10 ** dice.randrange(1, 25))
            else:
                new = dice.choice(_LEAF.findall(dice.choice(self._corpus)) or [b""])
            data = data[:start] + new + data[end:]
        return data

    # Of bytes

    def _flip(self, data: bytes) -> bytes:
        if not data:
            return data
        at = self._dice.randrange(len(data))
        return data[:at] + bytes([data[at] ^ 1 << self._dice.randrange(8)]) + data[at + 1 :]

    def _insert(self, data: bytes) -> bytes:
        at = self._dice.randint(0, len(data))
        return data[:at] + self._dice.choice(self._dice.choice((_BROKEN, self._words))) + data[at:]

    def _cut(self, data: bytes) -> bytes:
        start = self._dice.randint(0, len(data))
        end = self._dice.randint(start, min(len(data), start + 200)) if self._dice.random() < 0.9 else len(data)
        return data[:start] + data[end:]

    def _splice(self, data: bytes) -> bytes:
        other = self._dice.choice(self._corpus)
        return data[: self._dice.randint(0, len(data))] + other[self._dice.randint(0, len(other)) :]

    def _value(self, data: bytes) -> bytes:
        """Another text or number in the place of one."""
        spans = [match.span() for match in re.finditer(rb"(?<=[>:\"])[^<>\"{}\[\],:]+(?=[<\",}\]])", data)]
        if not spans:
            return data
        start, end = self._dice.choice(spans)
        return data[:start] + self._dice.choice(self._dice.choice((_NUMBERS, _TEXTS))) + data[end:]

    def _recode(self, data: bytes) -> bytes:
        charset = self._dice.choice(_CHARSETS)
        return data.decode("utf-8", "replace").encode(charset, "replace")

    def _typed(self, data: bytes) -> bytes:
        """The document with a declaration or a document type in front, where a parser expects one."""
        start = self._dice.choice([word for word in self._words if word.startswith((b"<!DOCTYPE", b"<?xml"))])
        return start + data

    # Of tokens

    def _with_units(self, data: bytes) -> bytes:
        tokens = self._token.findall(data)
        mutate_units(self._format, tokens, self._token.findall(self._dice.choice(self._corpus)), self._dice)
        return b"".join(tokens)

    def _with_tokens(self, data: bytes) -> bytes:
        tokens = self._token.findall(data)
        if not tokens:
            return data
        self._dice.choice(self._moves)(tokens)
        return b"".join(tokens)

    def _run(self, tokens: list[bytes]) -> tuple[int, int]:
        start = self._dice.randrange(len(tokens))
        return start, min(len(tokens), start + self._dice.choice((1, 2, 3, 3, 3, 6, 12)))

    def _drop(self, tokens: list[bytes]) -> None:
        start, end = self._run(tokens)
        del tokens[start:end]

    def _double(self, tokens: list[bytes]) -> None:
        start, end = self._run(tokens)
        tokens[start:start] = tokens[start:end]

    def _swap(self, tokens: list[bytes]) -> None:
        one, other = self._dice.randrange(len(tokens)), self._dice.randrange(len(tokens))
        tokens[one], tokens[other] = tokens[other], tokens[one]

    def _replace(self, tokens: list[bytes]) -> None:
        kind = self._dice.choice((self._words, self._words, _NUMBERS, _TEXTS, _BROKEN))
        tokens[self._dice.randrange(len(tokens))] = self._dice.choice(kind)

    def _put(self, tokens: list[bytes]) -> None:
        kind = self._dice.choice((self._words, self._words, self._words, _NUMBERS, _TEXTS, _BROKEN))
        tokens.insert(self._dice.randint(0, len(tokens)), self._dice.choice(kind))

    def _move_run(self, tokens: list[bytes]) -> None:
        start, end = self._run(tokens)
        run = tokens[start:end]
        del tokens[start:end]
        at = self._dice.randint(0, len(tokens))
        tokens[at:at] = run

    def _repeat_run(self, tokens: list[bytes]) -> None:
        start, end = self._run(tokens)
        tokens[start:start] = tokens[start:end] * self._dice.choice((2, 3, 50))

    def _borrow(self, tokens: list[bytes]) -> None:
        others = self._token.findall(self._dice.choice(self._corpus))
        start, end = self._run(others)
        at = self._dice.randint(0, len(tokens))
        tokens[at : at + self._dice.choice((0, 1, 3))] = others[start:end]
