"""`FeedbackReceiver`, the public face of the inbox: hands out URLs, follows tasks as a plugin, serves as an app."""

from __future__ import annotations

import re
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import partial
from math import inf
from typing import TYPE_CHECKING, Any, overload

from altcraft import AltcraftError, Feedback, HttpResponse, TaskHandle, hookimpl
from altcraft.hooks import Hooks
from altcraft_plugins.feedback.asgi import AsgiApp, Receive, Scope, Send, asgi_app
from altcraft_plugins.feedback.bodies import Readable
from altcraft_plugins.feedback.inbox import Inbox
from altcraft_plugins.feedback.public_url import checked
from altcraft_plugins.feedback.tokens import LONGEST
from altcraft_plugins.feedback.wsgi import wsgi_app

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

__all__ = ["FeedbackReceiver"]


class FeedbackReceiver:
    """Takes all deliveries of a process: `Client(..., plugins=[receiver])`, `feedback=receiver.feedback()`.

    `receiver.wsgi` is a WSGI application, `receiver.asgi` an ASGI 3 application, and the receiver itself is both, for
    servers that tell the two apart by how they call. `deliver` serves every other framework. Thread-safe.

    * `base_url` is where the platform reaches the receiver. Each URL that it hands out adds one unguessable part.
    * `hooks` are a client's. The receiver joins them, which makes it a plugin of that client, and the client's plugins
      hear of deliveries through `altcraft_feedback_received`. Without `hooks`, those in `plugins` hear of them.
    * `secret`, the same in several processes, lets each process take deliveries for all. Without it, a receiver takes
      only deliveries on URLs that it has handed out itself.
    * `lifetime`: a URL is good for so many seconds. `capacity`: so many URLs are kept; the oldest give way.
    * `limit`: bytes of the largest body. `read_timeout`: seconds that reading a body may take. `spacing`: seconds
      between two hints at one task, at least.

    ValueError for settings that make no sense. Page: docs/how-to/feedback.md.
    """

    def __init__(
        self,
        base_url: str,
        *,
        hooks: Hooks | None = None,
        plugins: Iterable[object] = (),
        secret: str | bytes | None = None,
        lifetime: float = 86_400.0,
        capacity: int = 100_000,
        limit: int = 1 << 20,
        read_timeout: float = 10.0,
        spacing: float = 1.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        for name, value, most in (
            ("lifetime", lifetime, LONGEST), ("capacity", capacity, inf), ("read_timeout", read_timeout, inf),
        ):  # fmt: skip
            if not 0 < value <= most:
                raise ValueError(f"{name}={value!r}: more than 0" + (f", at most {most:g}" if most < inf else ""))
        if not (limit >= 0 and spacing >= 0):
            raise ValueError(f"limit={limit!r}, spacing={spacing!r}: 0 or more")
        self.base_url = checked(base_url)
        self.hooks = Hooks(plugins) if hooks is None else hooks
        self._inbox = Inbox(
            self.hooks, secret=secret, lifetime=lifetime, capacity=capacity, limit=limit, read_timeout=read_timeout,
            spacing=spacing, clock=clock,
        )  # fmt: skip
        self.wsgi: WSGIApplication = wsgi_app(self._inbox)
        self.asgi: AsgiApp = asgi_app(self._inbox)
        if hooks is not None:
            for plugin in (*plugins, self):
                hooks.register(plugin)

    def feedback(self, type: str = "JSON") -> Feedback:
        """A new URL, for one refresh. `type` is the format that the platform is asked to send."""
        return Feedback(f"{self.base_url}/{self._inbox.new_token()}", type)

    def watch(self, task: TaskHandle, feedback: Feedback | None = None) -> None:
        """Have deliveries hint at this task. Needed where the receiver is no plugin of the task's client.

        `feedback` is for a resumed task, which no longer knows it. ValueError where its URL is not, or no longer, one
        of this receiver's.
        """
        known = feedback or task.feedback
        if known is None or not self._inbox.attach(known.url, task):
            raise ValueError(f"task {task.id} has no feedback URL of this receiver")

    @property
    def waiting(self) -> list[str]:
        """Ids of the tasks that a delivery would hint at, in the order of their URLs."""
        return self._inbox.table.task_ids()

    @property
    def limit(self) -> int:
        """Bytes of the largest body."""
        return self._inbox.limit

    @property
    def read_timeout(self) -> float:
        """Seconds that reading a body may take."""
        return self._inbox.read_timeout

    def __len__(self) -> int:
        """How many URLs wait for the end of a task."""
        return len(self._inbox.table)

    def __bool__(self) -> bool:
        """True, with and without URLs."""
        return True

    # Deliveries.

    def deliver(
        self, path: str, headers: Mapping[str, str], body: bytes | Readable = b"", *, method: str = "POST"
    ) -> HttpResponse:
        """Take one delivery from any framework, and return the answer to pass on. Raises nothing.

        `path` may be the whole URL: its last part counts. A stream is read up to the limit. Plugins are called before
        `deliver` returns.
        """
        return self._inbox.deliver(path, headers, body, method)

    def key(self, url: str) -> str | None:
        """The `Delivery.key` of a URL that a receiver with this secret has handed out. None for every other one."""
        return self._inbox.key(url)

    def notify(self, key: str) -> bool:
        """Hint at the task of a `Delivery.key` from another process. False where this receiver does not know it."""
        return self._inbox.notify(key)

    # As an application.

    @overload
    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse, /) -> Iterable[bytes]: ...

    @overload
    def __call__(self, scope: Scope, receive: Receive, send: Send, /) -> Awaitable[None]: ...

    @overload
    def __call__(self, scope: Scope, /) -> Callable[[Receive, Send], Awaitable[None]]: ...

    def __call__(self, *call: Any) -> Any:
        """WSGI's two arguments, ASGI's three, or the single one of ASGI 2, which some servers take an object for."""
        if not 1 <= len(call) <= 3:  # servers call an object without arguments to see whether it is a factory
            raise TypeError("(environ, start_response) by WSGI, or (scope, receive, send) by ASGI")
        if len(call) == 2:
            return self.wsgi(*call)
        return self.asgi(*call) if len(call) == 3 else partial(self.asgi, *call)

    # As a plugin.

    @hookimpl
    def altcraft_task_submitted(self, task: TaskHandle) -> None:
        """Tie the task to its URL, where that is one of this receiver's."""
        if task.feedback is not None:
            self._inbox.attach(task.feedback.url, task)

    @hookimpl
    def altcraft_task_completed(self, task: TaskHandle) -> None:
        """The URL hints at nothing from now on."""
        self._end(task)

    @hookimpl
    def altcraft_task_failed(self, task: TaskHandle, error: AltcraftError) -> None:
        """The URL hints at nothing from now on."""
        self._end(task)

    def _end(self, task: TaskHandle) -> None:
        if task.feedback is not None:
            self._inbox.end(task.feedback.url)

    def __repr__(self) -> str:
        shown = re.sub(r"//[^/]*@", "//", self.base_url)  # a user name and password are for the platform alone
        return f"<FeedbackReceiver at {shown}: {len(self)} URLs out>"
