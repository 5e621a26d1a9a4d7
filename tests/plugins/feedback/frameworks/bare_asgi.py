"""No framework: an ASGI server runs the receiver itself."""

from __future__ import annotations

from altcraft_plugins.feedback import FeedbackReceiver
from altcraft_plugins.feedback.asgi import AsgiApp


def create_app(receiver: FeedbackReceiver) -> AsgiApp:
    return receiver.asgi
