"""What a transport is, the settings of the bundled ones, and the registry in which a client finds one by its name.

A bundled transport is a module of the package `altcraft_transports`. The registry finds it by the module's name, so
that no list of them exists; see docs/how-to/writing-a-transport.md.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from importlib import import_module
from importlib.util import find_spec
from math import inf
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast, runtime_checkable

import msgspec

from altcraft.wire.messages import HttpRequest, HttpResponse
from altcraft.wire.secret import MASK
from altcraft.wire.url import proxy_url

if TYPE_CHECKING:
    import ssl

__all__ = ["AsyncTransport", "Clock", "Transport", "TransportRegistry", "TransportSettings", "Wakeable"]

_BUNDLED = "altcraft_transports"

T = TypeVar("T")


class Transport(Protocol):
    """Carries out HTTP exchanges, and sleeps. Threads share it.

    Two more methods are optional: `wake` (see `Wakeable`) and `monotonic` (see `Clock`).
    """

    def send(self, request: HttpRequest, *, timeout: float) -> HttpResponse:
        """Carries out one exchange, in at most `timeout` seconds. Follows no redirect; no status is an error.

        Raises ConnectError if nothing was sent, RequestTimeout or ConnectionLost if the request may have been
        processed.
        """
        ...

    def sleep(self, seconds: float) -> None:
        """Returns after so many seconds, or as soon as the transport is closed."""
        ...

    def close(self) -> None:
        """Closes all connections, and ends the exchanges and sleeps under way. The caller may close it twice."""
        ...


@runtime_checkable
class Wakeable(Protocol):
    """A transport whose sleeps can be cut short, so that `Task.notify` leads to a poll at once."""

    def wake(self) -> None:
        """Ends every sleep under way. A thread that is about to fall asleep must not miss this: its sleep ends too."""
        ...


@runtime_checkable
class Clock(Protocol):
    """A transport with a clock of its own. The client measures its deadlines with that clock."""

    def monotonic(self) -> float:
        """Returns seconds that never run backwards."""
        ...


class AsyncTransport(Protocol):
    """A `Transport` whose three methods are awaited. The tasks of one event loop share it."""

    async def send(self, request: HttpRequest, *, timeout: float) -> HttpResponse:
        """As `Transport.send`."""
        ...

    async def sleep(self, seconds: float) -> None:
        """As `Transport.sleep`."""
        ...

    async def close(self) -> None:
        """As `Transport.close`."""
        ...


class TransportSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How a bundled transport makes and keeps its connections. Its constructor refuses what it can't do.

    Page: docs/reference/transports.md.
    """

    proxy: str | None = None
    """URL of a proxy for all requests, with user and password if the proxy wants them: "http://user:pw@proxy:3128"."""
    trust_env: bool = True
    """Without `proxy`: go through the proxies that HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY name."""
    ssl_context: ssl.SSLContext | None = None
    """Authorities and client certificates, for servers and for a proxy that speaks https. None: the system's."""
    connections: int | None = None
    """How many connections are open at most; further exchanges wait. None: 16, and 100 without threads."""
    max_response: int = 64 << 20
    """Bytes of a reply's body, decompressed. A larger one raises ResponseTooLarge."""
    keep_idle: float = 30.0
    """Seconds. A connection that was idle for longer is not used again."""

    def __post_init__(self) -> None:
        if self.proxy is not None:
            msgspec.structs.force_setattr(self, "proxy", proxy_url(self.proxy))
        for name, value in (("connections", self.connections), ("max_response", self.max_response)):
            if value is not None and (not isinstance(value, int) or value < 1):
                raise ValueError(f"TransportSettings({name}={value!r}): a whole number from 1")
        if not 0 <= self.keep_idle <= inf:
            raise ValueError(f"TransportSettings(keep_idle={self.keep_idle!r}): seconds, 0 or more")

    def replace(self, **changes: object) -> TransportSettings:
        """Returns the same settings with changes, checked like new ones."""
        changed = msgspec.structs.replace(self, **changes)
        changed.__post_init__()  # once more, as msgspec 0.19 leaves it out
        return changed

    def __repr__(self) -> str:
        return f"TransportSettings({', '.join(f'{name}={value!r}' for name, value in self.__rich_repr__())})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        """Returns the fields as `repr` and rich show them: without the proxy's user and password."""
        fields = {name: getattr(self, name) for name in self.__struct_fields__}
        if self.proxy is not None:
            fields["proxy"] = re.sub("//.*@", f"//{MASK}@", self.proxy)
        return list(fields.items())


Factory = Callable[..., Transport]
"""Makes a transport for a client; the client's URL is its only positional argument."""

AsyncFactory = Callable[..., AsyncTransport]
"""Makes a transport for an AsyncClient, likewise."""


class TransportRegistry:
    """Transports by name. A URL whose scheme is neither http nor https names the transport for it."""

    def __init__(self) -> None:
        self._factories: dict[str, Factory] = {}
        self._async_factories: dict[str, AsyncFactory] = {}
        self._tokens: dict[str, str] = {}

    def register(
        self,
        name: str,
        factory: Factory | None = None,
        *,
        async_factory: AsyncFactory | None = None,
        default_token: str | None = None,
    ) -> None:
        """Adds a transport, in place of one of the same name: `factory(url)` makes one for a client with that URL.

        `async_factory` makes the one for an AsyncClient, which otherwise runs the other kind in worker threads.
        A factory that has a parameter `settings` is given the client's `TransportSettings`, if the client has any.
        `default_token` is the token to use when the client has none, for services that need no secret.
        """
        if factory is not None:
            self._factories[name] = factory
        if async_factory is not None:
            self._async_factories[name] = async_factory
        if default_token is not None:
            self._tokens[name] = default_token

    def default_token(self, name: str) -> str | None:
        """Returns the token to use when the client has none, or None."""
        return self._tokens.get(name)

    def __contains__(self, name: object) -> bool:
        return name in self._factories or name in self._async_factories or _is_bundled(name)

    def __iter__(self) -> Iterator[str]:
        from pkgutil import iter_modules  # only error messages and tools list the transports

        bundled = (module.name for module in iter_modules(import_module(_BUNDLED).__path__))
        return iter(dict.fromkeys((*filter(_is_bundled, bundled), *self._factories, *self._async_factories)))

    def create(self, name: str, url: str, settings: TransportSettings | None = None, **options: object) -> Transport:
        """Makes the transport of that name. `options` go to its factory as they are.

        Raises LookupError if there is none, MissingExtra if its library is not installed, ValueError or TypeError
        if it can't do what the settings ask for.
        """
        factory = self._factories.get(name) or cast("Factory | None", self._bundled(name, "create"))
        if factory is None:
            raise LookupError(f"the transport {name!r} is for AsyncClient only")
        return _made(factory, name, url, settings, options)

    def create_async(
        self, name: str, url: str, settings: TransportSettings | None = None, **options: object
    ) -> AsyncTransport:
        """Makes the transport of that name for an AsyncClient: of its own kind, or one for threads in worker threads.

        Raises the errors of `create`.
        """
        factory = self._async_factories.get(name)
        if factory is None and name not in self._factories:
            factory = cast("AsyncFactory | None", self._bundled(name, "create_async"))
        if factory is None:
            made = self.create(name, url, settings, **options)
            return self.create_async("threads", url, settings, transport=made)
        return _made(factory, name, url, settings, options)

    def _bundled(self, name: str, function: str) -> object:
        """Returns a bundled module's factory, or None if the module has none of that kind."""
        if _is_bundled(name):
            return getattr(import_module(f"{_BUNDLED}.{name}"), function, None)
        if name not in self:
            raise LookupError(f"no transport is named {name!r}; known: {', '.join(sorted(self))}")
        return None


def _is_bundled(name: object) -> bool:
    """A transport is a module of the package, unless an underscore begins its name."""
    if not isinstance(name, str) or not name.isidentifier() or name.startswith("_"):
        return False
    return find_spec(f"{_BUNDLED}.{name}") is not None


def _made(
    factory: Callable[..., T], name: str, url: str, settings: TransportSettings | None, options: dict[str, object]
) -> T:
    if settings is None:
        return factory(url, **options)
    if not _takes_settings(factory):
        raise TypeError(f"the transport {name!r} takes no settings: make it yourself, and pass transport=")
    return factory(url, settings=settings, **options)


def _takes_settings(factory: Callable[..., object]) -> bool:
    parameters = inspect.signature(factory).parameters
    return "settings" in parameters or any(each.kind is each.VAR_KEYWORD for each in parameters.values())
