"""A platform on loopback that misbehaves as it is told, request by request, and keeps count of what reached it."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from typing import TypeAlias

from altcraft.testing.transport.loopback import Loopback, Received, Talk
from altcraft.testing.transport.loopback import reply as http_reply

Fault: TypeAlias = Callable[[Talk], None]
"""What becomes of a connection whose request has been received. It ends with that."""

LOOKS = 2
"""How often a task is found running before it is found done."""

JSON = "Content-Type: application/json"


def envelope(data: object = None, error: int = 0, *headers: str, status: str = "200 OK") -> bytes:
    body = {"data": data, "error": error, "error_text": "as the test has it"}
    return http_reply(json.dumps(body).encode(), JSON, *headers, status=status)


def refusal(status: str, retry_after: str) -> bytes:
    code = int(status[:3])
    return envelope(None, code, f"Retry-After: {retry_after}", status=status)


DONE = envelope({"status": "completed", "result": []})

# What can go wrong once a request is there. Whoever sent it can't tell how far the platform has got with it.
AFTER: dict[str, Fault] = {
    "reset": lambda talk: talk.reset(),
    "closed": lambda talk: None,
    "cut short in the header": lambda talk: talk.send(DONE[:40]),
    "cut short in the body": lambda talk: talk.send(DONE[:-9]),
    "cut short in a chunk": lambda talk: talk.send(http_reply(b'40\r\n{"data":', JSON, "Transfer-Encoding: chunked")),
    "garbage": lambda talk: talk.send(b"\0\xff SMTP ready\r\n\r\n"),
    "compressed badly": lambda talk: talk.send(http_reply(b"not gzip", JSON, "Content-Encoding: gzip")),
    "no reply": lambda talk: talk.pause(5),
    "dripping": lambda talk: talk.drip(DONE),
}
TRIAL: dict[str, Fault] = {name: AFTER[name] for name in ("reset", "closed", "cut short in the body", "garbage")}
"""Those that take no time."""


class Platform:
    """Starts tasks, and tells of their ends; `faults` are met with first, one by each request. A context manager.

    `before` are met with by the first connections, ahead of anything that they send.
    """

    def __init__(
        self,
        *faults: Fault | bytes,
        before: tuple[Fault, ...] = (),
        looks: int = LOOKS,
        port: int = 0,
        known: Counter[str] | None = None,
    ) -> None:
        self.server = Loopback(self._serve, port=port)
        self.url = self.server.url
        self.faults = deque(faults)
        self.before = deque(before)
        self.fault_of: Callable[[Received], Fault | bytes | None] = lambda _: None
        self.half_closes = False
        self.arrivals: list[float] = []
        self.submissions: list[int] = []
        self.looked_at: Counter[str] = Counter() if known is None else known
        self._looks = looks
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
                return  # broken off in the midst of it
            with self._lock:
                self.arrivals.append(time.monotonic())
                answer = self._answer(received)
            if not isinstance(answer, bytes):
                answer(talk)
                return
            talk.send(answer)
            if self.half_closes:
                talk.pause(0.02)  # until an event loop that runs for a call alone stands still again
                talk.sock.shutdown(socket.SHUT_WR)
                talk.receive()
                return

    def _answer(self, received: Received) -> Fault | bytes:
        asked = json.loads(received.body)
        if not received.target.endswith("/tasks/status") and "get_counters" not in received.target:
            self.submissions.append(asked["id"])
        fault = self.faults.popleft() if self.faults else self.fault_of(received)
        if fault is not None:
            return fault
        if received.target.endswith("/tasks/status"):
            return self._state(asked["task_id"])
        if "get_counters" in received.target:
            return envelope([])
        return envelope({"task_id": f"task-{asked['id']}"})

    def _state(self, task_id: str) -> bytes:
        self.looked_at[task_id] += 1
        return DONE if self.looked_at[task_id] > self._looks else envelope({"status": "running"})
