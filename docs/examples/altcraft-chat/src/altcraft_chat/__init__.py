"""Says in a chat how tasks end: `Client(plugins=[Chat("https://chat.example/hooks/…")])`.

With the entry point, ALTCRAFT_CHAT_WEBHOOK holds the URL.
"""

from altcraft_chat.chat import Chat

__all__ = ["Chat"]
