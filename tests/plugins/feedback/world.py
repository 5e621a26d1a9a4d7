"""Stand-ins for a task and a plugin, and ways to call the receiver as servers would."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from altcraft import Delivery, Feedback, HttpResponse, hookimpl
from altcraft_plugins.feedback import FeedbackReceiver

BASE = "https://me.example/feedback"


class FakeTask:
    """As much of a task as a hook may rely on."""

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
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.deliveries: list[Delivery] = []

    @hookimpl
    def altcraft_feedback_received(self, delivery: Delivery) -> None:
        self.deliveries.append(delivery)


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
