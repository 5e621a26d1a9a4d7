"""The inbox as a WSGI application, PEP 3333."""

from __future__ import annotations

import io
from collections.abc import Iterable
from http import HTTPStatus
from typing import TYPE_CHECKING

from altcraft_plugins.feedback.inbox import Inbox

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

__all__ = ["wsgi_app"]


def wsgi_app(inbox: Inbox) -> WSGIApplication:
    """The application."""

    def wsgi(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        headers = {name[5:].replace("_", "-"): value for name, value in environ.items() if name.startswith("HTTP_")}
        headers["Content-Type"] = environ.get("CONTENT_TYPE")
        headers["Content-Length"] = environ.get("CONTENT_LENGTH")
        reply = inbox.deliver(environ.get("PATH_INFO"), headers, _body(environ), environ.get("REQUEST_METHOD"))
        start_response(f"{reply.status} {HTTPStatus(reply.status).phrase}", list(reply.headers.items()))
        return [reply.body]

    return wsgi


def _body(environ: WSGIEnvironment) -> object:
    """The stream, where reading it is sure to end; else nothing, for the read would wait for ever.

    A stream ends after the announced length, or by itself: when the server says so, and when it is held in memory (as
    hypercorn has it).
    """
    stream = environ.get("wsgi.input")
    if environ.get("wsgi.input_terminated") or isinstance(stream, io.BytesIO):
        return stream
    return stream if environ.get("CONTENT_LENGTH") and not environ.get("HTTP_TRANSFER_ENCODING") else None
