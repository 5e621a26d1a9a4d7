"""The sandbox's settings: their defaults, their limits, and how a `sandbox:` URL spells them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final
from urllib.parse import parse_qsl, urlsplit

import msgspec

from altcraft_plugins.sandbox.seed import MAX_PROFILES

__all__ = ["DEFAULT_PACE", "DEFAULT_TOKENS", "Settings", "check_settings", "parse_url"]

DEFAULT_PACE: Final = 2.5
DEFAULT_TOKENS: Final = ("sandbox", "abcdefghijklmnqrstuvwxyz")
"""Known to everybody, as befits invented data: a client's default, and the documentation's example."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What a URL can set; the parameters of Sandbox have the same names and meanings."""

    db: str | None = None
    profiles: int | None = None
    pace: float = DEFAULT_PACE
    tokens: tuple[str, ...] = DEFAULT_TOKENS


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
            pace=float(given.get("pace", DEFAULT_PACE)),
            tokens=tuple(tokens) or DEFAULT_TOKENS,
        )
    except ValueError as error:
        raise ValueError(f"sandbox settings profiles and pace are numbers: {error}") from None
    check_settings(settings.profiles, settings.pace, settings.tokens)
    return settings


def check_settings(profiles: int | None, pace: float, tokens: Sequence[str]) -> None:
    """Raises ValueError for numbers out of range, and for tokens that nobody could send."""
    if profiles is not None and not 0 <= profiles <= MAX_PROFILES:
        raise ValueError(f"profiles is from 0 to {MAX_PROFILES}, not {profiles}")
    if not (math.isfinite(pace) and pace >= 0):
        raise ValueError(f"pace is a number of seconds, not {pace}")
    if isinstance(tokens, str) or not tokens or not all(tokens):
        raise ValueError("tokens is a sequence of at least one token, none of them empty")
