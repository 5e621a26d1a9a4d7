"""Fakes of a task, a plugin and the platform, and ways to call the receiver as servers do."""

from __future__ import annotations

import asyncio
import io
import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

from altcraft import Delivery, Feedback, HttpRequest, HttpResponse, hookimpl
from altcraft.testing import reply
from altcraft_plugins.feedback import FeedbackReceiver

BASE = "https://me.example/feedback"


class FakeTask:
    """What hooks can rely on of a task, and a count of its hints."""

    operation = "databases/refresh_counters"
    resume_token = "{}"

    def __init__(self, feedback: Feedback | None, id: str = "t-1") -> None:
        self.feedback = feedback
        self.id = id
        self.hints = 0

    def done(self) -> bool:
        return False

    def notify(self) -> None:
        self.hints += 1


class Heard:
    """A plugin that keeps the deliveries it hears of."""

    def __init__(self) -> None:
        self.deliveries: list[Delivery] = []

    @hookimpl
    def altcraft_feedback_received(self, delivery: Delivery) -> None:
        self.deliveries.append(delivery)


class Platform:
    """A transport that answers as the platform does. Its tasks tell no progress, and run until the test ends them."""

    def __init__(self, poll_takes: float = 0.0) -> None:
        self.poll_takes = poll_takes
        self.polls: Counter[str] = Counter()
        self.most_at_once = 0
        self._at_once = 0
        self._started = 0
        self._ended: set[str] = set()
        self._changed = threading.Condition()
        self._woken = threading.Event()

    def end(self, task_id: str) -> None:
        """The task is done: the next poll says so."""
        self._ended.add(task_id)

    def until_polled(self, task_ids: Iterable[str], times: int = 1) -> None:
        """Returns when each of these tasks has been polled so often."""
        ids = list(task_ids)
        with self._changed:
            assert self._changed.wait_for(lambda: all(self.polls[one] >= times for one in ids), 60)

    def send(self, request: HttpRequest, *, timeout: float) -> HttpResponse:
        if not request.url.endswith("tasks/status"):
            with self._changed:
                self._started += 1
                return reply({"task_id": f"t-{self._started}"})
        task_id = json.loads(request.body)["task_id"]
        with self._changed:
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
        if self.poll_takes:
            time.sleep(self.poll_takes)
        status = "completed" if task_id in self._ended else "running"
        with self._changed:
            self._at_once -= 1
            self.polls[task_id] += 1
            self._changed.notify_all()
        return reply({"status": status, "result": []})

    def sleep(self, seconds: float) -> None:
        self._woken.wait(seconds)
        self._woken.clear()

    def wake(self) -> None:
        self._woken.set()

    def close(self) -> None:
        self._woken.set()


def waiting(receiver: FeedbackReceiver, id: str = "t-1") -> tuple[FakeTask, str]:
    """A task that was submitted with one of the receiver's URLs, and the URL."""
    feedback = receiver.feedback()
    task = FakeTask(feedback, id)
    receiver.altcraft_task_submitted(task=task)
    return task, feedback.url


def environ(
    url: str, body: bytes = b"", method: str = "POST", stream: object = None, **changes: object
) -> dict[str, Any]:
    """What a WSGI server makes of a request; a change to None takes a key away."""
    made = {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "",
        "PATH_INFO": urlsplit(url).path,
        "QUERY_STRING": "",
        "SERVER_NAME": "me.example",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "CONTENT_TYPE": "application/json",
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(body) if stream is None else stream,
        "wsgi.errors": io.StringIO(),
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
        **changes,
    }
    return {key: value for key, value in made.items() if value is not None}


def by_wsgi(app: Callable[..., Any], given: dict[str, Any]) -> HttpResponse:
    """One request, as a WSGI server makes it."""
    begun: list[tuple[str, list[tuple[str, str]]]] = []

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: object = None) -> Callable[..., Any]:
        begun.append((status, headers))
        return io.BytesIO().write

    chunks = app(given, start_response)
    body = b"".join(chunks)
    if hasattr(chunks, "close"):
        chunks.close()
    ((status, headers),) = begun
    return HttpResponse(int(status[:3]), dict(headers), body)


def scope(
    url: str, method: str = "POST", headers: Mapping[str, str] | None = None, **changes: object
) -> dict[str, Any]:
    """What an ASGI server makes of a request's head."""
    given = {"content-type": "application/json"} if headers is None else headers
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "path": urlsplit(url).path,
        "headers": [(name.lower().encode(), value.encode()) for name, value in given.items()],
        **changes,
    }


def by_asgi(
    app: Callable[..., Any], given: dict[str, Any], *chunks: bytes, gone: bool = False, stalls: bool = False
) -> HttpResponse | None:
    """One request, as an ASGI server makes it; None where nothing was answered."""
    events = [{"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks]
    if gone:
        events.append({"type": "http.disconnect"})
    elif not stalls:
        events.append({"type": "http.request", "body": b"", "more_body": False})
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return events.pop(0) if events else await asyncio.get_running_loop().create_future()

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    asyncio.run(app(given, receive, send))
    if not sent:
        return None
    start, *rest = sent
    headers = {name.decode(): value.decode() for name, value in start["headers"]}
    return HttpResponse(start["status"], headers, b"".join(part["body"] for part in rest))
