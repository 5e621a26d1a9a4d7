"""The hooks: their specifications, and the caller that shields tasks from them.

Observers are called one by one; one that raises is logged, and neither ends a wait nor keeps the others from being
called. Who listens is remembered, so that a hook without listeners costs a look-up in a set.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping
from typing import TYPE_CHECKING, Protocol, TypeVar

import pluggy

if TYPE_CHECKING:
    from altcraft.codecs import CodecRegistry
    from altcraft.errors import AltcraftError
    from altcraft.operations import OperationRegistry
    from altcraft.schema import Feedback, TaskStatus
    from altcraft.wire.messages import Delivery, HttpRequest, HttpResponse
    from altcraft.wire.transport import TransportRegistry

__all__ = ["ENTRY_POINTS", "PROJECT", "Hooks", "TaskHandle", "guarded", "hookimpl"]

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
    def altcraft_request(self, request: HttpRequest) -> None:
        """A request is about to be sent, by this thread. Its body and headers hold the token: show neither."""

    @_hookspec
    def altcraft_response(self, request: HttpRequest, response: HttpResponse, elapsed: float) -> None:
        """A request was answered, with whatever status, after `elapsed` seconds. Failed exchanges don't call this."""

    @_hookspec
    def altcraft_task_submitted(self, task: TaskHandle) -> None:
        """The platform has started a task. Resuming one does not call this."""

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
