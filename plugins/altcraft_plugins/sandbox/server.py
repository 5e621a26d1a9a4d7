"""The sandbox on a socket: in a thread for as long as a block lasts, or until a signal ends it."""

from __future__ import annotations

import ipaddress
import logging
import math
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Protocol

from altcraft_plugins.sandbox.app import Sandbox
from altcraft_plugins.sandbox.durations import DEFAULT_PACE, Pace
from altcraft_plugins.sandbox.faults.plan import FaultPlan
from altcraft_plugins.sandbox.feedback.sender import logger
from altcraft_plugins.sandbox.settings import DEFAULT_TOKENS, VARIABLE, served_tokens
from altcraft_plugins.sandbox.taught import Teacher

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication
    from typing_extensions import Self

__all__ = ["SandboxServer", "Server", "ServerUnavailable", "bind", "serve", "serve_until_signal"]


class ServerUnavailable(RuntimeError):
    """The server can't be started. The message is one line that says what to do."""


class Server(Protocol):
    """A bound server. As a context manager it serves in a thread of its own."""

    url: str

    def run(self) -> None:
        """Serves until close() is called in another thread, or the handler of a signal raises."""
        ...

    def close(self) -> None:
        """Stops listening, and ends the connections and the threads. May be called twice."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *exc: object) -> None: ...


class SandboxServer:
    """A sandbox on a listening socket, made by `serve`. As a context manager it serves in a thread of its own.

    `url` is its address, and `sandbox` the application behind it. `exports` are the shell commands that point a client
    at it.
    """

    def __init__(self, sandbox: Sandbox, server: Server, export: str | None) -> None:
        self.sandbox = sandbox
        self.url = server.url
        self.exports = [f"export ALTCRAFT_URL={server.url}", *([export] if export else [])]
        self._server = server

    def run(self) -> None:
        """Serves until close() is called in another thread, or the handler of a signal raises."""
        self._server.run()

    def close(self) -> None:
        """Stops listening, ends the connections and the threads, and closes the sandbox. May be called twice."""
        self.sandbox.end_waits()
        self._server.close()
        self.sandbox.close()

    def __enter__(self) -> Self:
        self._server.__enter__()
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()
        self._server.__exit__(*exc)


def serve(
    host: str = "127.0.0.1",
    port: int = 8080,
    *,
    db: str | None = None,
    profiles: int | None = None,
    pace: Pace = DEFAULT_PACE,
    tokens: Sequence[str] | None = None,
    feedback: str | None = None,
    feedback_delay: float = 3.0,
    feedback_anywhere: bool = False,
    faults: FaultPlan | str | os.PathLike[str] | None = None,
    teachers: Sequence[Teacher] = (),
) -> SandboxServer:
    """A sandbox on a socket: `with serve(port=0) as server: ...` serves it at `server.url` while the block lasts.

    Port 0 picks a free port. The other parameters are those of Sandbox. `tokens` None takes the tokens from the
    environment (ALTCRAFT_SANDBOX_TOKEN or ALTCRAFT_SANDBOX_TOKEN_FILE), or else accepts the public ones. Raises
    ServerUnavailable where waitress is missing or the address is taken, and ValueError as Sandbox does, or where the
    public token would be accepted at an address that other machines reach.
    """
    _require_waitress()
    given = served_tokens(os.environ) if tokens is None else None
    accepted = given.tokens if given is not None else tuple(tokens or ())
    address = _resolve(host, port)
    if not _is_loopback(address[4][0]) and set(accepted) & set(DEFAULT_TOKENS):
        raise ValueError(
            f"other machines can reach {host}, and the sandbox would accept its public token there: "
            f"set {VARIABLE} to a token of your own"
        )
    sandbox = Sandbox(
        db=db,
        profiles=profiles,
        pace=pace,
        tokens=accepted,
        feedback=feedback,
        feedback_delay=feedback_delay,
        feedback_anywhere=feedback_anywhere,
        faults=faults,
        teachers=teachers,
    )
    try:
        server = _bind(sandbox, host, port, sandbox.outage, waits=faults is not None)
        return SandboxServer(sandbox, server, given.export if given is not None else None)
    except BaseException:
        sandbox.close()
        raise


def serve_until_signal(
    start: Callable[[], SandboxServer], report: Callable[[SandboxServer], None] | None = None
) -> None:
    """Starts a server, such as `lambda: serve(port=0)`, serves until SIGINT or SIGTERM, stops cleanly and returns.

    `report` is called with the server once it listens; None prints its URL. Each attempt at a delivery is a line on
    stderr. Raises as `serve` does. Outside the main thread no signal is handled.
    """
    with _stopping_on_signals(), _deliveries_reported():
        server = start()
        try:
            (report or _print)(server)
            server.run()
        finally:
            server.close()


def bind(app: WSGIApplication, host: str = "127.0.0.1", port: int = 0) -> Server:
    """The app on a listening socket, not yet served. Port 0 picks a free port. Raises ServerUnavailable."""
    return _bind(app, host, port, lambda: (False, math.inf))


def _bind(
    app: WSGIApplication, host: str, port: int, outage: Callable[[], tuple[bool, float]], *, waits: bool = False
) -> Server:
    _require_waitress()
    from altcraft_plugins.sandbox.waitress_server import WaitressServer

    family, _, _, _, address = _resolve(host, port)
    try:
        listening = socket.create_server(address[:2], family=family)
    except OSError as error:
        raise ServerUnavailable(f"cannot listen on {host}:{port}: {error}") from None
    return WaitressServer(app, _url(host, listening), listening, outage, waits)


if TYPE_CHECKING:
    _AddressInfo = tuple[socket.AddressFamily, socket.SocketKind, int, str, tuple[str, int]]


def _resolve(host: str, port: int) -> _AddressInfo:
    try:
        family, kind, protocol, name, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except (OSError, OverflowError, UnicodeError) as error:
        raise ServerUnavailable(f"cannot listen on {host}:{port}: {error}") from None
    return family, kind, protocol, name, (str(address[0]), int(address[1]))


def _is_loopback(address: str) -> bool:
    ip = ipaddress.ip_address(address.partition("%")[0])
    mapped = ip.ipv4_mapped if isinstance(ip, ipaddress.IPv6Address) else None
    return (mapped or ip).is_loopback


def _url(host: str, listening: socket.socket) -> str:
    """The URL at which a client reaches the socket. For 0.0.0.0 and :: it names an address of this machine."""
    address, port = listening.getsockname()[:2]
    if ipaddress.ip_address(address.partition("%")[0]).is_unspecified:
        host = _own_address(listening.family)
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def _own_address(family: int) -> str:
    """The address of this machine in its network, or loopback where it has none."""
    outside, loopback = ("2001:db8::1", "::1") if family == socket.AF_INET6 else ("192.0.2.1", "127.0.0.1")
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((outside, 9))  # sends nothing; it only picks the route
            return str(probe.getsockname()[0])
        except OSError:
            return loopback


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


def _print(server: SandboxServer) -> None:
    lines = [f"The sandbox answers at {server.url} (Ctrl-C stops it)", *server.exports]
    with suppress(BrokenPipeError):
        sys.stdout.write("".join(f"{line}\n" for line in lines))
        sys.stdout.flush()


def _require_waitress() -> None:
    try:
        __import__("waitress")
    except ImportError:
        raise ServerUnavailable("serving the sandbox needs the package waitress: pip install waitress") from None
