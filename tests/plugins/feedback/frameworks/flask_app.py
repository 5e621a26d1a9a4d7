"""Flask: one route that hands over the path, the headers and the stream."""

from __future__ import annotations

from flask import Flask, Response, request

from altcraft_plugins.feedback import FeedbackReceiver


def create_app(receiver: FeedbackReceiver) -> Flask:
    app = Flask(__name__)

    @app.post("/altcraft/<token>")
    def feedback(token: str) -> Response:
        # The receiver reads the stream up to its limit; request.data would read all of it.
        answer = receiver.deliver(request.path, request.headers, request.stream)
        return Response(answer.body, answer.status, dict(answer.headers))

    return app
