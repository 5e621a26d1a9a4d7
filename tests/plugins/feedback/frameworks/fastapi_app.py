"""FastAPI, and so Starlette: the receiver is an ASGI application, so it is mounted as it stands."""

from __future__ import annotations

from fastapi import FastAPI

from altcraft_plugins.feedback import FeedbackReceiver


def create_app(receiver: FeedbackReceiver) -> FastAPI:
    app = FastAPI()
    app.mount("/altcraft", receiver)
    return app
