"""The sandbox's settings: their defaults, their limits, and their form in a `sandbox:` URL."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import parse_qsl, urlsplit

import msgspec

from altcraft_plugins.sandbox.data.population import MAX_PROFILES
from altcraft_plugins.sandbox.durations import DEFAULT_PACE, Pace, check_pace, parse_pace, parse_seconds
from altcraft_plugins.sandbox.faults.plan import FaultPlan
from altcraft_plugins.sandbox.feedback.faults import DeliveryFaults

__all__ = ["DEFAULT_TOKENS", "ServedTokens", "Settings", "check_settings", "parse_url", "served_tokens"]

DEFAULT_TOKENS: Final = ("sandbox", "abcdefghijklmnqrstuvwxyz")
"""Public tokens: one that is easily typed, and that of the platform's documentation, the default of `sandbox:` URLs."""

VARIABLE: Final = "ALTCRAFT_SANDBOX_TOKEN"
FILE_VARIABLE: Final = "ALTCRAFT_SANDBOX_TOKEN_FILE"


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """The settings that a URL can hold. The parameters of `Sandbox` have the same names and meanings."""

    db: str | None = None
    profiles: int | None = None
    pace: Pace = DEFAULT_PACE
    tokens: tuple[str, ...] = DEFAULT_TOKENS
    feedback: str | None = None
    feedback_delay: float = 3.0
    feedback_anywhere: bool = False
    faults: FaultPlan | None = None


def parse_url(url: str) -> Settings:
    """The settings in the query of a URL such as "sandbox:?profiles=10000&pace=0". Raises ValueError.

    `tokens` may be repeated, and each value may hold several tokens with commas between them.
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
    faults = FaultPlan.read(given["faults"]) if "faults" in given else None
    try:
        settings = Settings(
            db=given.get("db"),
            profiles=int(given["profiles"]) if "profiles" in given else None,
            pace=parse_pace(given["pace"]) if "pace" in given else DEFAULT_PACE,
            tokens=tuple(tokens) or DEFAULT_TOKENS,
            feedback=given.get("feedback"),
            feedback_delay=parse_seconds(given.get("feedback_delay", "3")),
            feedback_anywhere=_parse_switch(given.get("feedback_anywhere", "0")),
            faults=faults,
        )
    except ValueError as error:
        raise ValueError(
            f"in the sandbox's URL profiles is a number, pace and feedback_delay are durations: {error}"
        ) from None
    check_settings(settings.profiles, settings.pace, settings.tokens)
    DeliveryFaults(settings.feedback, settings.feedback_delay)
    return settings


class ServedTokens(NamedTuple):
    """The tokens of a served sandbox. `export` is the shell command that gives one of them to a client."""

    tokens: tuple[str, ...]
    export: str


def served_tokens(environ: Mapping[str, str]) -> ServedTokens:
    """The tokens in the environment: one in ALTCRAFT_SANDBOX_TOKEN, or one a line in ALTCRAFT_SANDBOX_TOKEN_FILE.

    Without either variable they are the public ones. Raises ValueError for tokens that can't be used.
    """
    token, file = environ.get(VARIABLE), environ.get(FILE_VARIABLE)
    if token is not None and file is not None:
        raise ValueError(f"set {VARIABLE} or {FILE_VARIABLE}, not both")
    if token is not None:
        return ServedTokens(_checked((token.strip(),), VARIABLE), f'export ALTCRAFT_TOKEN="${VARIABLE}"')
    if file is not None:
        try:
            lines = Path(file).read_text("utf-8").split()
        except (OSError, ValueError) as error:
            raise ValueError(f"{FILE_VARIABLE}: {file} can't be read: {error}") from None
        export = f'export ALTCRAFT_TOKEN="$(head -n 1 {shlex.quote(str(Path(file).absolute()))})"'
        return ServedTokens(_checked(tuple(lines), FILE_VARIABLE), export)
    return ServedTokens(DEFAULT_TOKENS, f"export ALTCRAFT_TOKEN={DEFAULT_TOKENS[0]}")


def _checked(tokens: tuple[str, ...], variable: str) -> tuple[str, ...]:
    if not tokens or not all(_is_token(token) for token in tokens):
        raise ValueError(f"{variable} holds no token, or one with blanks or control characters")
    return tokens


def check_settings(profiles: int | None, pace: Pace, tokens: Sequence[str]) -> None:
    """Raises ValueError for a number out of range, and for a token that no request can carry."""
    if profiles is not None and not 0 <= profiles <= MAX_PROFILES:
        raise ValueError(f"profiles is from 0 to {MAX_PROFILES}, not {profiles}")
    check_pace(pace)
    if isinstance(tokens, str) or not tokens or not all(_is_token(token) for token in tokens):
        raise ValueError("tokens is a sequence of at least one token; a token is not empty and holds no blanks")


def _parse_switch(text: str) -> bool:
    if text not in ("0", "1"):
        raise ValueError(f"feedback_anywhere is 0 or 1, not {text!r}")
    return text == "1"


def _is_token(text: str) -> bool:
    return bool(text) and text.isprintable() and " " not in text
