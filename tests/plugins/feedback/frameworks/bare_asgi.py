"""No framework: an ASGI server runs the receiver itself."""

from __future__ import annotations

from altcraft_plugins.feedback import FeedbackReceiver


def create_app(receiver: FeedbackReceiver) -> FeedbackReceiver:
    return receiver
