"""The sandbox on a socket: in a thread for as long as a block lasts, or until a signal ends it."""

from __future__ import annotations

import logging
import signal
import socket
import sys
import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Protocol

from altcraft_plugins.sandbox.app import Sandbox
from altcraft_plugins.sandbox.durations import DEFAULT_PACE, Pace
from altcraft_plugins.sandbox.feedback.sender import logger
from altcraft_plugins.sandbox.settings import DEFAULT_TOKENS

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

__all__ = ["Server", "ServerUnavailable", "bind", "serve"]


class ServerUnavailable(RuntimeError):
    """The server can't be started. The message is one line that says what to do."""


class Server(Protocol):
    """A bound server."""

    url: str

    def run(self) -> None:
        """Serves until close() is called in another thread, or the handler of a signal raises."""
        ...

    def close(self) -> None:
        """Stops listening, and ends the connections and the threads. May be called twice."""
        ...


def serve(
    host: str = "127.0.0.1",
    port: int = 8080,
    db: str | None = None,
    profiles: int | None = None,
    pace: Pace = DEFAULT_PACE,
    tokens: Sequence[str] | None = None,
    feedback: str | None = None,
    feedback_delay: float = 3.0,
    feedback_anywhere: bool = False,
    report: Callable[[str], None] | None = None,
) -> None:
    """Serves a sandbox until SIGINT or SIGTERM, then stops cleanly and returns.

    Port 0 picks a free port. `report` is called with the server's URL once it listens; None prints a line. Each attempt
    at a delivery is a line on stderr. The other parameters are those of Sandbox; `tokens` None accepts the default
    tokens. Raises ServerUnavailable where waitress is missing or the address is taken, ValueError as Sandbox does. No
    signal is handled outside the main thread.
    """
    _require_waitress()
    with (
        _stopping_on_signals(),
        _deliveries_reported(),
        Sandbox(
            db=db,
            profiles=profiles,
            pace=pace,
            tokens=DEFAULT_TOKENS if tokens is None else tokens,
            feedback=feedback,
            feedback_delay=feedback_delay,
            feedback_anywhere=feedback_anywhere,
        ) as app,
    ):
        server = bind(app, host, port)
        try:
            (report or _print)(server.url)
            server.run()
        finally:
            server.close()


def bind(app: WSGIApplication, host: str = "127.0.0.1", port: int = 0) -> Server:
    """The app on a listening socket, not yet served. Raises ServerUnavailable."""
    _require_waitress()
    from altcraft_plugins.sandbox.waitress_server import WaitressServer

    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        listening = socket.create_server((host, port), family=family)
    except (OSError, OverflowError) as error:
        raise ServerUnavailable(f"cannot listen on {host}:{port}: {error}") from None
    return WaitressServer(app, host, listening)


class _Stopped(KeyboardInterrupt):
    """A signal has come. A KeyboardInterrupt, because waitress lets that through."""


@contextmanager
def _stopping_on_signals() -> Generator[None]:
    """The first SIGINT or SIGTERM ends the block without an error. Outside the main thread no signal is handled."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(*_: object) -> None:
        # A second signal must not interrupt the closing that the first one has begun.
        for number in before:
            signal.signal(number, signal.SIG_IGN)
        raise _Stopped

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        for number in before:
            signal.signal(number, stop)
        with suppress(_Stopped):
            yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _deliveries_reported() -> Generator[None]:
    handler, before = logging.StreamHandler(), logger.level
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)


def _print(url: str) -> None:
    with suppress(BrokenPipeError):
        sys.stdout.write(f"The sandbox answers at {url} (Ctrl-C stops it)\n")
        sys.stdout.flush()


def _require_waitress() -> None:
    try:
        __import__("waitress")
    except ImportError:
        raise ServerUnavailable("serving the sandbox needs the package waitress: pip install waitress") from None
