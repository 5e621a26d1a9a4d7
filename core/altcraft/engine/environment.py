"""What a client takes from the environment, so that no token stands in the source."""

from __future__ import annotations

import os
from typing import Any

__all__ = ["from_environment"]


def from_environment(given: dict[str, Any]) -> dict[str, Any]:
    """A client's arguments: `given`, and those that the ALTCRAFT_ variables have for the rest.

    ValueError, with the name of the variable, for a missing URL and for a token file that can't be read.
    """
    arguments = dict(given)
    for name in ("url", "codec", "auth"):
        value = os.environ.get(f"ALTCRAFT_{name.upper()}")
        if value and name not in arguments:
            arguments[name] = value
    if "url" not in arguments:
        raise ValueError('ALTCRAFT_URL is not set: give the URL of your installation, "https://your.host"')
    if "token" not in arguments:
        arguments["token"] = os.environ.get("ALTCRAFT_TOKEN") or _read_token(os.environ.get("ALTCRAFT_TOKEN_FILE"))
    return arguments


def _read_token(path: str | None) -> str | None:
    if not path:
        return None
    try:
        with open(path, encoding="utf-8") as file:  # pathlib would be slow to import
            return file.read().strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise ValueError(f"ALTCRAFT_TOKEN_FILE={path}: the token can't be read: {reason}") from None
