"""A platform on loopback that misbehaves on command, request by request, and counts what reached it."""

from __future__ import annotations

import socket
import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import msgspec

from altcraft.codecs import default_registry
from altcraft.testing import reply
from altcraft.testing.transport.loopback import Loopback, Received, Talk
from altcraft.testing.transport.loopback import reply as http_reply

Fault: TypeAlias = Callable[[Talk, bytes], None]
"""What happens to a connection after its request was received; the bytes are the reply that was due. It then ends."""


class Refusal(NamedTuple):
    """A refusal in the platform's envelope, with a status such as "503 Busy" and a Retry-After header."""

    status: str
    retry_after: str


class Asked(msgspec.Struct):
    """What the platform reads of a request: the id of what to count, or that of a task."""

    id: int | None = None
    task_id: str | None = None


Mishap: TypeAlias = "Fault | Refusal"

CODECS = default_registry()
RUNNING = 2
"""How many polls find a task running, before one finds it done."""
RESULT = "counted"
"""What a task gives. Its type is not declared: a text is the same in both formats then, an empty array is not."""
JSON = "Content-Type: application/json"

# What can go wrong after a request has arrived. The client can't tell how far the platform got with it.
AFTER: dict[str, Fault] = {
    "reset": lambda talk, due: talk.reset(),
    "closed": lambda talk, due: None,
    "cut short in the header": lambda talk, due: talk.send(due[:40]),
    "cut short in the body": lambda talk, due: talk.send(due[:-9]),
    "cut short in a chunk": lambda talk, due: talk.send(
        http_reply(b'40\r\n{"data":', JSON, "Transfer-Encoding: chunked")
    ),
    "garbage": lambda talk, due: talk.send(b"\0\xff SMTP ready\r\n\r\n"),
    "compressed badly": lambda talk, due: talk.send(http_reply(b"not gzip", JSON, "Content-Encoding: gzip")),
    "no reply": lambda talk, due: talk.pause(5),
    "dripping": lambda talk, due: talk.drip(due),
}
TRIAL: dict[str, Fault] = {name: AFTER[name] for name in ("reset", "closed", "cut short in the body", "garbage")}
"""The faults that take no time."""


class Platform:
    """Starts tasks, and says that they are done after some polls. A context manager.

    Each of the first requests meets one of `mishaps`. Each of the first connections meets one of `before`, ahead of
    anything that it sends. `known` counts the polls of each task, for a second platform that goes on with them. It
    answers in the format of the request.
    """

    def __init__(
        self,
        *mishaps: Mishap,
        before: tuple[Callable[[Talk], None], ...] = (),
        running: int = RUNNING,
        port: int = 0,
        known: Counter[str] | None = None,
    ) -> None:
        self.server = Loopback(self._serve, port=port)
        self.url = self.server.url
        self.mishaps = deque(mishaps)
        self.before = deque(before)
        self.mishap_of: Callable[[Asked], Mishap | None] = lambda _: None
        self.half_closes = False
        self.arrivals: list[float] = []
        self.submissions: list[int] = []
        self.polls: Counter[str] = Counter() if known is None else known
        self._running = running
        self._lock = threading.Lock()

    def __enter__(self) -> Platform:
        self.server.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.__exit__()

    def _serve(self, talk: Talk) -> None:
        if self.before:
            self.before.popleft()(talk)
            return
        while (received := talk.receive()) is not None:
            if len(received.body) < int(received.headers["content-length"]):
                return  # the client broke the request off
            with self._lock:
                self.arrivals.append(time.monotonic())
                due, fault = self._answer(received)
            if fault is not None:
                fault(talk, due)
                return
            talk.send(due)
            if self.half_closes:
                talk.pause(0.02)  # the event loop runs during a call only: let the call end first
                talk.sock.shutdown(socket.SHUT_WR)
                talk.receive()
                return

    def _answer(self, received: Received) -> tuple[bytes, Fault | None]:
        """The reply that is due, and the fault that prevents it."""
        codec = CODECS.by_content_type(received.headers["content-type"])
        assert codec is not None
        asked = codec.decode(received.body, Asked)
        if asked.id is not None and "get_counters" not in received.target:
            self.submissions.append(asked.id)
        mishap = self.mishaps.popleft() if self.mishaps else self.mishap_of(asked)
        if isinstance(mishap, Refusal):
            return refusal(mishap, codec.name), None
        if mishap is not None:  # a task whose poll has failed is not polled
            return envelope({"status": "completed", "result": RESULT}, codec.name), mishap
        if asked.task_id is not None:
            return envelope(self._state(asked.task_id), codec.name), None
        return envelope([] if "get_counters" in received.target else {"task_id": f"task-{asked.id}"}, codec.name), None

    def _state(self, task_id: str) -> dict[str, object]:
        self.polls[task_id] += 1
        return (
            {"status": "completed", "result": RESULT} if self.polls[task_id] > self._running else {"status": "running"}
        )


def envelope(data: object, codec: str) -> bytes:
    response = reply(data, codec=codec)
    return http_reply(response.body, f"Content-Type: {response.headers['Content-Type']}")


def refusal(refused: Refusal, codec: str) -> bytes:
    response = reply(error=int(refused.status[:3]), error_text="made up by the test", codec=codec)
    kind = f"Content-Type: {response.headers['Content-Type']}"
    return http_reply(response.body, kind, f"Retry-After: {refused.retry_after}", status=refused.status)
