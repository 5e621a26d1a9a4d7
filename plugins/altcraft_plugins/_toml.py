"""TOML files of a plugin's own, and the words for the mistakes in them."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable
from difflib import get_close_matches
from typing import Any, Final, cast

__all__ = ["in_words", "loader", "suggestion"]

TYPES: Final = {
    "float": "a number", "int": "a whole number", "str": "a text", "bool": "true or false", "array": "a list",
    "object": "a table", "null": "nothing", "date": "a date", "time": "a time", "datetime": "a time",
    "float | null": "a number", "int | null": "a whole number", "str | null": "a text",
    "float | str | null": "a number or a text", "int | str": "a whole number or a text",
    "int | str | array | null": "a whole number, a text or a list",
}  # fmt: skip
"""msgspec's names of types, in words."""


def loader(what: str) -> Callable[[str], dict[str, Any]]:
    """The function that reads TOML. ValueError where Python has none; `what` is the file that needs it."""
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        try:
            import tomli as tomllib  # pyright: ignore[reportMissingImports]  # for Python 3.10 alone
        except ImportError:
            raise ValueError(f"{what} needs Python 3.11, or the package tomli: pip install tomli") from None
    return cast("Callable[[str], dict[str, Any]]", tomllib.loads)


def suggestion(name: object, known: Iterable[str]) -> str:
    """As in "did you mean segments?", or the names that there are."""
    names = list(known)
    near = get_close_matches(str(name), names, 1)
    return f"did you mean {near[0]}?" if near else f"known: {', '.join(names)}"


def in_words(message: str) -> str:
    """msgspec's message for a person: "rate: a number, not a text"."""
    text, _, path = message.partition(" - at `$.")
    for type_, words in TYPES.items():
        text = text.replace(f"`{type_}`", words)
    text = text.replace("Expected ", "").replace(", got ", ", not ")
    if (missing := re.fullmatch("Object missing required field `(.*)`", text)) is not None:
        return f"{missing[1]}: missing"
    return f"{path.rstrip('`')}: {text}" if path else text
