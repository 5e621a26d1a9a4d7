"""The only seam to the world: what a transport is, and the registry in which a client finds one by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Protocol, cast, runtime_checkable

from altcraft.wire.messages import HttpRequest, HttpResponse

__all__ = ["AsyncTransport", "Clock", "Transport", "TransportRegistry", "Wakeable"]


class Transport(Protocol):
    """Carries out HTTP exchanges, and sleeps. Shared by threads.

    Two more methods are optional: `wake` (see `Wakeable`) and `monotonic` (see `Clock`).
    """

    def send(self, request: HttpRequest, *, timeout: float) -> HttpResponse:
        """One exchange, in at most `timeout` seconds. No redirect is followed, no status is an error.

        ConnectError where nothing was sent; RequestTimeout and ConnectionLost where it may have been processed.
        """
        ...

    def sleep(self, seconds: float) -> None:
        """Returns after so many seconds, or as soon as the transport is closed."""
        ...

    def close(self) -> None:
        """Gives all connections back, ends exchanges and sleeps. May be called twice."""
        ...


@runtime_checkable
class Wakeable(Protocol):
    """A transport whose sleepers can be woken, so that `Task.notify` is heard at once and not at the end of a sleep."""

    def wake(self) -> None:
        """Ends every sleep that is under way, and the next one of every thread that might have missed this."""
        ...


@runtime_checkable
class Clock(Protocol):
    """A transport that lives in a time of its own. The client then measures its deadlines in that time."""

    def monotonic(self) -> float:
        """Seconds that never run backwards."""
        ...


class AsyncTransport(Protocol):
    """A `Transport` whose three methods are awaited. Shared by the tasks of one event loop."""

    async def send(self, request: HttpRequest, *, timeout: float) -> HttpResponse:
        """As `Transport.send`."""
        ...

    async def sleep(self, seconds: float) -> None:
        """As `Transport.sleep`."""
        ...

    async def close(self) -> None:
        """As `Transport.close`."""
        ...


Factory = Callable[..., Transport]
"""Makes a transport for a client with the URL that is its only positional argument."""

AsyncFactory = Callable[..., AsyncTransport]
"""Makes a transport for an AsyncClient, likewise."""

# Found by name, imported when one is asked for: the core knows where they live, and imports none of them.
_BUNDLED = {
    "urllib3": "altcraft_transports.urllib3",
    "http_client": "altcraft_transports.http_client",
    "pycurl": "altcraft_transports.pycurl",
    "httpx": "altcraft_transports.httpx",
    "aiohttp": "altcraft_transports.aiohttp",
    "threads": "altcraft_transports.threads",
    "wsgi": "altcraft_transports.wsgi",
    "asgi": "altcraft_transports.asgi",
}


class TransportRegistry:
    """Transports by name. A URL whose scheme is not http or https picks the transport of the scheme's name."""

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
        """Adds a transport: `factory(url)` makes one for a client with that URL. Replaces one of the same name.

        `async_factory` makes the one for an AsyncClient, which otherwise runs the first kind in worker threads.
        `default_token` is the token of a client that is given none, for a service that is no secret's keeper.
        """
        if factory is not None:
            self._factories[name] = factory
        if async_factory is not None:
            self._async_factories[name] = async_factory
        if default_token is not None:
            self._tokens[name] = default_token

    def default_token(self, name: str) -> str | None:
        """The token of a client that is given none, or None."""
        return self._tokens.get(name)

    def __contains__(self, name: object) -> bool:
        return name in self._factories or name in self._async_factories or name in _BUNDLED

    def __iter__(self) -> Iterator[str]:
        return iter({**_BUNDLED, **self._factories, **self._async_factories})

    def create(self, name: str, url: str, **options: object) -> Transport:
        """The transport of that name, with whatever options its factory knows.

        LookupError where there is none of that name, MissingExtra where its library is not installed.
        """
        factory = self._factories.get(name) or cast("Factory | None", self._bundled(name, "create"))
        if factory is None:
            raise LookupError(f"the transport {name!r} is for AsyncClient only")
        return factory(url, **options)

    def create_async(self, name: str, url: str, **options: object) -> AsyncTransport:
        """The transport of that name for an AsyncClient: its own kind, or the kind for threads, in worker threads.

        Errors as for `create`.
        """
        factory = self._async_factories.get(name)
        if factory is None and name not in self._factories:
            factory = cast("AsyncFactory | None", self._bundled(name, "create_async"))
        if factory is None:
            return self.create_async("threads", url, transport=self.create(name, url, **options))
        return factory(url, **options)

    def _bundled(self, name: str, function: str) -> object:
        """A bundled module's factory, or None where it has none of that kind."""
        if name not in self:
            raise LookupError(f"no transport is named {name!r}; known: {', '.join(sorted(self))}")
        return getattr(import_module(_BUNDLED[name]), function, None) if name in _BUNDLED else None
