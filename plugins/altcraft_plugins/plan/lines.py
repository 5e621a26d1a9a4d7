"""Where a key stands in a TOML file: Python's parser does not say."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias, cast

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
        for count in (*range(middle, least, -1), *range(middle + 1, most)):
            document = parsed(count)
            if document is not None:
                break
        else:
            break  # the value takes all the lines between
        if _holds(document, path):
            most = count
        else:
            least = count
    return least + 1


def written(path: Path) -> str:
    """As in "section[1].recount[0].name"."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def _holds(document: object, path: Path) -> bool:
    for part in path:
        is_there = part < len(document) if isinstance(document, list) and isinstance(part, int) else False
        if isinstance(document, dict):
            is_there = part in document
        if not is_there:
            return False
        document = cast("dict[str | int, object]", document)[part]
    return True
