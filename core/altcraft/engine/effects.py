"""What a client asks of its driver, one step at a time: generators yield steps, and are sent what came of them.

A driver carries a step out, in a thread or in an event loop, and decides nothing.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, TypeAlias, TypeVar

from msgspec import Struct

from altcraft.engine.signals import Signal
from altcraft.wire.messages import HttpRequest

__all__ = ["Effects", "SendRequest", "SleepFor", "Step", "WaitFor"]

T = TypeVar("T")


class SendRequest(Struct, frozen=True):
    """Step: send this, and give the HttpResponse back; or throw what the transport raises."""

    request: HttpRequest
    timeout: float


class SleepFor(Struct, frozen=True):
    """Step: sleep so long, unless the client is closed, or somebody wakes whoever sleeps `over` this."""

    seconds: float
    over: object = None


class WaitFor(Struct, frozen=True):
    """Step: do nothing until the gate's version is no longer `seen`, or so many seconds are over (None: no limit)."""

    gate: Signal
    seen: int
    seconds: float | None = None


Step: TypeAlias = "SendRequest | SleepFor | WaitFor"
Effects: TypeAlias = Generator[Step, Any, T]
