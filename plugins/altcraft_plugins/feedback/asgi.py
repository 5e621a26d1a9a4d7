"""The receiver as an ASGI 3 application, under asyncio or trio."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

from altcraft_plugins.feedback.bodies import Refusal, receive

if TYPE_CHECKING:
    from altcraft import HttpResponse
    from altcraft_plugins.feedback.receiver import FeedbackReceiver

__all__ = ["Receive", "Scope", "Send", "serve"]

Scope: TypeAlias = "MutableMapping[str, Any]"
Receive: TypeAlias = "Callable[[], Awaitable[MutableMapping[str, Any]]]"
Send: TypeAlias = "Callable[[MutableMapping[str, Any]], Awaitable[None]]"


async def serve(receiver: FeedbackReceiver, scope: Scope, messages: Receive, send: Send) -> None:
    """Answers one request, or sees a server's lifespan through; a websocket is refused."""
    if scope["type"] == "lifespan":
        while (await messages())["type"] != "lifespan.shutdown":
            await send({"type": "lifespan.startup.complete"})
        await send({"type": "lifespan.shutdown.complete"})
    elif scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1000})
    else:
        reply = await _answer(receiver, scope, messages)
        if reply is not None:
            headers = [(name.lower().encode(), value.encode()) for name, value in reply.headers.items()]
            if reply.status in (408, 413) and str(scope.get("http_version", "1.1")).startswith("1"):
                headers.append(
                    (b"connection", b"close")
                )  # what is left of the body is not read; HTTP/2 has other means
            await send({"type": "http.response.start", "status": reply.status, "headers": headers})
            await send({"type": "http.response.body", "body": reply.body})


async def _answer(receiver: FeedbackReceiver, scope: Scope, messages: Receive) -> HttpResponse | None:
    """The answer, None where nobody is left to hear it."""
    from altcraft_plugins.feedback.receiver import HOOK, TAKEN, refused

    headers: Mapping[str, str] = {
        bytes(name).decode("latin-1"): bytes(value).decode("latin-1") for name, value in scope["headers"]
    }
    try:
        key, _ = receiver.admit(str(scope["path"]), headers, str(scope["method"]))
        body = await receive(messages, receiver.limit, receiver.read_timeout)
    except Refusal as refusal:
        return refused(refusal)
    except EOFError:
        return None
    delivery = receiver.take(key, headers, body)
    if delivery is not None and HOOK in receiver.hooks.heard:
        from altcraft_plugins.feedback.loops import aside

        await aside(partial(receiver.tell, delivery))  # a plugin that talks to its bus must not hold the loop up
    return TAKEN
