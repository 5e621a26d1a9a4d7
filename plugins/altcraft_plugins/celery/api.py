"""What is used of Celery, which has no annotations. Its absence is one line that says what to install."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from altcraft import MissingExtra

try:
    from celery import Task
    from celery.backends.base import BaseKeyValueStoreBackend
    from celery.backends.redis import RedisBackend
    from celery.exceptions import Ignore
    from celery.signals import worker_init, worker_process_shutdown, worker_shutdown
    from kombu.utils.json import dumps, loads, register_type
except ImportError as error:
    raise MissingExtra(
        "altcraft_plugins.celery needs the packages celery and redis: pip install celery redis"
    ) from error

__all__ = [
    "App",
    "Ignore",
    "KeyValues",
    "Texts",
    "call_at_shutdown",
    "call_at_start",
    "counted_down",
    "has_ended",
    "job_id",
    "message_of",
    "redis_of",
    "register_type",
    "send",
    "task_of",
    "texts_of",
]


class App(Protocol):
    """What the plugin uses of a Celery application."""

    @property
    def conf(self) -> Any:
        """The configuration; keys are attributes."""
        ...

    @property
    def backend(self) -> Any:
        """The result backend."""
        ...

    def task(self, *args: Any, **options: Any) -> Any:
        """Registers a function as a task."""
        ...

    def signature(self, *args: Any, **options: Any) -> Any:
        """A message that can be sent."""
        ...


class KeyValues(Protocol):
    """What the plugin uses of a Redis client."""

    def get(self, name: str) -> Any:
        """The value of a key, None for a key that is not there."""
        ...

    def set(self, name: str, value: str, *, ex: int, nx: bool = False) -> Any:
        """Sets a key for `ex` seconds. With `nx`, answers None where the key is there already, and changes nothing."""
        ...

    def delete(self, name: str) -> Any:
        """Deletes a key."""
        ...


def task_of(app: App, function: Callable[..., object], name: str, options: Mapping[str, object]) -> Any:
    """The Celery task made of a function that takes the task itself as its first argument."""
    # Not shared: Celery would give it to the other applications of the process, too.
    return app.task(bind=True, base=Task, name=name, max_retries=None, shared=False, **options)(function)


def job_id(task: Any) -> str:
    """The id of the job that a worker runs; a new message of the same job keeps it."""
    return str(task.request.id)


def counted_down(task: Any, arguments: dict[str, object], seconds: float) -> BaseException:
    """Sends the job's next message, which a worker runs after so many seconds. Answers what the caller must raise.

    The next message keeps the job's id, its links, its chain and its chord.
    """
    return task.retry(args=(), kwargs=arguments, countdown=seconds, throw=False)  # type: ignore[no-any-return]  # Celery's Retry


def has_ended(task: Any, app: App, *, hinted: bool) -> bool:
    """Whether the job that a worker runs has its result or its error already, from another message.

    False for the first message of a job that has been sent again, and for a result backend that can't be asked.
    """
    request = task.request
    first = not (hinted or request.retries or (request.delivery_info or {}).get("redelivered"))
    if first or request.is_eager or not isinstance(app.backend, BaseKeyValueStoreBackend):
        return False
    return bool(task.AsyncResult(request.id).ready())


def message_of(task: Any, arguments: dict[str, object]) -> str:
    """Another message of the job that a worker runs, with its id, its links, its chain and its chord, as text."""
    message = task.signature_from_request(task.request, args=(), kwargs=arguments)
    return str(dumps(message))  # type: ignore[no-untyped-call]  # kombu's JSON, which knows times and identifiers


def send(app: App, message: str) -> None:
    """Sends the text of `message_of`, for a worker to run at once."""
    app.signature(loads(message)).apply_async()  # type: ignore[no-untyped-call]  # as above


class Texts:
    """Texts by a key in the application's result backend, kept as long as results are."""

    def __init__(self, backend: Any) -> None:
        self._backend = backend

    def get(self, key: str) -> str | None:
        """The text of a key, None for a key that is not there."""
        text: str | bytes | None = self._backend.get(key)
        return text.decode() if isinstance(text, bytes) else text

    def set(self, key: str, text: str) -> None:
        """Keeps a text."""
        self._backend.set(key, text)


def texts_of(app: App) -> Texts:
    """The texts in the result backend. ValueError for a backend that is no store of keys and values."""
    if not isinstance(app.backend, BaseKeyValueStoreBackend):
        raise ValueError("feedback needs a result backend of keys and values, such as Redis")
    return Texts(app.backend)


def redis_of(app: App) -> KeyValues | None:
    """The client of the application's Redis result backend; None where the results are kept elsewhere."""
    return app.backend.client if isinstance(app.backend, RedisBackend) else None


def call_at_start(app: App, function: Callable[[], object]) -> None:
    """Has a function called when a worker of this application starts, before it has processes of its own."""

    def started(sender: Any, **_: object) -> None:
        if sender.app is app:
            function()

    worker_init.connect(started, weak=False)


def call_at_shutdown(function: Callable[..., object]) -> None:
    """Has a function called when a worker's process ends."""
    worker_process_shutdown.connect(function, weak=False)
    worker_shutdown.connect(function, weak=False)
