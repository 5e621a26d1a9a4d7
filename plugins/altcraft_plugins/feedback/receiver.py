"""`FeedbackReceiver`: hands out URLs, takes deliveries on them, and hints at the tasks that they belong to.

Rules:

1. A delivery is a hint. Its task is looked at, and what the platform then says is believed; the body never is, nor is
   it read beyond its limit, decoded, or followed to any address.
2. Whoever does not know a URL is told nothing: everything that is not one of ours is 404, whatever is sent there.
3. However often one URL is called, its task is hinted at no more than once every `spacing` seconds.
4. Nothing that arrives makes an error of the server's: the answers are 200, 400, 404, 405, 408 and 413.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, overload

from altcraft import AltcraftError, Delivery, Feedback, HttpResponse, TaskHandle, hookimpl
from altcraft.hooks import Hooks, guarded
from altcraft.wire.messages import header
from altcraft_plugins.feedback.bodies import Readable, Refusal, announced, read
from altcraft_plugins.feedback.book import Book, Page
from altcraft_plugins.feedback.public_url import checked
from altcraft_plugins.feedback.tokens import Tokens, expiry_of

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

    from altcraft_plugins.feedback.asgi import Receive, Scope, Send

__all__ = ["FeedbackReceiver"]

HOOK = "altcraft_feedback_received"
TAKEN = HttpResponse(200, {"Content-Type": "text/plain", "Content-Length": "0"}, b"")


class FeedbackReceiver:
    """One place for all the deliveries of a process: `Client(..., plugins=[receiver])`, `feedback=receiver.feedback()`.

    An object of it is a WSGI application and an ASGI application (versions 3 and 2), `deliver` is for any other
    framework. Thread-safe.

    * `base_url` is where the platform reaches it, from outside; each URL is that and one more, unguessable part.
    * `hooks` are a client's: the receiver joins them, which makes it a plugin of that client, and fires
      `altcraft_feedback_received` there. Without them, `plugins` are those that hear of deliveries.
    * `secret`, the same in several processes, lets each of them take deliveries for all; without it, a receiver knows
      the URLs that it has handed out itself.
    * `lifetime` is for how many seconds a URL is good; at most `capacity` are remembered, the oldest go first.
    * `limit` is the largest body in bytes, `read_timeout` how many seconds reading one may take, `spacing` how many
      are at least between two hints at one task.

    ValueError for settings that make no sense. Page: docs/feedback.md.
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
        for name, value in (("lifetime", lifetime), ("capacity", capacity), ("read_timeout", read_timeout)):
            if not value > 0:
                raise ValueError(f"{name}={value!r}: more than 0")
        if limit < 0 or spacing < 0:
            raise ValueError(f"limit={limit!r}, spacing={spacing!r}: 0 or more")
        self.base_url = checked(base_url)
        self.limit = limit
        self.read_timeout = read_timeout
        self._tokens = Tokens(secret)
        self._shared = secret is not None
        self._lifetime = lifetime
        self._spacing = spacing
        self._clock = clock
        self._book = Book(capacity)
        self.hooks = Hooks(plugins) if hooks is None else hooks
        if hooks is not None:
            for plugin in (*plugins, self):
                hooks.register(plugin)

    def feedback(self, type: str = "JSON") -> Feedback:
        """A new URL, for one refresh. `type` is the format in which the platform is asked to send."""
        now = self._clock()
        key, token = self._tokens.make(now + self._lifetime)
        with self._book.lock:
            self._book.open(key, now + self._lifetime, now)
        return Feedback(f"{self.base_url}/{token}", type)

    def watch(self, task: TaskHandle, feedback: Feedback | None = None) -> None:
        """Has deliveries hint at this task. A client of which the receiver is a plugin does it by itself.

        `feedback` is for a task that was resumed, and doesn't know it any more. ValueError where its URL is not, or no
        longer, one of this receiver's.
        """
        known = feedback or task.feedback
        key = self._key(known.url) if known is not None else None
        if key is None or not self._bind(key, task):
            raise ValueError(f"task {task.id} has no feedback URL of this receiver")

    @property
    def waiting(self) -> list[str]:
        """Ids of the tasks that a delivery would hint at, oldest first."""
        with self._book.lock:
            return self._book.waiting()

    def __len__(self) -> int:
        """How many URLs are out whose tasks have not ended."""
        with self._book.lock:
            return len(self._book)

    # Deliveries.

    def deliver(
        self, path: str, headers: Mapping[str, str], body: bytes | Readable = b"", *, method: str = "POST"
    ) -> HttpResponse:
        """Takes one delivery, from any framework; the answer is to be passed on. Raises nothing.

        `path` may be the whole URL: its last part counts. A stream as `body` is read no further than the limit. Plugins
        are called before it returns.
        """
        try:
            key, length = self.admit(path, headers, method)
            posted = read(body, length, self.limit, self.read_timeout)
        except Refusal as refusal:
            return refused(refusal)
        delivery = self.take(key, headers, posted)
        if delivery is not None:
            self.tell(delivery)
        return TAKEN

    def notify(self, key: str) -> bool:
        """Hints at the task of a `Delivery.key` that has come from another process. False: it is not known here."""
        now = self._clock()
        with self._book.lock:
            page = self._book.find(key, now)
            task = page.task if page is not None else None
        if task is not None:
            task.notify()
        return task is not None

    def admit(self, path: str, headers: Mapping[str, str], method: str) -> tuple[str, int | None]:
        """The key and the announced length of what may be read. Refusal for all else. For those who build on this."""
        key = self._key(path)
        if key is None or self._page(key) is None:
            raise Refusal(404)
        if method.upper() != "POST":
            raise Refusal(405)
        return key, announced(headers, self.limit)

    def take(self, key: str, headers: Mapping[str, str], body: bytes) -> Delivery | None:
        """Hints at the task; what plugins are to be told, or None where that has just been done."""
        page = self._page(key)
        if page is None or page.spent:
            return None
        with self._book.lock:
            now = time.monotonic()
            if now - page.heard_at < self._spacing:
                return None
            page.heard, page.heard_at = True, now
            task, task_id = page.task, page.task_id
        if task is not None:
            guarded(_notify, task)
        return Delivery(key, task_id, str(header(headers, "content-type") or ""), body)

    def tell(self, delivery: Delivery) -> None:
        """Calls the plugins."""
        if HOOK in self.hooks.heard:
            self.hooks.fire(HOOK, delivery=delivery)

    # As an application.

    @overload
    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse, /) -> Iterable[bytes]: ...

    @overload
    def __call__(self, scope: Scope, receive: Receive, send: Send, /) -> Awaitable[None]: ...

    @overload
    def __call__(self, scope: Scope, /) -> Callable[[Receive, Send], Awaitable[None]]: ...

    def __call__(self, *call: Any) -> Any:
        """WSGI's two arguments, ASGI's three, or the one of ASGI 2, by which some servers call an object."""
        if not 1 <= len(call) <= 3:  # a TypeError is what servers expect that try whether it is a factory
            raise TypeError("(environ, start_response) by WSGI, or (scope, receive, send) by ASGI")
        if len(call) == 2:
            from altcraft_plugins.feedback.wsgi import respond

            return respond(self, *call)
        from altcraft_plugins.feedback.asgi import serve

        return serve(self, *call) if len(call) == 3 else partial(serve, self, *call)

    # As a plugin.

    @hookimpl
    def altcraft_task_submitted(self, task: TaskHandle) -> None:
        """Binds the task to its URL, if that is one of ours."""
        key = self._key(task.feedback.url) if task.feedback is not None else None
        if key is not None:
            self._bind(key, task)

    @hookimpl
    def altcraft_task_completed(self, task: TaskHandle) -> None:
        """Forgets the URL."""
        self._ended(task)

    @hookimpl
    def altcraft_task_failed(self, task: TaskHandle, error: AltcraftError) -> None:
        """Forgets the URL."""
        self._ended(task)

    def _ended(self, task: TaskHandle) -> None:
        key = self._key(task.feedback.url) if task.feedback is not None else None
        if key is not None:
            with self._book.lock:
                self._book.close(key, self._clock())

    def _bind(self, key: str, task: TaskHandle) -> bool:
        page = self._page(key)
        if page is None:
            return False
        with self._book.lock:
            page.task = task
            heard = page.heard
        if heard:  # the delivery was faster than the submission's answer
            task.notify()
        return True

    def _key(self, path: str) -> str | None:
        """The key of a path or URL, if the token in it is one of ours."""
        last = path.partition("?")[0].rstrip("/").rpartition("/")[2]
        return self._tokens.key(last, self._clock())

    def _page(self, key: str) -> Page | None:
        """The page of a key. One that another process has handed out gets its page with its first delivery."""
        now = self._clock()
        with self._book.lock:
            page = self._book.find(key, now)
            if page is None and self._shared:
                page = self._book.open(key, expiry_of(key), now)
            return page

    def __repr__(self) -> str:
        return f"<FeedbackReceiver at {self.base_url}: {len(self)} URLs out>"


def refused(refusal: Refusal) -> HttpResponse:
    """The answer: a status and nothing else."""
    headers = dict(TAKEN.headers)
    if refusal.status == 405:
        headers["Allow"] = "POST"
    return HttpResponse(refusal.status, headers, b"")


def _notify(task: TaskHandle) -> None:
    task.notify()
