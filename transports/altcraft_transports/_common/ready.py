"""Whether sockets can be read or written, for descriptors of any number."""

from __future__ import annotations

import select
import socket
import sys
from collections.abc import Collection

__all__ = ["is_quiet", "ready", "writable"]


def ready(sock: socket.socket, seconds: float) -> tuple[bool, bool]:
    """Waits until a socket can be read or written, at most so long; says which of the two."""
    if not hasattr(select, "poll"):
        readable, written, broken = select.select([sock], [sock], [sock], max(0.0, seconds))
        return bool(readable or broken), bool(written)
    poll = select.poll()  # unlike select, it takes descriptors above 1023
    poll.register(sock, select.POLLIN | select.POLLOUT)
    events = sum(event for _, event in poll.poll(max(0, int(seconds * 1000) + 1)))
    return bool(events & ~select.POLLOUT), bool(events & select.POLLOUT)


def writable(socks: Collection[socket.socket], seconds: float) -> list[socket.socket]:
    """Waits until sockets are connected, or have failed to be, at most so long; returns those that are."""
    if not hasattr(select, "poll"):
        _, written, broken = select.select([], socks, socks, max(0.0, seconds))
        return [sock for sock in socks if sock in written or sock in broken]
    poll = select.poll()
    for sock in socks:
        poll.register(sock, select.POLLOUT)
    found = {descriptor for descriptor, _ in poll.poll(max(0, int(seconds * 1000) + 1))}
    return [sock for sock in socks if sock.fileno() in found]


def is_quiet(sock: socket.socket) -> bool:
    """Whether a connection that was kept can be used: there is nothing to read, not even its end."""
    if hasattr(select, "poll"):
        poll = select.poll()
        poll.register(sock, select.POLLIN)
        return not poll.poll(0) and not _has_ended(sock)
    return not select.select([sock], [], [], 0)[0]


def _has_ended(sock: socket.socket) -> bool:
    """Whether the peer has closed a connection. Asked again here, since a thread may have to wait after polling.

    Polling lets other threads run, and they may for milliseconds; this question does not.
    """
    if _TCP_STATE is None or not hasattr(sock, "getsockopt"):
        return False
    return sock.getsockopt(socket.IPPROTO_TCP, _TCP_STATE, 1) != _ESTABLISHED


_TCP_STATE = getattr(socket, "TCP_INFO", None) if sys.platform == "linux" else None
_ESTABLISHED = b"\x01"
