"""The sandbox on a socket. Replies that waitress makes itself are put into an envelope as well."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any, Final, cast

from altcraft.codecs import default_registry
from altcraft_plugins._waitress import Channel, ErrorTask, Server
from altcraft_plugins.sandbox.http import LARGEST_BODY, reply_codec, status_line
from altcraft_plugins.sandbox.schema.replies import Failure

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

__all__ = ["WaitressServer"]

THREADS: Final = 16
"""Requests answered at the same time. Most wait for the one database, so more threads would gain nothing."""

SILENCE: Final = 30
"""Seconds after which an idle connection is closed. A peer has as many to send a whole request."""


class WaitressServer(Server):
    """An app on a listening socket. `url` is the address at which it answers."""

    def __init__(self, app: WSGIApplication, url: str, listening: socket.socket) -> None:
        self.url = url
        super().__init__(
            app,
            listening,
            _Channel,
            threads=THREADS,
            ident="altcraft-sandbox",
            max_request_body_size=LARGEST_BODY + 1,  # a larger Content-Length is refused before the body is read
            timeout=SILENCE,
        )


class _Refused:
    """An error of waitress's in an envelope, with the method that ErrorTask calls."""

    def __init__(self, code: int, headers: dict[str, str]) -> None:
        # Waitress writes the names of headers in capitals, like WSGI, but without HTTP_.
        environ = {"HTTP_ACCEPT": headers.get("ACCEPT", ""), "CONTENT_TYPE": headers.get("CONTENT_TYPE", "")}
        self._codec = reply_codec(environ, default_registry())
        self._code = code

    def to_response(self, _ident: str | None) -> tuple[str, list[tuple[str, str]], bytes]:
        status = status_line(self._code)
        body = self._codec.encode(Failure(self._code, status))
        return status, [("Content-Type", self._codec.content_types[0])], body


class _ErrorTask(ErrorTask):  # type: ignore[misc]  # waitress has no annotations
    """Answers a request that waitress refuses before it calls the app, such as one with too large a body."""

    def execute(self) -> None:
        request = cast("Any", self.request)
        request.error = _Refused(request.error.code, request.headers)
        super().execute()


class _Channel(Channel):
    error_task_class = _ErrorTask
