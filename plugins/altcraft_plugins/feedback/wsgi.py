"""The receiver as a WSGI application, PEP 3333."""

from __future__ import annotations

import io
from collections.abc import Iterable
from http import HTTPStatus
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

    from altcraft_plugins.feedback.bodies import Readable
    from altcraft_plugins.feedback.receiver import FeedbackReceiver

__all__ = ["respond"]


def respond(receiver: FeedbackReceiver, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Answers one request."""
    headers = {name[5:].replace("_", "-"): str(value) for name, value in environ.items() if name.startswith("HTTP_")}
    headers["Content-Type"] = str(environ.get("CONTENT_TYPE") or "")
    headers["Content-Length"] = length = str(environ.get("CONTENT_LENGTH") or "")
    # Without a length, only a server that says that its stream ends may be read: another's would wait for ever.
    body: Readable = environ["wsgi.input"] if length or environ.get("wsgi.input_terminated") else io.BytesIO()
    path = str(environ.get("PATH_INFO") or "")
    reply = receiver.deliver(path, headers, body, method=str(environ.get("REQUEST_METHOD") or ""))
    status = f"{reply.status} {HTTPStatus(reply.status).phrase}"
    start_response(status, list(reply.headers.items()))
    return [reply.body]
