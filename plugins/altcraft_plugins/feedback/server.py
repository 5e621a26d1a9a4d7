"""The receiver on a socket of its own, served while a block lasts."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from altcraft_plugins.feedback.public_url import is_unspecified
from altcraft_plugins.feedback.receiver import FeedbackReceiver

__all__ = ["ReceiverUnavailable", "listening"]


class ReceiverUnavailable(RuntimeError):
    """The server can't be started. The message is one line that says why."""


@contextmanager
def listening(
    host: str = "127.0.0.1",
    port: int = 0,
    *,
    url: str | None = None,
    make: Callable[[str], FeedbackReceiver] = FeedbackReceiver,
) -> Iterator[FeedbackReceiver]:
    """Serve a receiver while the block lasts: `with listening(port=8081) as receiver: ...`.

    Port 0 takes a free port. `url` is the URL at which the platform reaches the receiver. Give it when that is not the
    socket's own address: behind a proxy, for example, which also brings the TLS, and when `host` stands for every
    address of the machine, as 0.0.0.0 and :: do. `make` makes the receiver for a base URL.

    Raises ValueError for such a host without `url`, ReceiverUnavailable when waitress is missing, the address is taken
    or the system gives no more threads, and what `make` raises.
    """
    try:
        from altcraft_plugins.feedback.waitress_server import WaitressServer
    except ImportError:
        raise ReceiverUnavailable(
            "a receiver with a server of its own needs the package waitress: pip install waitress"
        ) from None
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        if url is None and is_unspecified(str(address[0])):
            raise ValueError(
                f"host={host!r} listens on every address of this machine: say with url= (on the command line, "
                "--public-url) at which URL the platform reaches it"
            )
        bound = socket.create_server((host, port), family=family)
    except (OSError, OverflowError, UnicodeError) as error:
        raise ReceiverUnavailable(f"cannot listen on {host}:{port}: {error}") from None
    with ExitStack() as stack:
        stack.enter_context(bound)
        own = f"http://{f'[{host}]' if ':' in host else host}:{bound.getsockname()[1]}"
        receiver = make(url or own)
        try:
            stack.enter_context(WaitressServer(receiver, bound))
        except RuntimeError as error:  # the system gives no more threads
            raise ReceiverUnavailable(f"cannot serve on {host}:{port}: {error}") from None
        yield receiver
