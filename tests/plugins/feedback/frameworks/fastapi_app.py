"""FastAPI, and so Starlette: the receiver's ASGI application is mounted."""

from __future__ import annotations

from fastapi import FastAPI

from altcraft_plugins.feedback import FeedbackReceiver


def create_app(receiver: FeedbackReceiver) -> FastAPI:
    app = FastAPI()
    app.mount("/altcraft", receiver.asgi)
    return app
