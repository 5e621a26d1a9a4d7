"""The hooks: their specifications, and the caller that shields tasks from them.

Observers are called one by one; one that raises is logged, and neither ends a wait nor keeps the others from being
called. Who listens is remembered, so that a hook without listeners costs a look-up in a set.
"""

from __future__ import annotations

import re
from collections import UserDict
from collections.abc import Callable, Container, Iterable, Mapping, MutableMapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import msgspec
import pluggy

from altcraft.schema import Request

if TYPE_CHECKING:
    from altcraft.codecs import CodecRegistry
    from altcraft.errors import AltcraftError
    from altcraft.operations import OperationRegistry
    from altcraft.schema import Feedback, TaskStatus
    from altcraft.wire.messages import Delivery, HttpRequest, HttpResponse
    from altcraft.wire.transport import TransportRegistry

__all__ = [
    "ENTRY_POINTS",
    "PROJECT",
    "Hooks",
    "ObservedExchange",
    "Submission",
    "TaskHandle",
    "guarded",
    "hookimpl",
]

T = TypeVar("T")

PROJECT = "altcraft"
ENTRY_POINTS = "altcraft"
"""The entry-point group in which installed distributions offer their plugins."""

hookimpl = pluggy.HookimplMarker(PROJECT)
"""Marks a function of a plugin as the implementation of the hook that has its name."""

_hookspec = pluggy.HookspecMarker(PROJECT)


class TaskHandle(Protocol):
    """What hooks can rely on of a task, be it a `Task` or an `AsyncTask`."""

    @property
    def id(self) -> str:
        """The platform's id of the task."""
        ...

    @property
    def operation(self) -> str:
        """The path that started the task, or tasks/status where that is not known."""
        ...

    @property
    def request(self) -> Request[Any] | None:
        """The request that started the task, without the token; None where only the id is known."""
        ...

    @property
    def key(self) -> str | None:
        """The key of the task's submission; None where only the id is known."""
        ...

    @property
    def note(self) -> str:
        """What the caller has given as `submit(note=…)`."""
        ...

    @property
    def feedback(self) -> Feedback | None:
        """Where the platform was asked to report the end, if it was."""
        ...

    @property
    def resume_token(self) -> str:
        """Leads back to the task, in any process."""
        ...

    def done(self) -> bool:
        """Whether the outcome is known here; no I/O."""
        ...

    def notify(self) -> None:
        """A hint that there may be news: whoever waits for the task looks now."""
        ...


class Submission(msgspec.Struct, frozen=True):
    """A request that starts a task, from before it is sent.

    `key` is unique, and the same over all retries; `note` is the caller's. `request` is the struct without the token.
    `submitted_at` is aware, in UTC.
    """

    key: str
    operation: str
    request: Request[Any]
    submitted_at: datetime
    note: str = ""


class ObservedExchange:
    """One HTTP exchange, as observers see it: one object for its start and its end.

    `operation` is the method's path, `task_id` the task that is polled, or None. `attempt` counts from 1 over the
    repetitions. Put further headers into `headers` when the exchange starts: traceparent, say. They never replace those
    of the client. `retry_in` is set at the end, when another attempt follows, to the seconds until then. `context` is
    for the plugins' own state.
    """

    __slots__ = ("attempt", "context", "headers", "operation", "request", "retry_in", "task_id")

    def __init__(self, request: HttpRequest, operation: str, task_id: str | None, attempt: int) -> None:
        self.request = request
        self.operation = operation
        self.task_id = task_id
        self.attempt = attempt
        self.retry_in: float | None = None
        self.headers: MutableMapping[str, str] = _AddedHeaders()
        self.context: dict[str, object] = {}

    def to_send(self) -> HttpRequest:
        """The request with the headers that observers have added."""
        if not self.headers:
            return self.request
        ours = {name.lower() for name in (*self.request.headers, *_TRANSPORTS_HEADERS)}
        added = {name: value for name, value in self.headers.items() if name.lower() not in ours}
        headers = type(self.request.headers)({**added, **self.request.headers})  # type: ignore[call-arg]  # a dict
        return msgspec.structs.replace(self.request, headers=headers)

    def __repr__(self) -> str:
        return f"<exchange {self.operation}, attempt {self.attempt}>"


_TRANSPORTS_HEADERS = ("host", "content-length", "transfer-encoding", "connection", "authorization", "cookie")


class _AddedHeaders(UserDict[str, str]):
    """Headers that an observer adds. ValueError for one that would break the request."""

    def __setitem__(self, name: str, value: str) -> None:
        if not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", name) or not value.isprintable() or not value.isascii():
            raise ValueError(f"not a header: {name!r}: give a name of letters, and a value of printable ASCII")
        super().__setitem__(name, value)


class Specifications:
    """What a plugin may implement. It takes as many of a hook's arguments as it needs, by name."""

    @_hookspec
    def altcraft_register_codecs(self, registry: CodecRegistry) -> None:
        """A client is being made: add codecs to its registry. An error here ends the making of it."""

    @_hookspec
    def altcraft_register_transports(self, registry: TransportRegistry) -> None:
        """A client is being made: add transports, by name, to its registry. An error here ends the making of it."""

    @_hookspec
    def altcraft_register_operations(self, registry: OperationRegistry) -> None:
        """A client is being made: declare operations of your own. An error here ends the making of it."""

    @_hookspec
    def altcraft_exchange_started(self, exchange: ObservedExchange) -> None:
        """A request is about to be sent. `exchange.headers` takes further headers."""

    @_hookspec
    def altcraft_exchange_finished(
        self,
        exchange: ObservedExchange,
        response: HttpResponse | None,
        error: BaseException | None,
        elapsed: float,
    ) -> None:
        """The exchange that altcraft_exchange_started has announced is over, after `elapsed` seconds.

        Called once for every exchange that was started. A reply was received (`response`, with any status), or the
        exchange ended without one (`error`): it failed, was cancelled, or the client was closed.
        """

    @_hookspec
    def altcraft_submitting(self, submission: Submission) -> None:
        """A task is about to be submitted; nothing has been sent. What this raises ends the submission here."""

    @_hookspec
    def altcraft_submission_failed(self, submission: Submission, error: BaseException, in_doubt: bool) -> None:
        """A submission has started no task that this client knows of. Each submitting ends in this or task_submitted.

        `in_doubt` says that the platform may have started a task all the same: the request was sent, and its answer
        did not arrive, or could not be read.
        """

    @_hookspec
    def altcraft_task_submitted(self, task: TaskHandle, submission: Submission) -> None:
        """The platform has started a task. Resuming one does not call this."""

    @_hookspec
    def altcraft_wait_started(self, task: TaskHandle) -> None:
        """A caller begins to wait for the task, alone or in a group. A task may be waited for again and again."""

    @_hookspec
    def altcraft_wait_ended(self, task: TaskHandle, error: BaseException | None) -> None:
        """A wait is over. `error` is None when it ended with the task's outcome, be it a failure of the task.

        Otherwise it is what ended the wait: a timeout, a stall, the error of an exchange, the close of the client, the
        cancellation of the caller.
        """

    @_hookspec
    def altcraft_task_progress(self, task: TaskHandle, status: TaskStatus[object]) -> None:
        """A poll was answered; the terminal state is shown here too, before completed or failed."""

    @_hookspec
    def altcraft_task_completed(self, task: TaskHandle, result: object) -> None:
        """The task is done, and this is its result. Called once a task handle, and never after failed."""

    @_hookspec
    def altcraft_task_failed(self, task: TaskHandle, error: AltcraftError) -> None:
        """The platform says that the task has failed. Called once a task handle, and never after completed."""

    @_hookspec
    def altcraft_feedback_received(self, delivery: Delivery) -> None:
        """A feedback receiver has taken a delivery, and hinted at its task. Called by the thread that received it."""


class Hooks:
    """The plugins of one client. Registering is not thread-safe; firing is.

    `heard` holds the names of the hooks that somebody listens to. `broken` holds the entry points that could not be
    loaded, with the reason; they are logged too.
    """

    def __init__(self, plugins: Iterable[object] = ()) -> None:
        self._manager = pluggy.PluginManager(PROJECT)
        self._manager.add_hookspecs(Specifications)
        self._names = [name for name in vars(Specifications) if name.startswith("altcraft_")]
        self._listeners: dict[str, list[tuple[str, Callable[..., object]]]] = {}
        self.heard: frozenset[str] = frozenset()
        self.broken: dict[str, Exception] = {}
        for plugin in plugins:
            self._register(plugin)
        self._remember()

    def register(self, plugin: object) -> None:
        """Adds a plugin: a module or an object with functions marked `@altcraft.hookimpl`.

        TypeError for a class, of which an instance is meant; ValueError for a hook that does not exist, or has no such
        argument, and for a plugin that is registered already.
        """
        self._register(plugin)
        self._remember()

    def unregister(self, plugin: object) -> None:
        """Takes a plugin out again. ValueError where it is not there."""
        if not self._manager.is_registered(plugin):
            raise ValueError(f"not registered: {plugin!r}")
        self._manager.unregister(plugin)
        self._remember()

    def load_entry_points(self, name: str | None = None) -> set[str]:
        """Registers what installed distributions offer, or only the entry point of that name; returns the new names.

        One that can't be loaded is logged, noted in `broken`, and passed over.
        """
        from importlib.metadata import entry_points  # slow to import, so only for those who ask

        loaded: set[str] = set()
        for entry_point in entry_points(group=ENTRY_POINTS):
            if name not in (None, entry_point.name) or self._manager.has_plugin(entry_point.name):
                continue
            try:
                self._register(entry_point.load(), entry_point.name)
            except Exception as error:
                self.broken[entry_point.name] = error
                _log(f"the plugin {entry_point.name!r} ({entry_point.value}) can't be loaded: {error!r}")
            else:
                loaded.add(entry_point.name)
        self._remember()
        return loaded

    def fill(self, registries: Mapping[str, object], only: Container[str] | None = None) -> None:
        """Has every plugin, or only those of these names, add to the registries; what one raises goes through."""
        for kind, registry in registries.items():
            for name, call in self._listeners.get(f"altcraft_register_{kind}", ()):
                if only is None or name in only:
                    call(registry=registry)

    @property
    def observes_exchanges(self) -> bool:
        """Whether a plugin listens to exchanges."""
        return "altcraft_exchange_started" in self.heard or "altcraft_exchange_finished" in self.heard

    def ask(self, hook: str, **arguments: object) -> None:
        """Calls every listener of that hook; what one raises goes through, and the others are not called."""
        for _, call in self._listeners.get(hook, ()):
            call(**arguments)

    def fire(self, hook: str, **arguments: object) -> None:
        """Calls every listener of that hook, guarded. Ask `heard` first where time counts."""
        for name, call in self._listeners.get(hook, ()):
            try:
                call(**arguments)
            except Exception:
                _log(f"the plugin {name!r} failed in {hook}; everything else goes on", traceback=True)

    def _register(self, plugin: object, name: str | None = None) -> None:
        if type(plugin).__hash__ is None:
            raise TypeError(
                f"{type(plugin).__name__} is not hashable, as a plugin must be: a dataclass with eq=False is"
            )
        if isinstance(plugin, type):
            raise TypeError(f"{plugin.__name__} is a class: pass an instance of it, {plugin.__name__}()")
        try:
            self._manager.register(plugin, name)
            self._manager.check_pending()
        except pluggy.PluginValidationError as error:
            if self._manager.is_registered(plugin):  # how far it came depends on what is wrong with it
                self._manager.unregister(plugin)
            raise ValueError(f"not a plugin of altcraft: {error}") from None

    def _remember(self) -> None:
        """One caller a plugin: pluggy stops at the first error, and so one plugin would silence the next."""
        everyone = self._manager.get_plugins()
        listeners: dict[str, list[tuple[str, Callable[..., object]]]] = {}
        for hook in self._names:
            for implementation in reversed(getattr(self._manager.hook, hook).get_hookimpls()):
                others = [plugin for plugin in everyone if plugin is not implementation.plugin]
                caller = self._manager.subset_hook_caller(hook, others)
                listeners.setdefault(hook, []).append((implementation.plugin_name, caller))
        self._listeners = listeners
        self.heard = frozenset(listeners)


def guarded(callback: Callable[[T], object], argument: T) -> None:
    """Calls somebody's callback; what it raises is logged, and goes no further."""
    try:
        callback(argument)
    except Exception:
        _log(f"the callback {callback!r} failed; everything else goes on", traceback=True)


def _log(text: str, *, traceback: bool = False) -> None:
    import logging  # a third of the core's import time: only for those who have something to report

    logging.getLogger("altcraft.hooks").error(text, exc_info=traceback)
