"""The plugin that the entry point names. Without a webhook it can't be loaded, and `client.plugins()` says why."""

from __future__ import annotations

import os

from altcraft_chat.chat import Chat

__all__ = ["plugin"]

VARIABLE = "ALTCRAFT_CHAT_WEBHOOK"


def _from_environment() -> Chat:
    url = os.environ.get(VARIABLE)
    if not url:
        raise LookupError(f"set {VARIABLE} to the URL of the chat's webhook")
    return Chat(url)


plugin = _from_environment()
