"""What the engine asks of a runner. The engine's generators yield effects, and are sent what came of them.

A runner carries out one effect at a time, in a thread or in an event loop, and decides nothing.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, Protocol, TypeAlias, TypeVar

from msgspec import Struct

from altcraft.wire.messages import HttpRequest

__all__ = ["Effect", "Effects", "Runner", "SendRequest", "Signal", "SleepFor", "WaitFor"]

T = TypeVar("T")


class Signal(Protocol):
    """A condition that idle workers and waiting callers wait on. `version` counts the notifications, so none is missed.

    Read `version` under the engine's lock, decide that there is nothing to do, then wait until the version changes.
    """

    @property
    def version(self) -> int:
        """How many times `notify` was called."""
        ...

    def notify(self, count: int | None = None) -> None:
        """Lets `count` of the waiting go on, or all of them. From any thread."""
        ...


class SendRequest(Struct, frozen=True):
    """Effect: send the request. The runner sends back the HttpResponse, or throws what the transport raises."""

    request: HttpRequest
    timeout: float


class SleepFor(Struct, frozen=True):
    """Effect: sleep. Closing the client ends the sleep, and so does `Runner.wake(key)`."""

    seconds: float
    key: object = None


class WaitFor(Struct, frozen=True):
    """Effect: wait until the signal's version is no longer `seen`, at most so many seconds (None: no limit)."""

    signal: Signal
    seen: int
    seconds: float | None = None


Effect: TypeAlias = "SendRequest | SleepFor | WaitFor"
Effects: TypeAlias = Generator[Effect, Any, T]


class Runner(Protocol):
    """Carries out effects through a transport, of which alone it is made."""

    @property
    def longest_sleep(self) -> float:
        """Seconds that a worker may sleep which is to hear of an end; less than infinite where `wake` has no effect."""
        ...

    def now(self) -> float:
        """The time of the transport's clock, in seconds. It never runs backwards."""
        ...

    def wall(self, at: float, /) -> float:
        """A moment of that clock on the wall clock: seconds since 1970."""
        ...

    def signal(self) -> Signal:
        """A new signal."""
        ...

    def wake(self, key: object) -> None:
        """Ends the sleeps with that key. From any thread."""
        ...

    def after_fork(self) -> None:
        """In a forked child: forgets what belongs to the parent's threads."""
        ...

    def run(self, effects: Effects[T]) -> Any:  # T in a thread, an awaitable of T in an event loop
        """Carries out the effects; returns, or raises, what the generator returns or raises."""
        ...
