"""Flask: one route that hands over the path, the headers and the stream."""

from __future__ import annotations

from flask import Flask, Response, request

from altcraft_plugins.feedback import FeedbackReceiver


def create_app(receiver: FeedbackReceiver) -> Flask:
    app = Flask(__name__)

    @app.post("/altcraft/<token>")
    def feedback(token: str) -> Response:
        # The stream, not request.data: what is over the receiver's limit is then never read.
        answer = receiver.deliver(request.path, request.headers, request.stream)
        return Response(answer.body, answer.status, dict(answer.headers))

    return app
