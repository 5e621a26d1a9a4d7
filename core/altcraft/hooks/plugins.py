"""The plugins of a client: registered, loaded from installed distributions, and called.

Observers are called one by one. One that raises is logged; it neither ends a wait nor keeps the others from being
called. The client knows which hooks have an implementation, so a hook without one costs a look-up in a set.
"""

from __future__ import annotations

import weakref
from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from types import ModuleType

import msgspec
import pluggy

from altcraft.errors import UnmarkedHookWarning, warn
from altcraft.hooks.callbacks import log_error, refuse_coroutines, refuse_returned
from altcraft.hooks.specifications import HOOKS, PROJECT, Specifications

__all__ = ["ENTRY_POINTS", "Hooks", "Plugin", "register_everywhere", "unregister_everywhere"]

ENTRY_POINTS = "altcraft"
"""The entry-point group in which installed distributions offer their plugins."""


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


class _Offer(msgspec.Struct, frozen=True):
    """An entry point of an installed distribution. `key` is its key in `broken`."""

    key: str
    plugin: Plugin
    load: Callable[[], object]


class Hooks:
    """The plugins of one client. Calling hooks is thread-safe; registering is not.

    `everywhere` says that the plugins of `register_everywhere` belong to it, too.

    * `heard` holds the names of the hooks that have an implementation.
    * `broken` holds the errors of the entry points that could not be loaded, by the entry point's name. Where several
      distributions have one of that name, the key names the distribution too: "journal (acme-journal)".
    """

    def __init__(self, plugins: Iterable[object] = (), *, everywhere: bool = True) -> None:
        self._manager = pluggy.PluginManager(PROJECT)
        self._manager.add_hookspecs(Specifications)
        self._callers: dict[str, list[tuple[Plugin, Callable[..., object]]]] = {}
        self._loaded: dict[int, Plugin] = {}  # by the id of the object that is the plugin
        self._unloaded: dict[str, Plugin] = {}  # by the key in `broken`
        self.heard: frozenset[str] = frozenset()
        self.broken: dict[str, BaseException] = {}
        for plugin in plugins:
            self.register(plugin)
        if everywhere:
            _everywhere.hooks.add(self)
            for plugin in _everywhere.plugins:
                self.register_shared(plugin)

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

    def register_shared(self, plugin: object) -> None:
        """Adds a plugin of `register_everywhere`, unless there is one of its class."""
        if not any(_is_twin(plugin, other) for other in self._manager.get_plugins()):
            self.register(plugin)

    def is_registered(self, plugin: object) -> bool:
        """Whether the plugin belongs to this client."""
        return self._manager.is_registered(plugin)

    def unregister(self, plugin: object) -> None:
        """Removes a plugin. ValueError where it is not registered."""
        if not self.is_registered(plugin):
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

    @property
    def observes_waits(self) -> bool:
        """Whether a plugin observes waits, or may ask an exchange for its wait."""
        return "altcraft_wait_started" in self.heard or "altcraft_wait_ended" in self.heard

    def ask(self, hook: str, **arguments: object) -> None:
        """Calls the implementations of a hook one by one. What one raises goes through, and the rest is not called."""
        for _, call in self._callers.get(hook, ()):
            call(**arguments)

    def fire(self, hook: str, **arguments: object) -> None:
        """Calls the observers of a hook one by one, and logs what they raise. A look into `heard` first saves time."""
        for plugin, call in self._callers.get(hook, ()):
            try:
                returned = call(**arguments)
                if returned is not None:
                    for value in returned if isinstance(returned, list) else [returned]:  # a wrapper returns anything
                        refuse_returned(value)
            except Exception:
                log_error(f"the plugin {plugin} failed in {hook}; everything else goes on", traceback=True)

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
        for shared in _everywhere.plugins:
            if shared is not plugin and _is_twin(shared, plugin) and self.is_registered(shared):
                self.unregister(shared)
        self._update_callers()

    def _implementations(self, plugin: object) -> dict[str, pluggy.HookImpl]:
        """The plugin's implementation of each hook that it has."""
        return {
            hook: implementation
            for hook in HOOKS
            for implementation in getattr(self._manager.hook, hook).get_hookimpls()
            if implementation.plugin is plugin
        }

    def _warn_of_unmarked(self, plugin: object) -> None:
        loaded = self._loaded[id(plugin)]
        for hook in sorted(set(HOOKS).intersection(dir(plugin)).difference(loaded.hooks)):
            if callable(getattr(plugin, hook)):
                text = f"the plugin {loaded} has {hook} without the mark @altcraft.hookimpl: it is never called"
                warn(UnmarkedHookWarning(text))

    def _update_callers(self) -> None:
        """One caller for each plugin: pluggy stops at the first error, and so one plugin would silence the next."""
        plugins = self._manager.get_plugins()
        callers: dict[str, list[tuple[Plugin, Callable[..., object]]]] = {}
        for hook in HOOKS:
            for implementation in reversed(getattr(self._manager.hook, hook).get_hookimpls()):
                caller: Callable[..., object]
                if implementation.wrapper or implementation.hookwrapper:
                    others = [plugin for plugin in plugins if plugin is not implementation.plugin]
                    caller = self._manager.subset_hook_caller(hook, others)
                else:
                    caller = _plain_caller(implementation)
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
            alone = Hooks(everywhere=False)
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
            log_error(f"the plugin {offer.plugin} ({offer.plugin.value}) can't be loaded: {reason}")
            return None
        self.broken.pop(offer.key, None)
        self._unloaded.pop(offer.key, None)
        self._warn_of_unmarked(plugin)
        return alone


def _plain_caller(implementation: pluggy.HookImpl) -> Callable[..., object]:
    """Calls an implementation with those arguments that it takes, as pluggy does, in a tenth of the time."""
    function, names = implementation.function, implementation.argnames

    def call(**arguments: object) -> object:
        return function(*[arguments[name] for name in names])

    return call


class _Everywhere:
    """The plugins of every client of this process, and the hooks of the clients that exist."""

    def __init__(self) -> None:
        self.plugins: list[object] = []
        self.hooks: weakref.WeakSet[Hooks] = weakref.WeakSet()


_everywhere = _Everywhere()


def register_everywhere(plugin: object) -> None:
    """Registers a plugin with every client of this process: those that exist, and those that are made later.

    A client that has a plugin of the same class keeps that one alone. Call it while the program starts: it is not
    thread-safe. Raises as `Hooks.register` does, and ValueError for a plugin that is registered everywhere already.
    """
    if any(plugin is other for other in _everywhere.plugins):
        raise ValueError(f"already registered with every client: {plugin!r}")
    Hooks([plugin], everywhere=False)  # refuses what is no plugin before a client gets it
    _everywhere.plugins.append(plugin)
    for hooks in tuple(_everywhere.hooks):
        hooks.register_shared(plugin)


def unregister_everywhere(plugin: object, *, missing_ok: bool = False) -> None:
    """Takes such a plugin back from all clients. ValueError where it is not registered everywhere.

    With `missing_ok`, such a plugin is passed over.
    """
    if not any(plugin is other for other in _everywhere.plugins):
        if missing_ok:
            return
        raise ValueError(f"not registered with every client: {plugin!r}")
    _everywhere.plugins = [other for other in _everywhere.plugins if other is not plugin]
    for hooks in tuple(_everywhere.hooks):
        if hooks.is_registered(plugin):
            hooks.unregister(plugin)


def _is_twin(plugin: object, other: object) -> bool:
    return plugin is other or (type(plugin) is type(other) and not isinstance(plugin, ModuleType))
