"""The inbox: takes a delivery from any framework, and decides what comes of it.

Rules:

1. A delivery is a hint. It makes the client poll its task, and what that poll says is believed. The body is read up to
   the limit, handed to plugins as it came, and never decoded.
2. A path that is no URL of this inbox is 404 for every method and body. The answer tells a stranger nothing.
3. One URL gives at most one hint in `spacing` seconds.
4. What is sent never makes an error of the server's. The answers are 200, 400, 404, 405, 408 and 413.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from altcraft import Delivery, HttpResponse, TaskHandle
from altcraft.hooks import Hooks, guarded
from altcraft_plugins.feedback.bodies import announced, read
from altcraft_plugins.feedback.replies import TAKEN, Refusal
from altcraft_plugins.feedback.tokens import Tokens, expiry_of
from altcraft_plugins.feedback.url_table import Entry, UrlTable

__all__ = ["Admitted", "Inbox"]

_HOOK = "altcraft_feedback_received"
_logger = logging.getLogger("altcraft.feedback")


class Admitted(NamedTuple):
    """A request whose body may be read: it posts to a URL of ours. `length` is None where none is announced."""

    key: str
    entry: Entry
    content_type: str
    length: int | None


class Inbox:
    """The URLs of one receiver and what is delivered on them. Thread-safe. The settings are the receiver's.

    `monotonic` measures the spacing, `clock` (Unix seconds) the lifetimes.
    """

    def __init__(
        self,
        hooks: Hooks,
        *,
        secret: str | bytes | None,
        lifetime: float,
        capacity: int,
        limit: int,
        read_timeout: float,
        spacing: float,
        clock: Callable[[], float],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.limit = limit
        self.read_timeout = read_timeout
        self.table = UrlTable(capacity)
        self._hooks = hooks
        self._tokens = Tokens(secret)
        self._shared = secret is not None
        self._lifetime = lifetime
        self._spacing = spacing
        self._clock = clock
        self._monotonic = monotonic

    # Tasks.

    def new_token(self) -> str:
        """The last part of a new URL."""
        now = self._clock()
        key, token = self._tokens.make(now + self._lifetime)
        self.table.add(key, expiry_of(key), now)
        return token

    def attach(self, url: str, task: TaskHandle) -> bool:
        """Have deliveries on that URL hint at this task. False for a URL that is not, or no longer, ours."""
        found = self._find(url)
        if found is None:
            return False
        if self.table.attach(found[1], task):  # the delivery was faster than the submission's answer
            task.notify()
        return True

    def end(self, url: str) -> None:
        """The task of that URL has ended. A URL that is not ours is passed over."""
        now = self._clock()
        key = self._key(url, now)
        if key is not None:
            self.table.end(key, now)

    def key(self, url: str) -> str | None:
        """The key of a URL of ours that is still good. None for every other text."""
        return self._key(url, self._clock())

    def notify(self, key: str) -> bool:
        """Hint at the task of a key that another process has received. False where the key or its task is unknown."""
        entry = self.table.find(key, self._clock())
        task = entry.task if entry is not None else None
        if task is not None:
            task.notify()
        return task is not None

    # Deliveries.

    def deliver(self, path: object, headers: object, body: object, method: object) -> HttpResponse:
        """Take one delivery. Raises nothing: what can't be read is logged, and answered with 400."""
        try:
            admitted = self.admit(path, headers, method)
            delivery = self.take(admitted, read(body, admitted.length, self.limit, self.read_timeout))
            if delivery is not None:
                self.tell(delivery)
        except Refusal as refusal:
            return refusal.reply()
        except Exception:  # foreign objects come in here, a framework's headers for one, and may raise what they like
            given = ", ".join(type(one).__name__ for one in (path, headers, body, method))
            _logger.exception("a delivery can't be read; path, headers, body and method were given as %s", given)
            return Refusal(400).reply()
        return TAKEN

    def admit(self, path: object, headers: object, method: object) -> Admitted:
        """Look the URL up, then check method and headers. Refusal 404, 405, 413 or 400 for what goes no further."""
        found = self._find(path)
        if found is None:
            raise Refusal(404)
        if not isinstance(method, str) or method.upper() != "POST":
            raise Refusal(405)
        fields = _fields(headers)
        return Admitted(*found, fields.get("content-type", ""), announced(fields, self.limit))

    def take(self, admitted: Admitted, body: bytes) -> Delivery | None:
        """Hint at the task. Returns what plugins are told, None for a repetition and after the task's end."""
        entry = admitted.entry
        if not self.table.hint(entry, self._monotonic(), self._spacing):
            return None
        task = entry.task
        if task is not None:
            guarded(_notify, task)
        return Delivery(admitted.key, entry.task_id, admitted.content_type, body)

    @property
    def heard(self) -> bool:
        """Whether any plugin wants to be told."""
        return _HOOK in self._hooks.heard

    def tell(self, delivery: Delivery) -> None:
        """Call the plugins."""
        if self.heard:
            self._hooks.fire(_HOOK, delivery=delivery)

    def _find(self, path: object) -> tuple[str, Entry] | None:
        """Key and entry of a path or URL. With a shared secret, other processes' URLs get their entry here."""
        now = self._clock()
        key = self._key(path, now)
        if key is None:
            return None
        entry = self.table.find_or_add(key, expiry_of(key), now) if self._shared else self.table.find(key, now)
        return (key, entry) if entry is not None else None

    def _key(self, path: object, now: float) -> str | None:
        """The key of a path or URL that ends in a token of ours."""
        if not isinstance(path, str):
            return None
        return self._tokens.key(path.partition("?")[0].rstrip("/").rpartition("/")[2], now)


def _fields(headers: Any) -> dict[str, str]:
    """Headers, a mapping or pairs, by their names in lower case."""
    pairs: Iterable[tuple[object, object]] = headers.items() if hasattr(headers, "items") else headers or ()
    return {_text(name).lower(): _text(value) for name, value in pairs if value is not None}


def _text(value: object) -> str:
    return value.decode("latin-1") if isinstance(value, (bytes, bytearray)) else str(value)


def _notify(task: TaskHandle) -> None:
    task.notify()
