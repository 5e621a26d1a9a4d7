"""The hooks: their specifications, the plugins of a client, and the calls to them. Page: docs/hooks.md.

Observers are called one by one. One that raises is logged; it neither ends a wait nor keeps the others from being
called. The client knows which hooks have an implementation, so a hook without one costs a look-up in a set.
"""

from __future__ import annotations

import functools
import inspect
import re
from collections import Counter, UserDict
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, MutableMapping
from datetime import datetime
from types import ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar

import msgspec
import pluggy

from altcraft.errors import UnmarkedHookWarning, warn
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
    "Plugin",
    "Submission",
    "TaskHandle",
    "guarded",
    "hookimpl",
    "refuse_coroutines",
]

T = TypeVar("T")

PROJECT = "altcraft"
ENTRY_POINTS = "altcraft"
"""The entry-point group in which installed distributions offer their plugins."""

hookimpl = pluggy.HookimplMarker(PROJECT)
"""Marks a function of a plugin as the implementation of the hook that has its name."""

_hookspec = pluggy.HookspecMarker(PROJECT)


class TaskHandle(Protocol):
    """What a hook may use of a task, which is a `Task` or an `AsyncTask`."""

    @property
    def id(self) -> str:
        """The platform's id of the task."""
        ...

    @property
    def operation(self) -> str:
        """The path of the operation that started the task, or tasks/status where that is not known."""
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
        """Where the platform was asked to report the end; None without feedback."""
        ...

    @property
    def resume_token(self) -> str:
        """Leads back to the task, in any process."""
        ...

    def done(self) -> bool:
        """Whether the outcome is known here. No I/O."""
        ...

    def notify(self) -> None:
        """A hint that there may be news: a wait for the task polls now."""
        ...


class Submission(msgspec.Struct, frozen=True):
    """The submission of a task, as the hooks see it.

    * `key` is unique, and the same for all retries.
    * `request` is the request struct, without the token.
    * `submitted_at` is an aware time in UTC.
    * `note` holds the words that the caller has given.
    """

    key: str
    operation: str
    request: Request[Any]
    submitted_at: datetime
    note: str = ""
    host: str = ""


class ObservedExchange:
    """One HTTP exchange, as the hooks see it: one object for its start and its end.

    * `operation` is the path of the method, `task_id` the id of the task that is polled, or None.
    * `attempt` is 1 for the first attempt, 2 for the first repetition, and so on.
    * `headers` takes further headers when the exchange starts, such as traceparent. They never replace the client's.
    * `retry_in` is set at the end: the seconds until the next attempt, or None when none follows.
    * `context` is for the plugins' own state.
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
    """The hooks that a plugin may implement. An implementation takes those arguments that it needs, by name."""

    @_hookspec
    def altcraft_register_codecs(self, registry: CodecRegistry) -> None:
        """Adds codecs to the registry of a client that is being made. What this raises ends the making of it."""

    @_hookspec
    def altcraft_register_transports(self, registry: TransportRegistry) -> None:
        """Adds transports to the registry of a client that is being made. What this raises ends the making of it."""

    @_hookspec
    def altcraft_register_operations(self, registry: OperationRegistry) -> None:
        """Declares operations for a client that is being made. What this raises ends the making of it."""

    @_hookspec
    def altcraft_exchange_started(self, exchange: ObservedExchange) -> None:
        """The client is about to send a request. `exchange.headers` takes further headers."""

    @_hookspec
    def altcraft_exchange_finished(
        self,
        exchange: ObservedExchange,
        response: HttpResponse | None,
        error: BaseException | None,
        elapsed: float,
    ) -> None:
        """An exchange has ended, after `elapsed` seconds. Called once for every exchange that has started.

        Exactly one of the two is set: `response`, with any status; or `error`, where the exchange failed, was
        cancelled, or was ended by the closing of the client.
        """

    @_hookspec
    def altcraft_submitting(self, submission: Submission) -> None:
        """The client is about to submit a task, and has sent nothing. What this raises ends the submission."""

    @_hookspec
    def altcraft_submission_failed(self, submission: Submission, error: BaseException, in_doubt: bool) -> None:
        """A submission has ended without a task id. Each submitting is followed by this or by task_submitted.

        `in_doubt` says that the platform may have started a task: the request was sent, and its answer was lost or
        can't be read.
        """

    @_hookspec
    def altcraft_task_submitted(self, task: TaskHandle, submission: Submission) -> None:
        """The platform has started a task. Not called for a task that is resumed."""

    @_hookspec
    def altcraft_wait_started(self, task: TaskHandle) -> None:
        """A wait for the task begins, alone or in a group. There can be several waits for one task."""

    @_hookspec
    def altcraft_wait_ended(self, task: TaskHandle, error: BaseException | None) -> None:
        """A wait has ended. `error` is None when it ended with the outcome of the task, which may be a failure.

        Otherwise it is the reason: a timeout, a stall, the error of an exchange, the closing of the client, the
        cancellation of the caller.
        """

    @_hookspec
    def altcraft_task_progress(self, task: TaskHandle, status: TaskStatus[object]) -> None:
        """A poll was answered. The terminal state comes here too, before completed or failed."""

    @_hookspec
    def altcraft_task_completed(self, task: TaskHandle, result: object) -> None:
        """The task is done, and this is its result. Called once for each handle, and never after failed."""

    @_hookspec
    def altcraft_task_failed(self, task: TaskHandle, error: AltcraftError) -> None:
        """The platform reports that the task has failed. Called once for each handle, and never after completed."""

    @_hookspec
    def altcraft_feedback_received(self, delivery: Delivery) -> None:
        """A feedback receiver has taken a delivery and has hinted at its task. Called by the thread that received."""


_HOOKS = tuple(name for name in vars(Specifications) if name.startswith("altcraft_"))


class Plugin(msgspec.Struct, frozen=True):
    """A plugin that is loaded, or an entry point that could not be loaded.

    * `name` is the name of the entry point; or else the name of the module, or of the object's class.
    * `distribution`, `version` and `value` are those of its entry point; None for a plugin that was passed.
    * `hooks` are the names of the hooks that it implements.
    * `error` says why it could not be loaded; None for one that is loaded.
    """

    name: str
    distribution: str | None = None
    version: str | None = None
    value: str | None = None
    hooks: tuple[str, ...] = ()
    error: str | None = None

    def __str__(self) -> str:
        return f"{self.name!r} of {self.distribution} {self.version}" if self.distribution else repr(self.name)


class _Offer(NamedTuple):
    """An entry point of an installed distribution. `key` is its key in `broken`."""

    key: str
    plugin: Plugin
    load: Callable[[], object]


class Hooks:
    """The plugins of one client. Calling hooks is thread-safe; registering is not.

    * `heard` holds the names of the hooks that have an implementation.
    * `broken` holds the errors of the entry points that could not be loaded, by the entry point's name. Where several
      distributions have one of that name, the key names the distribution too: "journal (acme-journal)".
    """

    def __init__(self, plugins: Iterable[object] = ()) -> None:
        self._manager = pluggy.PluginManager(PROJECT)
        self._manager.add_hookspecs(Specifications)
        self._callers: dict[str, list[tuple[Plugin, Callable[..., object]]]] = {}
        self._loaded: dict[int, Plugin] = {}  # by the id of the object that is the plugin
        self._unloaded: dict[str, Plugin] = {}  # by the key in `broken`
        self.heard: frozenset[str] = frozenset()
        self.broken: dict[str, BaseException] = {}
        for plugin in plugins:
            self.register(plugin)

    def register(self, plugin: object) -> None:
        """Adds a plugin: a module or an object with functions marked `@altcraft.hookimpl`.

        Raises TypeError for None, for a class (pass an instance of it), and for a hook that is an `async def` or a
        generator function; ValueError for a hook that does not exist or has no such argument, and for a plugin that is
        registered already. Warns of a function that has the name of a hook but not the mark.
        """
        name = plugin.__name__ if isinstance(plugin, ModuleType) else type(plugin).__name__
        taken = {known.name for known in self._loaded.values()}
        names = (name, *(f"{name} {number}" for number in range(2, len(taken) + 2)))
        self._register(plugin, Plugin(next(free for free in names if free not in taken)))
        self._warn_of_unmarked(plugin)

    def unregister(self, plugin: object) -> None:
        """Removes a plugin. ValueError where it is not registered."""
        if not self._manager.is_registered(plugin):
            raise ValueError(f"not registered: {plugin!r}")
        self._manager.unregister(plugin)
        del self._loaded[id(plugin)]
        self._update_callers()

    def plugins(self) -> tuple[Plugin, ...]:
        """The plugins that are loaded, in the order of their registration, and the entry points that could not be."""
        return *self._loaded.values(), *self._unloaded.values()

    def load_entry_points(self, name: str | None = None) -> set[str]:
        """Registers the plugins of installed distributions, or only the entry point of that name.

        Returns the names of the entry points that are new. One that can't be loaded is logged and noted in `broken`,
        and so is one whose name a plugin of another distribution has taken.
        """
        offers = [offer for offer in self._offers() if name in (None, offer.plugin.name)]
        return {offer.plugin.name for offer in offers if self._adopt(offer) is not None}

    def load_provider(self, kind: str, name: str, fresh: Callable[[], Container[object]]) -> Hooks | None:
        """Registers the first plugin of an installed distribution that adds `name` to a registry, and no other.

        `kind` is "codecs" or "transports", and `fresh` makes such a registry. The entry point called `name` is the
        likeliest, so it comes first. Returns the hooks of the plugin alone, or None where there is none.
        """

        def provides(alone: Hooks) -> bool:
            registry = fresh()
            alone.fill({kind: registry})
            return name in registry

        for offer in sorted(self._offers(), key=lambda offer: offer.plugin.name != name):
            alone = self._adopt(offer, provides)
            if alone is not None:
                return alone
        return None

    def fill(self, registries: Mapping[str, object]) -> None:
        """Has every plugin add to the registries. A key is the end of the hook's name. What one raises goes through."""
        for kind, registry in registries.items():
            for _, call in self._callers.get(f"altcraft_register_{kind}", ()):
                call(registry=registry)

    @property
    def observes_exchanges(self) -> bool:
        """Whether a plugin observes exchanges."""
        return "altcraft_exchange_started" in self.heard or "altcraft_exchange_finished" in self.heard

    def ask(self, hook: str, **arguments: object) -> None:
        """Calls the implementations of a hook one by one. What one raises goes through, and the rest is not called."""
        for _, call in self._callers.get(hook, ()):
            call(**arguments)

    def fire(self, hook: str, **arguments: object) -> None:
        """Calls the observers of a hook one by one, and logs what they raise. A look into `heard` first saves time."""
        for plugin, call in self._callers.get(hook, ()):
            try:
                returned = call(**arguments)
                for value in returned if isinstance(returned, list) else [returned]:  # a wrapper returns anything
                    _refuse_coroutine(value)
            except Exception:
                _log(f"the plugin {plugin} failed in {hook}; everything else goes on", traceback=True)

    # Registering.

    def _register(self, plugin: object, described: Plugin) -> None:
        if plugin is None:
            raise TypeError("None is no plugin")
        if isinstance(plugin, type):
            raise TypeError(f"{plugin.__name__} is a class: pass an instance of it, {plugin.__name__}()")
        if type(plugin).__hash__ is None:
            raise TypeError(
                f"{type(plugin).__name__} is not hashable, as a plugin must be: use eq=False for a dataclass"
            )
        if self._manager.is_registered(plugin):
            raise ValueError(f"the plugin {self._loaded.get(id(plugin), described)} is already registered")
        try:
            self._manager.register(plugin, str(described))
            self._manager.check_pending()
            hooks = self._implementations(plugin)
            for hook, implementation in hooks.items():
                if not (implementation.wrapper or implementation.hookwrapper):
                    refuse_coroutines(implementation.function, f"{hook} of the plugin {described}")
        except BaseException as error:
            if self._manager.is_registered(plugin):  # how far it came depends on what is wrong with it
                self._manager.unregister(plugin)
            if isinstance(error, pluggy.PluginValidationError):
                raise ValueError(f"not a plugin of altcraft: {error}") from None
            raise
        self._loaded[id(plugin)] = msgspec.structs.replace(described, hooks=tuple(hooks))
        self._update_callers()

    def _implementations(self, plugin: object) -> dict[str, pluggy.HookImpl]:
        """The plugin's implementation of each hook that it has."""
        return {
            hook: implementation
            for hook in _HOOKS
            for implementation in getattr(self._manager.hook, hook).get_hookimpls()
            if implementation.plugin is plugin
        }

    def _warn_of_unmarked(self, plugin: object) -> None:
        loaded = self._loaded[id(plugin)]
        for hook in sorted(set(_HOOKS).intersection(dir(plugin)).difference(loaded.hooks)):
            if callable(getattr(plugin, hook)):
                text = f"the plugin {loaded} has {hook} without the mark @altcraft.hookimpl: it is never called"
                warn(UnmarkedHookWarning(text))

    def _update_callers(self) -> None:
        """One caller for each plugin: pluggy stops at the first error, and so one plugin would silence the next."""
        plugins = self._manager.get_plugins()
        callers: dict[str, list[tuple[Plugin, Callable[..., object]]]] = {}
        for hook in _HOOKS:
            for implementation in reversed(getattr(self._manager.hook, hook).get_hookimpls()):
                others = [plugin for plugin in plugins if plugin is not implementation.plugin]
                caller = self._manager.subset_hook_caller(hook, others)
                callers.setdefault(hook, []).append((self._loaded[id(implementation.plugin)], caller))
        self._callers = callers
        self.heard = frozenset(callers)

    # Entry points.

    def _offers(self) -> Iterator[_Offer]:
        """The entry points that are not loaded yet."""
        from importlib.metadata import entry_points  # a slow import, for the clients that ask for it

        found = tuple(entry_points(group=ENTRY_POINTS))
        names = Counter(entry_point.name for entry_point in found)
        for entry_point in found:
            name, source = entry_point.name, entry_point.dist
            distribution, version = (None, None) if source is None else (source.name, source.version)
            plugin = Plugin(name, distribution, version, entry_point.value)
            if plugin not in (msgspec.structs.replace(loaded, hooks=()) for loaded in self._loaded.values()):
                yield _Offer(name if names[name] == 1 else f"{name} ({distribution})", plugin, entry_point.load)

    def _adopt(self, offer: _Offer, provides: Callable[[Hooks], bool] | None = None) -> Hooks | None:
        """Loads a plugin, and registers it if it is new and provides what is sought. Returns the hooks of it alone."""
        try:
            for known in self._loaded.values():
                if known.distribution is not None and known.name == offer.plugin.name:
                    raise ValueError(f"its name is taken by the plugin {known}")
            plugin = offer.load()
            alone = Hooks()
            alone._register(plugin, offer.plugin)
            if self._manager.is_registered(plugin) or (provides is not None and not provides(alone)):
                return None
            self._register(plugin, offer.plugin)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # a module may call sys.exit when it is imported
            self.broken[offer.key] = error
            reason = f"{type(error).__name__}: {error}"
            self._unloaded[offer.key] = msgspec.structs.replace(offer.plugin, error=reason)
            _log(f"the plugin {offer.plugin} ({offer.plugin.value}) can't be loaded: {reason}")
            return None
        self.broken.pop(offer.key, None)
        self._unloaded.pop(offer.key, None)
        self._warn_of_unmarked(plugin)
        return alone


def refuse_coroutines(callback: object, name: str) -> None:
    """Raises TypeError for a callback that does nothing when it is called: an `async def`, or a generator function.

    Partial functions and objects with such a `__call__` are refused, too. `name` names the callback in the message.
    """
    function = callback
    while isinstance(function, functools.partial):
        function = function.func
    for called in (function, inspect.getattr_static(type(function), "__call__", None)):  # an object may be a callback
        if inspect.iscoroutinefunction(called) or inspect.isasyncgenfunction(called):
            raise TypeError(f"{name} is an async function, which nothing would await: pass a plain function")
        if inspect.isgeneratorfunction(called):
            raise TypeError(f"{name} is a generator function, which nothing would run: pass a plain function")


def guarded(callback: Callable[[T], object], argument: T) -> None:
    """Calls a user's callback. What it raises is logged, and goes no further."""
    try:
        _refuse_coroutine(callback(argument))
    except Exception:
        _log(f"the callback {callback!r} failed; everything else goes on", traceback=True)


def _refuse_coroutine(returned: object) -> None:
    """Nothing awaits what a callback returns: TypeError for a coroutine."""
    if inspect.iscoroutine(returned):
        returned.close()
        raise TypeError("it returned a coroutine, which nothing awaits: have it start a task")


def _log(text: str, *, traceback: bool = False) -> None:
    import logging  # a third of the core's import time, for the clients that have a failure to report

    logging.getLogger("altcraft.hooks").error(text, exc_info=traceback)
