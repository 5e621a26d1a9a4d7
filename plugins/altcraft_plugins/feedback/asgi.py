"""The inbox as an ASGI 3 application, under asyncio or trio."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, MutableMapping
from functools import partial
from typing import Any, TypeAlias

from altcraft import HttpResponse
from altcraft_plugins.feedback.bodies import receive
from altcraft_plugins.feedback.inbox import Inbox
from altcraft_plugins.feedback.loops import in_thread
from altcraft_plugins.feedback.replies import TAKEN, Refusal

__all__ = ["AsgiApp", "Receive", "Scope", "Send", "asgi_app"]

Scope: TypeAlias = "MutableMapping[str, Any]"
Receive: TypeAlias = "Callable[[], Awaitable[MutableMapping[str, Any]]]"
Send: TypeAlias = "Callable[[MutableMapping[str, Any]], Awaitable[None]]"
AsgiApp: TypeAlias = "Callable[[Scope, Receive, Send], Coroutine[Any, Any, None]]"


def asgi_app(inbox: Inbox) -> AsgiApp:
    """The application: a plain coroutine function, for servers take methods and objects for ASGI 2, or for WSGI."""

    async def asgi(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            while (await receive())["type"] != "lifespan.shutdown":
                await send({"type": "lifespan.startup.complete"})
            await send({"type": "lifespan.shutdown.complete"})
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1000})
        else:
            reply = await _answer(inbox, scope, receive)
            if reply is not None:
                await _send(reply, send, http1=str(scope.get("http_version", "1.1")).startswith("1"))

    return asgi


async def _answer(inbox: Inbox, scope: Scope, messages: Receive) -> HttpResponse | None:
    """The answer; None when the sender has gone away."""
    try:
        admitted = inbox.admit(scope["path"], scope["headers"], scope["method"])
        body = await receive(messages, inbox.limit, inbox.read_timeout)
    except Refusal as refusal:
        return refusal.reply()
    except EOFError:
        return None
    delivery = inbox.take(admitted, body)
    if delivery is not None and inbox.heard:
        try:
            await in_thread(partial(inbox.tell, delivery))  # a plugin may wait for its bus, and the loop goes on
        except RuntimeError:  # no thread can be started
            inbox.tell(delivery)
    return TAKEN


async def _send(reply: HttpResponse, send: Send, *, http1: bool) -> None:
    headers = [(name.lower().encode(), value.encode()) for name, value in reply.headers.items()]
    if http1 and reply.status in (408, 413):  # the rest of the body stays unread; in HTTP/2 only the stream ends
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": reply.body})
