"""Where a key stands in a TOML file: Python's parser does not say."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

__all__ = ["Path", "line_of", "written"]

Path: TypeAlias = "Sequence[str | int]"
"""Keys of tables and places in arrays, from the document down."""


def line_of(text: str, path: Path, loads: Callable[[str], dict[str, Any]]) -> int | None:
    """The line, from 1, on which the value at `path` begins; None where there is no such value.

    The value begins on the line behind the longest beginning of the file that is TOML and lacks it.
    """
    lines = text.splitlines(keepends=True)

    def parsed(count: int) -> dict[str, Any] | None:
        try:
            return loads("".join(lines[:count]))
        except ValueError:
            return None  # it ends within a value of several lines

    least, most = 0, len(lines)  # the first `least` lines lack the value, the first `most` have it
    if not _holds(parsed(most), path):
        return None
    while most - least > 1:
        middle = (least + most) // 2
        while middle > least and (document := parsed(middle)) is None:
            middle -= 1
        if middle == least:  # no beginning in the lower half: look in the upper one
            middle = (least + most) // 2 + 1
            while middle < most and (document := parsed(middle)) is None:
                middle += 1
            if middle == most:
                break
        if _holds(document, path):
            most = middle
        else:
            least = middle
    return least + 1


def written(path: Path) -> str:
    """As in "section[1].recount[0].name"."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def _holds(document: Any, path: Path) -> bool:
    for part in path:
        if isinstance(part, int):
            if not isinstance(document, list) or part >= len(document):
                return False
        elif not isinstance(document, dict) or part not in document:
            return False
        document = document[part]
    return True
