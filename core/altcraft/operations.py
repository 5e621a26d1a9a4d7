"""Operations, declared once, as data: a path bound to its request, its reply and its result.

Declaring one is all that a new method of the API needs; `Client.submit` and `Client.call` find the operation by the
type of the request that they are given.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any, Generic, TypeVar, get_args, get_origin

import msgspec

from altcraft.errors import BadResumeToken
from altcraft.schema import (
    DatabasesGetCounters,
    DatabasesRefreshCounters,
    DatabaseStatistics,
    Envelope,
    ErrorEnvelope,
    PlainRequest,
    Reply,
    Request,
    ResourcesRefreshCounters,
    ResourceStatistics,
    SegmentsGetCounters,
    SegmentsRefreshCounters,
    SegmentStatistics,
    TaskRequest,
    TaskStarted,
    TaskStatus,
)
from altcraft.tasks.resume import ResumeToken, parse_resume_token

__all__ = ["TASK_STATUS", "Operation", "OperationRegistry", "default_operations", "recognise"]

R = TypeVar("R")

TASK_STATUS = "tasks/status"
"""The path that every task is followed by."""


class Operation(Generic[R]):
    """One method of the API.

    `path` is what follows the API's base URL, `request` the struct that is sent. What comes back follows from the
    request's own declaration, `TaskRequest[R]` or `PlainRequest[R]`:

    * `result`: the `R`;
    * `reply`: the type of the whole reply to the request itself;
    * `status`: for a task, the type of the reply of tasks/status, else None.

    `safe` says that the request only reads, so that it may be repeated when its answer was lost.

    Raises TypeError where the request does not say what its answer is.
    """

    __slots__ = ("path", "reply", "request", "result", "safe", "status")

    path: str
    request: type[Request[R]]
    reply: type[Reply]
    result: type[R]
    status: type[Reply] | None
    safe: bool

    def __init__(self, path: str, request: type[Request[R]], *, safe: bool = False) -> None:
        self.path = path.strip("/")
        self.request = request
        self.safe = safe
        kind, self.result = _declared(request)
        if kind is TaskRequest:
            self.reply = Envelope[TaskStarted]
            self.status = Envelope[TaskStatus[self.result]]  # type: ignore[name-defined]  # the type is a value here
        else:
            self.reply = _plain_reply(self.result)
            self.status = None

    @property
    def types(self) -> tuple[object, ...]:
        """All that is read or checked in the course of the operation."""
        # Of a task of which only the id is known, the result may turn out to be any statistics: see `recognise`.
        counted = (recount().status, DatabaseStatistics, SegmentStatistics) if self.result is object else ()
        return self.request, self.reply, self.status, self.result, ErrorEnvelope, *counted

    def __repr__(self) -> str:
        return f"Operation({self.path!r}, {self.request.__name__})"


def _plain_reply(result: object) -> type[Reply]:
    """A result that is a Reply itself is the whole of it; any other stands in the envelope's `data`."""
    if isinstance(result, type) and issubclass(result, Reply):
        return result
    return Envelope[result]  # type: ignore[valid-type]  # the type is a value here


def _declared(request: type[Request[R]]) -> tuple[object, type[R]]:
    """`TaskRequest` or `PlainRequest`, and its `R`, out of the bases of a request class."""
    for cls in request.__mro__:
        for base in cls.__dict__.get("__orig_bases__", ()):
            if get_origin(base) in (TaskRequest, PlainRequest):
                (result,) = get_args(base)
                if not isinstance(result, TypeVar):
                    return get_origin(base), result
    raise TypeError(
        f"{request.__name__} does not say what its answer is: derive it from TaskRequest[R] or PlainRequest[R], "
        f"with R the type of the result"
    )


class OperationRegistry:
    """The operations that a client knows, by the type of the request and by path. Fill it before sharing it."""

    def __init__(self) -> None:
        self._by_request: dict[type, Operation[object]] = {}
        self._by_path: dict[str, Operation[object]] = {}

    def register(self, operation: Operation[R]) -> Operation[R]:
        """Adds one, and returns it. ValueError where its path is bound to another request already."""
        known = self._by_path.get(operation.path)
        if known is not None and known.request is not operation.request:
            raise ValueError(f"{operation.path} is declared already, for {known.request.__name__}")
        erased: Operation[object] = operation  # type: ignore[assignment]  # it holds every R; look-up restores it
        self._by_path[operation.path] = erased
        self._by_request[operation.request] = erased
        return operation

    def of(self, request: Request[R]) -> Operation[R]:
        """The operation that sends such a request. LookupError where none is declared."""
        return self.by_request(type(request))

    def by_request(self, request: type[Request[R]]) -> Operation[R]:
        """The operation that sends requests of that type. LookupError where none is declared."""
        operation = self._by_request.get(request)
        if operation is None:
            raise LookupError(
                f"no operation sends a {request.__name__}: register "
                f'Operation("its/path", {request.__name__}) with client.operations first'
            )
        return operation  # type: ignore[return-value]  # register() has bound this type to its own R

    def by_path(self, path: str) -> Operation[object]:
        """The operation of that path. LookupError where none is declared."""
        operation = self._by_path.get(path)
        if operation is None:
            raise LookupError(f"no operation has the path {path!r}: register it with client.operations first")
        return operation

    def resumed(self, task_id_or_token: str, request: type[Request[R]] | None) -> tuple[ResumeToken, Operation[Any]]:
        """What a resume token holds, and the operation that started its task, as far as either tells."""
        token = parse_resume_token(task_id_or_token)
        if request is not None:
            operation: Operation[Any] = self.by_request(request)
            if token.operation not in (None, TASK_STATUS, operation.path):
                raise BadResumeToken(f"the resume token is of a task of {token.operation}, not of {operation.path}")
        elif token.operation in (None, TASK_STATUS):
            operation = unknown_task()
        else:
            operation = self.by_path(token.operation)
        if operation.status is None:
            raise BadResumeToken(f"{operation.path} starts no task: there is nothing to resume")
        return token, operation

    def __iter__(self) -> Iterator[Operation[object]]:
        return iter(self._by_path.values())


def default_operations() -> OperationRegistry:
    """A fresh registry with the methods of this library's own pages."""
    registry = OperationRegistry()
    registry.register(Operation("segments/refresh_counters", SegmentsRefreshCounters))
    registry.register(Operation("databases/refresh_counters", DatabasesRefreshCounters))
    registry.register(Operation("resources/refresh_counters", ResourcesRefreshCounters))
    registry.register(Operation("segments/get_counters", SegmentsGetCounters, safe=True))
    registry.register(Operation("databases/get_counters", DatabasesGetCounters, safe=True))
    return registry


@cache
def recount() -> Operation[list[ResourceStatistics]]:
    """Stands for whichever refresh_counters started a task of which only the id is known."""

    class Recount(TaskRequest[list[ResourceStatistics]], frozen=True):
        pass

    return Operation(TASK_STATUS, Recount)


@cache
def unknown_task() -> Operation[object]:
    """Stands for whatever started a task of which only the id is known."""

    class UnknownTask(TaskRequest[object], frozen=True):
        pass

    return Operation(TASK_STATUS, UnknownTask)


def looks_counted(result: object) -> bool:
    """Whether an untyped result has the shape of refreshed statistics: an object, or objects, with channels."""
    entries = result if isinstance(result, list) else [result]
    return bool(entries) and all(isinstance(entry, dict) and "channels" in entry for entry in entries)


def recognise(statistics: ResourceStatistics) -> SegmentStatistics | DatabaseStatistics | ResourceStatistics:
    """The narrower type that has all the fields which came, when only a task's id is known."""
    fields = {name: getattr(statistics, name) for name in statistics.__struct_fields__}
    counted = statistics.total_count is not None or statistics.last_count_time is not None
    if counted and statistics.list_id is None:
        del fields["list_id"]
        return msgspec.convert(fields, DatabaseStatistics)
    if not counted and statistics.list_id is not None:
        del fields["total_count"], fields["last_count_time"]
        return msgspec.convert(fields, SegmentStatistics)
    return statistics
