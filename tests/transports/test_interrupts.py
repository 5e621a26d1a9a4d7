"""Ctrl-C interrupts an exchange, or a sleep, at any point: the transport can be closed all the same."""

from __future__ import annotations

import sys
import threading
from types import FrameType
from typing import Any

import pytest

from altcraft import HttpRequest
from altcraft.testing.transport.loopback import Loopback, answering, reply
from altcraft.wire.transport import Transport, TransportRegistry

TRANSPORTS = ("urllib3", "http_client")
"""Not httpx: the locks of its connection pool are classes in Python, and an interrupt inside one leaves it locked. Not
pycurl, whose slots and sleeps are those of the others: what a profile function raises in its callbacks crashes it.
"""


class Interruption:
    """Raises KeyboardInterrupt at one of the points at which Python runs a signal's handler: around a call."""

    def __init__(self, point: int) -> None:
        self._left = point
        self.is_raised = False

    def __enter__(self) -> None:
        sys.setprofile(self._profile)

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> bool:
        sys.setprofile(None)
        return kind is KeyboardInterrupt

    def _profile(self, frame: FrameType, event: str, _: Any) -> None:
        if event not in ("call", "c_return") or frame.f_code is Interruption.__exit__.__code__:
            return
        self._left -= 1
        if self._left == 0:
            self.is_raised = True
            raise KeyboardInterrupt


def sleeping(transport: Transport) -> threading.Thread:
    thread = threading.Thread(target=transport.sleep, args=(60,), daemon=True)
    thread.start()
    return thread


def use(transport: Transport, url: str) -> None:
    transport.send(HttpRequest("POST", url, {}, b"{}"), timeout=5)
    transport.sleep(0)


# A connection that was just taken from those that wait is left to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("name", TRANSPORTS)
def test_an_interrupt_at_any_point_of_an_exchange_or_a_sleep_leaves_no_lock(name: str) -> None:
    with Loopback(answering(reply(b"{}"))) as server:
        for point in range(1, 100_000):
            transport = TransportRegistry().create(name, server.url)
            use(transport, server.url)
            interruption = Interruption(point)
            with interruption:
                use(transport, server.url)
            closing = threading.Thread(target=transport.close, daemon=True)
            closing.start()
            closing.join(10)
            assert not closing.is_alive(), f"interrupted at point {point}, it can't be closed"
            if not interruption.is_raised:
                break
    assert point > 50


@pytest.mark.parametrize("name", TRANSPORTS)
def test_an_interrupt_at_any_point_of_a_waking_leaves_no_sleeper_asleep(name: str) -> None:
    for point in range(1, 1000):
        transport: Any = TransportRegistry().create(name, "http://127.0.0.1:9")
        sleepers = [sleeping(transport) for _ in range(2)]
        interruption = Interruption(point)
        with interruption:
            transport.wake()
        transport.close()
        for sleeper in sleepers:
            sleeper.join(10)
            assert not sleeper.is_alive(), f"interrupted at point {point}, a sleeper sleeps on"
        if not interruption.is_raised:
            break
    assert point > 5
