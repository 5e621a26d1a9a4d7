"""The sandbox's settings: their defaults, their limits, and how a `sandbox:` URL spells them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from urllib.parse import parse_qsl, urlsplit

import msgspec

from altcraft_plugins.sandbox.misbehaviour import Misbehaviour
from altcraft_plugins.sandbox.pace import DEFAULT_PACE, Pace, check_pace, parse_pace
from altcraft_plugins.sandbox.seed import MAX_PROFILES

__all__ = ["DEFAULT_PACE", "DEFAULT_TOKENS", "Settings", "check_settings", "parse_url"]

DEFAULT_TOKENS: Final = ("sandbox", "abcdefghijklmnqrstuvwxyz")
"""Known to everybody, as befits invented data: a client's default, and the documentation's example."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What a URL can set; the parameters of Sandbox have the same names and meanings."""

    db: str | None = None
    profiles: int | None = None
    pace: Pace = DEFAULT_PACE
    tokens: tuple[str, ...] = DEFAULT_TOKENS
    feedback: str | None = None
    feedback_delay: float = 3.0
    feedback_anywhere: bool = False


def parse_url(url: str) -> Settings:
    """The settings in the query of a URL such as "sandbox:?profiles=10000&pace=0". Raises ValueError.

    `tokens` may be given several times, and each time with commas.
    """
    given: dict[str, str] = {}
    tokens: list[str] = []
    for name, value in parse_qsl(urlsplit(url).query, keep_blank_values=True):
        if name not in Settings.__struct_fields__:
            raise ValueError(f"no such sandbox setting: {name}; known: {', '.join(Settings.__struct_fields__)}")
        if name == "tokens":
            tokens.extend(value.split(","))
        elif name in given:
            raise ValueError(f"sandbox setting {name} is given twice")
        else:
            given[name] = value
    try:
        settings = Settings(
            db=given.get("db"),
            profiles=int(given["profiles"]) if "profiles" in given else None,
            pace=parse_pace(given["pace"]) if "pace" in given else DEFAULT_PACE,
            tokens=tuple(tokens) or DEFAULT_TOKENS,
            feedback=given.get("feedback"),
            feedback_delay=float(given.get("feedback_delay", 3.0)),
            feedback_anywhere=_switch(given.get("feedback_anywhere", "0")),
        )
    except ValueError as error:
        raise ValueError(f"sandbox settings profiles, pace and feedback_delay are numbers: {error}") from None
    check_settings(settings.profiles, settings.pace, settings.tokens)
    Misbehaviour(settings.feedback, settings.feedback_delay)
    return settings


def _switch(text: str) -> bool:
    if text not in ("0", "1"):
        raise ValueError(f"feedback_anywhere is 0 or 1, not {text!r}")
    return text == "1"


def check_settings(profiles: int | None, pace: Pace, tokens: Sequence[str]) -> None:
    """Raises ValueError for numbers out of range, and for tokens that nobody could send."""
    if profiles is not None and not 0 <= profiles <= MAX_PROFILES:
        raise ValueError(f"profiles is from 0 to {MAX_PROFILES}, not {profiles}")
    check_pace(pace)
    if isinstance(tokens, str) or not tokens or not all(tokens):
        raise ValueError("tokens is a sequence of at least one token, none of them empty")
