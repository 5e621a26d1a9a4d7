"""The units of a document: elements of XML; members and items of JSON. A change to whole units keeps it well-formed."""

from __future__ import annotations

import random

__all__ = ["mutate_units"]

Span = tuple[int, int]


def mutate_units(format_: str, tokens: list[bytes], others: list[bytes], dice: random.Random) -> None:
    """Drop, double or swap a unit, or replace it by one of another document. One without units stays as it is."""
    mine, theirs = _units(format_, tokens), _units(format_, others)
    if not mine:
        return
    kind, (start, end) = dice.choice(mine)
    comma = [b","] if format_ == "json" else []
    choice = dice.random()
    if choice < 0.25:
        if comma and tokens[end : end + 1] == comma:
            end += 1
        elif comma and tokens[start - 1 : start] == comma:
            start -= 1
        del tokens[start:end]
    elif choice < 0.5:
        tokens[start:end] = (tokens[start:end] + comma) * dice.choice((1, 1, 2, 20)) + tokens[start:end]
    elif choice < 0.75:
        apart = [span for other, span in mine if other == kind and (span[0] >= end or span[1] <= start)]
        if apart:
            (first, first_end), (second, second_end) = sorted([(start, end), dice.choice(apart)])
            swapped = tokens[second:second_end] + tokens[first_end:second] + tokens[first:first_end]
            tokens[first:second_end] = swapped
    else:
        alike = [span for other, span in theirs if other == kind]
        if alike:
            other_start, other_end = dice.choice(alike)
            tokens[start:end] = others[other_start:other_end]


def _units(format_: str, tokens: list[bytes]) -> list[tuple[str, Span]]:
    return _elements(tokens) if format_ == "xml" else _members_and_items(tokens)


def _elements(tokens: list[bytes]) -> list[tuple[str, Span]]:
    found: list[tuple[str, Span]] = []
    opened: list[int] = []
    for at, token in enumerate(tokens):
        if token.startswith(b"</"):
            if opened:
                found.append(("element", (opened.pop(), at + 1)))
        elif token.endswith(b"/>"):
            found.append(("element", (at, at + 1)))
        elif token.startswith(b"<") and token[1:2] not in (b"!", b"?", b""):
            opened.append(at)
    return [unit for unit in found if unit[1][0] > 0]  # the root stays


def _members_and_items(tokens: list[bytes]) -> list[tuple[str, Span]]:
    tokens[:] = [token for token in tokens if not token.isspace()]
    found: list[tuple[str, Span]] = []
    opened: list[int] = []
    for at, token in enumerate(tokens):
        if token in (b"{", b"["):
            opened.append(at)
            continue
        if token in (b"}", b"]"):
            if not opened:
                continue
            start = opened.pop()
        elif token in (b",", b":") or tokens[at + 1 : at + 2] == [b":"]:
            continue
        else:
            start = at
        if start >= 2 and tokens[start - 1] == b":":
            found.append(("member", (start - 2, at + 1)))
        elif start > 0:
            found.append(("item", (start, at + 1)))
    return found
