"""Feedback: a delivery in a web process brings the message of a job that waits forward."""

from __future__ import annotations

from typing import Any, Protocol

import msgspec

from altcraft import Delivery, Feedback, TaskHandle, TaskRequest, hookimpl
from altcraft.hooks import Hooks
from altcraft_plugins.celery.api import App, message_of, send, texts_of

__all__ = ["BringsForward", "Receiver"]

_TASK = "altcraft-feedback-"
_MESSAGE = "altcraft-follow-"


class Receiver(Protocol):
    """What the plugin uses of a FeedbackReceiver. All processes have one with the same URL and the same secret."""

    hooks: Hooks

    def feedback(self) -> Feedback:
        """A new URL, for one refresh."""
        ...

    def key(self, url: str) -> str | None:
        """The key that a delivery on this URL has."""
        ...


class BringsForward:
    """Asks for feedback on each refresh that can have it, and sends a message of `follow` when a delivery comes.

    The result backend leads from a delivery's key to the task's id, and from there to the message. A delivery that
    comes before both are there sends nothing: the task is polled on its schedule.
    """

    def __init__(self, app: App, receiver: Receiver) -> None:
        self._app = app
        self._receiver = receiver
        receiver.hooks.register(self)

    def asked(self, request: TaskRequest[object]) -> TaskRequest[object]:
        """The request with a feedback URL, where it has the field and no URL of its own.

        ValueError for a result backend that keeps no keys and values.
        """
        texts_of(self._app)  # before anything is sent
        if getattr(request, "feedback", self) is not None:
            return request
        return msgspec.structs.replace(request, feedback=self._receiver.feedback())

    def submitted(self, task: TaskHandle) -> None:
        """Keeps the way from the feedback URL to the task."""
        key = task.feedback and self._receiver.key(task.feedback.url)
        if key:
            texts_of(self._app).set(_TASK + key, task.id)

    def waits(self, job: Any, task_id: str, arguments: dict[str, object]) -> None:
        """Keeps the message that a delivery sends."""
        texts_of(self._app).set(_MESSAGE + task_id, message_of(job, arguments))

    @hookimpl
    def altcraft_feedback_received(self, delivery: Delivery) -> None:
        """Sends the message of the job that follows the task."""
        texts = texts_of(self._app)
        task_id = texts.get(_TASK + delivery.key)
        message = task_id and texts.get(_MESSAGE + task_id)
        if message:
            send(self._app, message)
