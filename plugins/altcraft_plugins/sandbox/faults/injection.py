"""Injects the plan's faults: chooses one for each exchange and each task, and spoils the exchange's reply."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Final, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from altcraft.codecs import Codec
from altcraft_plugins.sandbox.clock import Clock
from altcraft_plugins.sandbox.faults.connection import Connection
from altcraft_plugins.sandbox.faults.plan import (
    AnyExchangeFault,
    AnyTaskFault,
    Drip,
    ErrorReply,
    Fault,
    FaultPlan,
    Hang,
    Latency,
    Malformed,
    PrettyPrinted,
    Reset,
    Truncated,
    WrongContentType,
)
from altcraft_plugins.sandbox.http import status_line
from altcraft_plugins.sandbox.schema.replies import Failure

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

    from _typeshed.wsgi import StartResponse

__all__ = ["Faults", "Reply", "begin", "finish"]

F = TypeVar("F", bound="Fault | None")

PIECES: Final = 20
"""The largest number of pieces of a reply that drips."""


class Reply(Struct, frozen=True):
    """A reply that is ready to be sent."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def send(self, start_response: StartResponse, length: int | None = None) -> list[bytes]:
        """Sends it. `length` is another Content-Length than the body's."""
        size = len(self.body) if length is None else length
        start_response(status_line(self.status), [*self.headers, ("Content-Length", str(size))])
        return [self.body]


class Faults:
    """Chooses faults in the sandbox's time, and counts what it has chosen. Thread-safe."""

    def __init__(self, plan: FaultPlan, clock: Clock) -> None:
        self._plan = plan
        self._clock = clock
        self._started = clock.monotonic()
        self._lock = threading.Lock()
        self._exchanges: Counter[str] = Counter()
        self._chosen: Counter[str] = Counter()

    def restart(self) -> None:
        """Counts the plan's seconds from now on."""
        self._started = self._clock.monotonic()

    def now(self) -> float:
        """Seconds since the sandbox's start."""
        return self._clock.monotonic() - self._started

    def exchange(self, operation: str, request: str) -> AnyExchangeFault | None:
        """The fault of the next exchange with this request, or None."""
        with self._lock:
            self._exchanges[f"{operation} {request}"] += 1
            number = self._exchanges[f"{operation} {request}"]
        return self._noted(self._plan.exchange_fault(operation, f"{request} {number}", self.now()))

    def task(self, operation: str, request: str) -> AnyTaskFault | None:
        """The fault of the task that this request starts, or None."""
        return self._noted(self._plan.task_fault(operation, request, self.now()))

    def is_away(self) -> bool:
        """Whether there is an outage."""
        return self._plan.is_away(self.now())

    def until_change(self) -> float:
        """Seconds until an outage begins or ends; infinity where none does."""
        now = self.now()
        return self._plan.next_change(now) - now

    def injected(self) -> Counter[str]:
        """How many exchanges and tasks had which fault."""
        with self._lock:
            return Counter(self._chosen)

    def after_fork_in_child(self) -> None:
        """Replaces the lock, which a thread of the parent may hold."""
        self._lock = threading.Lock()

    def _noted(self, fault: F) -> F:
        if fault is not None:
            with self._lock:
                self._chosen[str(fault.__struct_config__.tag)] += 1
        return fault


def begin(fault: AnyExchangeFault, connection: Connection) -> bool:
    """What happens before the request is processed. Returns whether to process it."""
    if isinstance(fault, Latency):
        connection.wait(fault.seconds)
    elif isinstance(fault, Hang) and not fault.processed:
        connection.wait(fault.seconds)
        connection.reset()
    elif isinstance(fault, Reset) and not fault.processed:
        connection.reset()
    return not isinstance(fault, ErrorReply) or fault.processed


def finish(
    fault: AnyExchangeFault, reply: Reply, codec: Codec, connection: Connection, start_response: StartResponse
) -> Iterable[bytes]:
    """Sends the reply, or what the fault makes of it."""
    if isinstance(fault, Hang):
        connection.wait(fault.seconds)
        connection.reset()
    if isinstance(fault, Reset):
        connection.reset()
    if isinstance(fault, Drip):
        return _dripping(reply, fault.seconds, connection, start_response)
    if isinstance(fault, Truncated):
        return replace(reply, body=reply.body[: len(reply.body) // 2]).send(start_response, len(reply.body))
    if isinstance(fault, ErrorReply):
        reply = _error(fault, codec)
    elif isinstance(fault, WrongContentType):
        others = tuple(header for header in reply.headers if header[0] != "Content-Type")
        reply = replace(reply, headers=(("Content-Type", fault.value), *others))
    elif isinstance(fault, Malformed):
        reply = replace(reply, body=reply.body[: len(reply.body) // 2])
    elif isinstance(fault, PrettyPrinted):
        reply = replace(reply, body=_PRETTY.get(codec.name, bytes)(reply.body))
    return reply.send(start_response)


def _dripping(reply: Reply, seconds: float, connection: Connection, start_response: StartResponse) -> Iterator[bytes]:
    (body,) = reply.send(start_response)
    size = max(1, -(-len(body) // PIECES))
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    for piece in pieces:
        connection.wait(seconds / len(pieces))
        yield piece


def _error(fault: ErrorReply, codec: Codec) -> Reply:
    headers: list[tuple[str, str]] = []
    body = b""
    if fault.body == "envelope":
        headers.append(("Content-Type", codec.content_types[0]))
        body = codec.encode(Failure(fault.status, fault.text))
    elif fault.body == "html":
        headers.append(("Content-Type", "text/html; charset=utf-8"))
        title = status_line(fault.status)
        body = f"<html>\r\n<head><title>{title}</title></head>\r\n<body>{title}</body>\r\n</html>\r\n".encode()
    if fault.retry_after is not None:
        after = fault.retry_after
        headers.append(("Retry-After", after if isinstance(after, str) else f"{after:g}"))
    return Reply(fault.status, tuple(headers), body)


def _pretty_json(body: bytes) -> bytes:
    return json.dumps(json.loads(body), indent=2, ensure_ascii=False).encode()


def _pretty_xml(body: bytes) -> bytes:
    from xml.etree import ElementTree

    root = ElementTree.fromstring(body)  # noqa: S314  # written by this process
    _indent(root, "\n")
    text = ElementTree.tostring(root, "unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}'.encode()


def _indent(element: Element, margin: str) -> None:
    """Puts each text and each element on a line of its own."""
    inner = margin + "  "
    if element.text:
        element.text = f"{inner}{element.text}{margin}"
    for child in element:
        _indent(child, inner)
        child.tail = inner
    if len(element):
        element.text, element[-1].tail = inner, margin


_PRETTY: Final[dict[str, Callable[[bytes], bytes]]] = {"json": _pretty_json, "xml": _pretty_xml}
