"""The observer. It only queues messages: a thread of its own posts them, so that a slow chat delays no task."""

from __future__ import annotations

import atexit
import json
import logging
import os
import queue
import threading
import weakref

from altcraft import AltcraftError, HttpRequest, Submission, TaskHandle, Transport, hookimpl
from altcraft.wire.transport import TransportRegistry

__all__ = ["Chat"]

logger = logging.getLogger("altcraft_chat")

TIMEOUT = 10.0
"""Seconds for one message."""

WAITING = 1000
"""Messages. What comes while so many wait is dropped, and logged."""

FLUSH = 5.0
"""Seconds that the end of the process waits for messages."""


class Chat:
    """Posts {"text": "…"} to a webhook, as Slack, Mattermost and Rocket.Chat take it.

    Messages name the operation, the task and its outcome. The URL is a secret: it shows in no log and no repr. A
    message that can't be posted is logged, and lost. Close it to post what waits, or let the end of the process do so.
    Clients and threads may share it; a forked child goes on with a thread of its own.
    """

    def __init__(self, url: str, *, transport: Transport | None = None) -> None:
        self._url = url
        self._transport = transport or TransportRegistry().create("urllib3", url)
        self.start_anew()
        _chats.add(self)

    def __repr__(self) -> str:
        return "Chat(…)"

    @hookimpl
    def altcraft_task_completed(self, task: TaskHandle) -> None:
        """The task is done."""
        self.say(f"✅ {_named(task)} is done")

    @hookimpl
    def altcraft_task_failed(self, task: TaskHandle, error: AltcraftError) -> None:
        """The task has failed."""
        self.say(f"❌ {_named(task)} has failed: {error.message()}")

    @hookimpl
    def altcraft_submission_failed(self, submission: Submission, error: BaseException, in_doubt: bool) -> None:
        """No task id came back."""
        doubt = "; the platform may have started it" if in_doubt else ""
        self.say(f"❌ {submission.operation} could not be submitted: {type(error).__name__}{doubt}")

    def say(self, text: str) -> None:
        """Queues a message."""
        try:
            self._messages.put_nowait(text)
        except queue.Full:
            logger.warning("%d messages wait for the chat already: one is dropped", WAITING)
        with self._lock:
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._post_all, name="altcraft-chat", daemon=True)
                self._thread.start()
                atexit.register(self.close)

    def start_anew(self) -> None:
        """Begins without messages: in a forked child they are the parent's, and its locks may be held for ever."""
        self._messages: queue.Queue[str | None] = queue.Queue(WAITING)
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def close(self) -> None:
        """Posts what waits, for FLUSH seconds at most, and ends the thread. May be called twice."""
        atexit.unregister(self.close)
        with self._lock:
            thread, self._thread = self._thread, None
        if thread is not None and thread.is_alive():
            try:
                self._messages.put(None, timeout=FLUSH)
            except queue.Full:
                logger.warning("the chat answers too slowly: %d messages are lost", self._messages.qsize())
            thread.join(FLUSH)
        self._transport.close()

    def _post_all(self) -> None:
        while (text := self._messages.get()) is not None:
            body = json.dumps({"text": text}).encode()
            request = HttpRequest("POST", self._url, {"Content-Type": "application/json"}, body)
            try:
                status = self._transport.send(request, timeout=TIMEOUT).status
            except AltcraftError as error:
                logger.warning("a message was not posted: %s", type(error).__name__)
                continue
            if not 200 <= status < 300:
                logger.warning("the chat has refused a message with status %d", status)


_chats: weakref.WeakSet[Chat] = weakref.WeakSet()


def _after_fork() -> None:
    for chat in _chats:
        chat.start_anew()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def _named(task: TaskHandle) -> str:
    note = f" ({task.note})" if task.note else ""
    return f"{task.operation}{note}, task {task.id},"
