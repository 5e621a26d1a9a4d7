"""What was sent, as a test asks for it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import msgspec

from altcraft import hookimpl
from altcraft.codecs import default_registry
from altcraft.operations import TASK_STATUS, default_operations
from altcraft.schema import Request, TaskStatusRequest

if TYPE_CHECKING:
    from altcraft import AsyncClient, Client, HttpRequest, ObservedExchange

__all__ = ["Recorder", "Sent"]


class Sent:
    """The requests that were sent, in their order, without the token.

    `http` holds them as HTTP requests, which do hold the token.
    """

    def __init__(self, http: Sequence[HttpRequest] = ()) -> None:
        self.http = http
        self._codecs = default_registry()
        self._operations = default_operations()

    def learn(self, client: Client | AsyncClient) -> None:
        """Takes over the codecs and the operations of a client."""
        self._codecs = client.codecs
        self._operations = client.operations

    @property
    def paths(self) -> list[str]:
        """The path of each request, such as "tasks/status"."""
        return [self._path(request) for request in self.http]

    @property
    def requests(self) -> list[Request[Any]]:
        """Each request as the struct that a client was given. LookupError for one that no declared operation sends."""
        return [self._struct(request) for request in self.http]

    def of(self, path: str) -> list[Request[Any]]:
        """The requests of one operation."""
        return [self._struct(request) for request in self.http if self._path(request) == path]

    def assert_sent(self, what: str | Request[Any], *, times: int | None = None, **fields: object) -> None:
        """Fails unless such a request was sent: at least once, or exactly so many `times`.

        `what` is a request struct, or a path. With a path, `fields` are those that the request must have.
        """
        __tracebackhide__ = True
        found = self._matching(what, fields)
        if found != times if times is not None else not found:
            wanted = "at least once" if times is None else f"{times} times"
            asked = f"{what!r}{f' with {fields}' if fields else ''}"
            raise AssertionError(f"{asked} was to be sent {wanted}, and was sent {found} times.{self._report()}")

    def assert_not_sent(self, what: str | Request[Any] | None = None, **fields: object) -> None:
        """Fails if such a request was sent; without an argument, if anything was."""
        __tracebackhide__ = True
        if what is not None:
            self.assert_sent(what, times=0, **fields)
        elif self.http:
            raise AssertionError(f"nothing was to be sent.{self._report()}")

    def _matching(self, what: str | Request[Any], fields: dict[str, object]) -> int:
        if not isinstance(what, str):
            if fields:
                raise TypeError("fields go with a path: a request struct has its own")
            path = self._operations.of(what).path
            return sum(request == what for request in self.of(path))
        if not fields:
            return self.paths.count(what.strip("/"))
        return sum(
            all(getattr(request, name) == value for name, value in fields.items())
            for request in self.of(what.strip("/"))
        )

    def _report(self) -> str:
        lines = [f"\n  {self._described(request)}" for request in self.http]
        return f" Sent were:{''.join(lines)}" if lines else " Nothing was sent."

    def _described(self, request: HttpRequest) -> str:
        try:
            return repr(self._struct(request))
        except LookupError:
            return self._path(request)

    def _path(self, request: HttpRequest) -> str:
        parts = urlsplit(request.url).path.strip("/").split("/")
        paths = ["/".join(parts[place:]) for place in range(len(parts))]
        known = {operation.path for operation in self._operations}
        return next((path for path in paths if path in known or path == TASK_STATUS), "/".join(parts[-2:]))

    def _struct(self, request: HttpRequest) -> Request[Any]:
        path = self._path(request)
        kind = TaskStatusRequest if path == TASK_STATUS else self._operations.by_path(path).request
        codec = self._codecs.by_content_type(request.headers["Content-Type"])
        if codec is None:
            raise LookupError(f"no codec reads {request.headers['Content-Type']}")
        sent: Request[Any] = codec.decode(request.body, kind)
        return msgspec.structs.replace(sent, token=None, format=None)


class Recorder(Sent):
    """The same for real transports, as a plugin: `Client(..., plugins=[recorder])`."""

    def __init__(self) -> None:
        self._recorded: list[HttpRequest] = []
        super().__init__(self._recorded)

    @hookimpl
    def altcraft_exchange_started(self, exchange: ObservedExchange) -> None:
        """Keeps the request."""
        self._recorded.append(exchange.request)
