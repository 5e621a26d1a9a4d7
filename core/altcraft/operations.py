"""Operations as data: a path, its request, its reply and its result.

A new method of the API needs a declaration, and no more. `Client.submit` and `Client.call` find the operation by the
type of the request. Page: docs/how-to/operations.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from types import NoneType
from typing import Any, Generic, TypeVar, cast, get_args, get_origin

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
"""The path of the method that tells how far a task is."""


class _Carried(Reply, Generic[R], kw_only=True):
    """A reply that must have data."""

    data: R


class _Done(msgspec.Struct, Generic[R]):
    """The status of a finished task, which must have a result."""

    result: R


class Operation(Generic[R]):
    """One method of the API.

    `path` follows the API's base URL in the URL of a request; a slash at its end is kept. `request` is the struct that
    is sent. The rest follows from the declaration of that struct, `TaskRequest[R]` or `PlainRequest[R]`:

    * `result`: the `R`;
    * `reply`: the type of the whole reply to the request;
    * `status`: of a task, the type of the reply of tasks/status; None where the operation starts no task.

    `safe` says that the request only reads: the client repeats it after a lost answer.

    Raises TypeError where the request does not say what its answer is.
    """

    __slots__ = (
        "carries_nothing", "demanding", "is_untyped", "nothing", "path", "reply", "request", "result", "safe", "status",
    )  # fmt: skip

    path: str
    request: type[Request[R]]
    reply: type[Reply]
    result: type[R]
    status: type[Reply] | None
    safe: bool
    carries_nothing: bool
    """Whether the result is None by declaration. Data in the reply is passed over then."""
    is_untyped: bool
    """Whether the result has no declared type: the codec decides what it is."""
    demanding: type[Reply]
    """The type of a reply that must have a result: how an empty array is told from none."""
    nothing: type[Reply]
    """The type of a reply that has null for its result: how null is told from an empty text."""

    def __init__(self, path: str, request: type[Request[R]], *, safe: bool = False) -> None:
        self.path = path.lstrip("/")
        self.request = request
        self.safe = safe
        kind, self.result = _answer_of(request)
        result: Any = self.result
        self.carries_nothing = result is NoneType
        self.is_untyped = result in (object, Any)
        read_as: Any = object if self.carries_nothing else self.result
        if kind is TaskRequest:
            self.reply = Envelope[TaskStarted]
            self.status = Envelope[TaskStatus[read_as]]
            self.demanding, self.nothing = Envelope[_Done[read_as]], Envelope[_Done[None]]
        else:
            # A result that is a Reply itself is the whole reply; any other stands in the envelope's `data`.
            self.reply = read_as if _is_reply(read_as) else Envelope[read_as]
            self.status = None
            self.demanding, self.nothing = _Carried[read_as], _Carried[None]

    @property
    def admits_none(self) -> bool:
        """Whether None is a value of the result's type."""
        try:
            msgspec.convert(None, self.result)
        except msgspec.ValidationError:
            return False
        return True

    @property
    def types(self) -> tuple[object, ...]:
        """Every type that is read or checked in the course of the operation."""
        # The result of a task whose request is not known may turn out to be statistics: see `recognise`.
        counted = (recount().status, DatabaseStatistics, SegmentStatistics) if self.is_untyped else ()
        return self.request, self.reply, self.status, self.demanding, self.result, ErrorEnvelope, *counted

    def result_in(self, reply: Reply) -> R:
        """The result in a reply of the type `demanding`."""
        data = cast("_Carried[Any]", reply).data
        return cast(R, data.result if isinstance(data, _Done) else data)

    def __repr__(self) -> str:
        return f"Operation({self.path!r}, {self.request.__name__})"


def _is_reply(result: object) -> bool:
    cls = get_origin(result) or result
    return isinstance(cls, type) and issubclass(cls, Reply)


def _answer_of(request: type[Request[R]]) -> tuple[object, type[R]]:
    """`TaskRequest` or `PlainRequest`, and its `R`, out of the bases of a request class."""
    if get_origin(request) is not None:
        raise TypeError(f"{request} is not a class of its own: derive one from it, and declare that")
    kind, result = _found_in(request) or (None, None)
    left_open = (result,) if isinstance(result, TypeVar) else _parameters(result)
    if kind is None or left_open:
        raise TypeError(
            f"{request.__name__} does not say what its answer is: derive it from TaskRequest[R] or PlainRequest[R], "
            f"with R the type of the result" + (f"; {result} leaves a type variable open" if left_open else "")
        )
    return kind, cast("type[R]", result)


def _found_in(declared: Any) -> tuple[object, Any] | None:
    """The answer of a class or of an alias such as `Listing[Row]`, through its bases; None where it has none.

    Each base's type variables are replaced by the types that the class below gives for them.
    """
    cls, arguments = get_origin(declared) or declared, get_args(declared)
    parameters: tuple[Any, ...] = getattr(cls, "__parameters__", ())
    values = dict(zip(parameters, arguments or map(_default, parameters), strict=False))
    if cls in (TaskRequest, PlainRequest):
        return cls, values[parameters[0]]
    for base in cls.__dict__.get("__orig_bases__", cls.__bases__):
        found = _found_in(base)
        if found is not None:
            return found[0], _substituted(found[1], values)
    return None


def _substituted(type_: Any, values: dict[Any, Any]) -> Any:
    if isinstance(type_, TypeVar):
        return values.get(type_, type_)
    parameters = _parameters(type_)
    return type_[tuple(values.get(parameter, parameter) for parameter in parameters)] if parameters else type_


def _parameters(type_: object) -> tuple[Any, ...]:
    """The type variables of an alias such as `list[T]`. A class without arguments is no alias."""
    return getattr(type_, "__parameters__", ()) if get_origin(type_) is not None else ()


def _default(parameter: Any) -> Any:
    """What a type variable stands for where no type is given: its default (PEP 696), else itself."""
    has_default = getattr(parameter, "has_default", None)
    return parameter.__default__ if has_default is not None and has_default() else parameter


class OperationRegistry:
    """The operations of a client, by the type of the request and by path. Fill it before threads share it."""

    def __init__(self, check: Callable[[Operation[Any]], None] | None = None) -> None:
        self._by_request: dict[type, Operation[Any]] = {}
        self._by_path: dict[str, Operation[Any]] = {}
        self._check = check

    def check_with(self, check: Callable[[Operation[Any]], None]) -> None:
        """Has `check` look at every operation that is registered from now on. What it raises refuses the operation."""
        self._check = check

    def register(self, operation: Operation[R]) -> Operation[R]:
        """Adds an operation, and returns it.

        One that has the request of a known operation, or a request derived from it, takes the known one's place.
        ValueError where another request has the path. TypeError where the client's codec can't read the result.
        """
        if self._check is not None:
            self._check(operation)
        path = _key(operation.path)
        known = self._by_path.get(path)
        if known is not None and not self._is_family(path, operation.request):
            raise ValueError(f"{operation.path} is declared already, for {known.request.__name__}")
        if known is None or not issubclass(known.request, operation.request) or known.request is operation.request:
            self._by_path[path] = operation
        self._by_request[operation.request] = operation
        return operation

    def of(self, request: Request[R]) -> Operation[R]:
        """The operation that sends such a request. LookupError where none is declared."""
        return self.by_request(type(request))

    def by_request(self, request: type[Request[R]]) -> Operation[R]:
        """The operation that sends requests of that type, or of a base of it. LookupError where none is declared."""
        for cls in request.__mro__:
            if cls in self._by_request:
                return self._by_request[cls]
        raise LookupError(
            f"no operation sends a {request.__name__}: register "
            f'Operation("its/path", {request.__name__}) with client.operations first'
        )

    def by_path(self, path: str) -> Operation[object]:
        """The operation of that path; a slash at its end does not matter. LookupError where none is declared."""
        operation = self._by_path.get(_key(path))
        if operation is None:
            raise LookupError(f"no operation has the path {path!r}: register it with client.operations first")
        return operation

    def resumed(
        self, task_id_or_token: str, request: type[TaskRequest[Any]] | None
    ) -> tuple[ResumeToken, Operation[Any]]:
        """What a resume token holds, and the operation that started its task as far as token and request tell."""
        token = parse_resume_token(task_id_or_token)
        if request is not None:
            operation: Operation[Any] = self.by_request(request)
            if token.operation is not None and _key(token.operation) not in (TASK_STATUS, _key(operation.path)):
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

    def _is_family(self, path: str, request: type) -> bool:
        """Whether the request derives from one that has the path, or one that has it derives from the request."""
        return any(
            issubclass(request, known.request) or issubclass(known.request, request)
            for known in self._by_request.values()
            if _key(known.path) == path
        )


def _key(path: str) -> str:
    """What tells paths apart: not the slashes around them."""
    return path.strip("/")


def default_operations() -> OperationRegistry:
    """A new registry with the methods that the library brings."""
    registry = OperationRegistry()
    registry.register(Operation("segments/refresh_counters", SegmentsRefreshCounters))
    registry.register(Operation("databases/refresh_counters", DatabasesRefreshCounters))
    registry.register(Operation("resources/refresh_counters", ResourcesRefreshCounters))
    registry.register(Operation("segments/get_counters", SegmentsGetCounters, safe=True))
    registry.register(Operation("databases/get_counters", DatabasesGetCounters, safe=True))
    return registry


@cache
def recount() -> Operation[list[ResourceStatistics]]:
    """Stands for the refresh_counters method that started a task whose request is not known."""

    class Recount(TaskRequest[list[ResourceStatistics]], frozen=True):
        pass

    return Operation(TASK_STATUS, Recount)


@cache
def unknown_task() -> Operation[object]:
    """Stands for the method that started a task whose request is not known."""

    class UnknownTask(TaskRequest[object], frozen=True):
        pass

    return Operation(TASK_STATUS, UnknownTask)


def looks_counted(result: object) -> bool:
    """Whether an untyped result has the shape of refreshed statistics: an object, or objects, with channels."""
    entries = result if isinstance(result, list) else [result]
    return bool(entries) and all(isinstance(entry, dict) and "channels" in entry for entry in entries)


def recognise(statistics: ResourceStatistics) -> SegmentStatistics | DatabaseStatistics | ResourceStatistics:
    """The narrower type that has every field that came, for the result of a task whose request is not known."""
    fields = {name: getattr(statistics, name) for name in statistics.__struct_fields__}
    is_database = statistics.total_count is not None or statistics.last_count_time is not None
    if is_database and statistics.list_id is None:
        del fields["list_id"]
        return DatabaseStatistics(**fields)
    if not is_database and statistics.list_id is not None:
        del fields["total_count"], fields["last_count_time"]
        return SegmentStatistics(**fields)
    return statistics
