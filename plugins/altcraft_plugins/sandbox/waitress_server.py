"""The sandbox on a socket. Replies that waitress makes itself are put into an envelope as well."""

from __future__ import annotations

import logging
import math
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, cast

from altcraft.codecs import default_registry
from altcraft_plugins._waitress import Channel, ErrorTask, Server, WSGITask
from altcraft_plugins.sandbox.faults.connection import ConnectionAborted
from altcraft_plugins.sandbox.http import LARGEST_BODY, reply_codec, status_line
from altcraft_plugins.sandbox.schema.replies import Failure

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

__all__ = ["WaitressServer"]

THREADS: Final = 16
"""Requests answered at the same time. Most wait for the one database, so more threads would gain nothing."""

logger = logging.getLogger("altcraft.sandbox")

SILENCE: Final = 30
"""Seconds after which an idle connection is closed. A peer has as many to send a whole request."""


class WaitressServer(Server):
    """An app on a listening socket. `url` is the address at which it answers.

    `outage` says whether the server is to be away now, and after how many seconds that changes. While it is away, its
    port is closed and its connections are reset. `waits` says that the app may make a client wait: a client that
    disconnects meanwhile then ends its request, but so does one that only closes its own half of the connection.
    """

    def __init__(
        self,
        app: WSGIApplication,
        url: str,
        listening: socket.socket,
        outage: Callable[[], tuple[bool, float]] = lambda: (False, math.inf),
        waits: bool = False,
    ) -> None:
        self.url = url
        self._outage = outage
        self._address = listening.getsockname()[:2]
        self._family = listening.family
        self._is_away = False
        super().__init__(
            app,
            listening,
            _Channel,
            threads=THREADS,
            ident="altcraft-sandbox",
            max_request_body_size=LARGEST_BODY + 1,  # a larger Content-Length is refused before the body is read
            timeout=SILENCE,
            channel_request_lookahead=int(waits),  # with 0 waitress reads nothing while it answers
        )

    def tend(self) -> float:
        away, change = self._outage()
        if away and not self._is_away:
            self.go_away()
            self._is_away = True
        elif self._is_away and not away:
            try:
                self.come_back(socket.create_server(self._address, family=self._family))
                self._is_away = False
            except OSError as error:
                logger.warning("the sandbox can't listen again after its outage: %s", error)
        return min(super().tend(), max(change, 0.01))


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


class _Task(WSGITask):  # type: ignore[misc]  # waitress has no annotations
    """Has the application answer a request, and resets the connection where a fault of the plan says so."""

    def service(self) -> None:
        try:
            super().service()
        except ConnectionAborted:
            cast("Channel", self.channel).abort()
            self.close_on_finish = True


class _Channel(Channel):
    task_class = _Task
    error_task_class = _ErrorTask
