"""A transport that answers from a script, in a time of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import TypeAlias

from altcraft.codecs import default_registry
from altcraft.wire.messages import HttpRequest, HttpResponse

__all__ = ["AsyncFakeTransport", "FakeClock", "FakeTransport", "Scripted", "reply"]

Scripted: TypeAlias = "HttpResponse | BaseException | Callable[[HttpRequest], HttpResponse]"
"""A reply, an error to raise, or a function that makes either out of the request."""


class FakeClock:
    """Time that passes only by `sleep` and `advance`. Thread-safe.

    `now` is in seconds, from 0; `slept` holds every sleep in its order.
    """

    def __init__(self, now: float = 0.0) -> None:
        self._lock = threading.Lock()
        self.now = now
        self.slept: list[float] = []

    def monotonic(self) -> float:
        """The present time."""
        return self.now

    def sleep(self, seconds: float) -> None:
        """Lets so many seconds pass, at once."""
        with self._lock:
            self.slept.append(seconds)
            self.now += max(0.0, seconds)

    def advance(self, seconds: float) -> None:
        """Lets so many seconds pass, without a sleep."""
        with self._lock:
            self.now += seconds


def reply(
    data: object = None, *, error: int = 0, error_text: str = "Successful operation", status: int = 200,
    codec: str = "json", headers: dict[str, str] | None = None, beside: dict[str, object] | None = None,
) -> HttpResponse:  # fmt: skip
    """A reply as the platform makes it: `data` in its envelope, in that format, `beside` it what some methods add."""
    encoder = default_registry().by_name(codec)
    envelope = {"data": data, "error": error, "error_text": error_text, **(beside or {})}
    content_type = {"Content-Type": encoder.content_types[0]}
    return HttpResponse(status, content_type | (headers or {}), encoder.encode(envelope))


class FakeTransport:
    """Answers from a script, and keeps what it was asked. Thread-safe.

        transport = FakeTransport([reply({"task_id": "t"}), reply({"status": "completed", "result": []})])
        client = Client("https://example.com", token="t", transport=transport)

    `requests` are those that were sent, `timeouts` what each was allowed to take, `remaining` what the script has left.
    Sleeping takes no time: the clock is `clock`, and the client lives by it. When the script is at its end, the last
    reply is repeated if `repeat` is set, else AssertionError is raised.
    """

    def __init__(self, script: Iterable[Scripted], *, clock: FakeClock | None = None, repeat: bool = False) -> None:
        self._lock = threading.Lock()
        self._script = list(script)
        self._repeat = repeat
        self._repeats = False  # whether the last reply was sent, and stays for repetition
        self.clock = clock or FakeClock()
        self.requests: list[HttpRequest] = []
        self.timeouts: list[float] = []
        self.closed = False

    @property
    def remaining(self) -> tuple[Scripted, ...]:
        """What the script has not played yet. A reply that is repeated counts as played once it was sent."""
        with self._lock:
            return tuple(self._script) if not self._repeats else ()

    def extend(self, script: Iterable[Scripted]) -> None:
        """Adds to the end of the script."""
        with self._lock:
            if self._repeats:
                self._script.clear()
            self._repeats = False
            self._script.extend(script)

    def send(self, request: HttpRequest, *, timeout: float) -> HttpResponse:
        """Answers with what the script says next."""
        with self._lock:
            self.requests.append(request)
            self.timeouts.append(timeout)
            if not self._script:
                raise AssertionError(f"the script has no answer to request {len(self.requests)}: {request!r}")
            self._repeats = self._repeat and len(self._script) == 1
            scripted = self._script[0] if self._repeats else self._script.pop(0)
        if isinstance(scripted, BaseException):
            raise scripted
        return scripted if isinstance(scripted, HttpResponse) else scripted(request)

    def sleep(self, seconds: float) -> None:
        """Lets the clock's time pass."""
        self.clock.sleep(seconds)

    def monotonic(self) -> float:
        """The clock's time."""
        return self.clock.monotonic()

    def wake(self) -> None:
        """Does nothing: sleeps take no time here."""

    def close(self) -> None:
        """Notes that it was closed."""
        self.closed = True


class AsyncFakeTransport:
    """A `FakeTransport` for an AsyncClient: the same script and the same records, under the same names.

    It can stand on a `FakeTransport` in place of a script, and plays that one's.
    """

    def __init__(
        self, script: Iterable[Scripted] | FakeTransport, *, clock: FakeClock | None = None, repeat: bool = False
    ) -> None:
        if not isinstance(script, FakeTransport):
            script = FakeTransport(script, clock=clock, repeat=repeat)
        self._fake = script
        self.clock = self._fake.clock
        self.requests = self._fake.requests
        self.timeouts = self._fake.timeouts

    @property
    def closed(self) -> bool:
        """Whether it was closed."""
        return self._fake.closed

    @property
    def remaining(self) -> tuple[Scripted, ...]:
        """As `FakeTransport.remaining`."""
        return self._fake.remaining

    def extend(self, script: Iterable[Scripted]) -> None:
        """As `FakeTransport.extend`."""
        self._fake.extend(script)

    async def send(self, request: HttpRequest, *, timeout: float) -> HttpResponse:
        """As `FakeTransport.send`."""
        return self._fake.send(request, timeout=timeout)

    async def sleep(self, seconds: float) -> None:
        """As `FakeTransport.sleep`."""
        self._fake.sleep(seconds)

    def monotonic(self) -> float:
        """The clock's time."""
        return self._fake.monotonic()

    async def close(self) -> None:
        """Notes that it was closed."""
        self._fake.close()
