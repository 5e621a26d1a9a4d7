"""What a client knows of its installation, and the meaning of every reply."""

from __future__ import annotations

from collections.abc import Callable, Container
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar, cast

from msgspec import UNSET, structs

from altcraft.codecs import Codec, CodecRegistry, Preparing
from altcraft.errors import AltcraftError, ApiError, DecodeError, EncodeError
from altcraft.exchange.replies import Replies
from altcraft.exchange.requests import checked, signed
from altcraft.exchange.settling import let_go, mask_errors, masked
from altcraft.operations import TASK_STATUS, Operation, looks_counted, recognise, recount, unknown_task
from altcraft.schema import Envelope, Reply, Request, TaskStarted, TaskStatus, TaskStatusRequest
from altcraft.wire.messages import Headers, HttpRequest, HttpResponse
from altcraft.wire.secret import Auth, Secret

__all__ = ["Exchange"]

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")

USER_AGENT = "altcraft-client"

_SHORTEST_MASKED = 8
"""Characters. A shorter token may be part of an honest status, which must not change."""


def _letting_go(read: Callable[Concatenate[Exchange, P], T]) -> Callable[Concatenate[Exchange, P], T]:
    """Keeps the frames of a failed reading out of the error's traceback: each of them holds the whole reply."""

    @wraps(read)
    def reading(exchange: Exchange, /, *arguments: P.args, **options: P.kwargs) -> T:
        try:
            return read(exchange, *arguments, **options)
        except (ApiError, DecodeError) as error:
            failure = error
        del arguments, options
        let_go(failure)
        raise failure

    return reading


class Exchange:
    """A client's URL, token, format and codecs. Immutable; threads may share it."""

    __slots__ = ("_auth", "_base", "_checked", "_codec", "_headers", "_replies", "_token", "host")

    def __init__(
        self,
        base: str,
        host: str,
        token: Secret | None,
        codec: Codec,
        codecs: CodecRegistry,
        auth: Auth = "body",
    ) -> None:
        if auth not in ("body", "bearer"):
            raise ValueError(f"auth={auth!r}: choose 'body', as documented, or 'bearer'")
        if token is not None:
            token.check(auth)
        self.host = host
        self._base = base
        self._token = token
        self._codec = codec
        self._auth = auth
        self._replies = Replies(base, token, codec, codecs)
        self._checked: set[Operation[Any]] = set()
        content_type = codec.content_types[0]
        self._headers = {"Content-Type": content_type, "Accept": content_type, "User-Agent": USER_AGENT}

    # Requests.

    def check(self, operation: Operation[Any]) -> None:
        """TypeError where the client's codec can't read the operation's replies. Call it before anything is sent."""
        if operation in self._checked or not isinstance(self._codec, Preparing):
            return
        for type_ in (operation.reply, operation.status):
            if type_ is not None:
                try:
                    self._codec.prepare(type_)
                except TypeError as error:
                    raise TypeError(f"{operation.path}: {error}") from None
        self._checked.add(operation)

    def checked(self, path: str, request: Request[R]) -> Request[R]:
        """The request as `build` sends it, but for token and format. TypeError for a field of the wrong type."""
        return checked(path, request)

    def build(self, path: str, request: Request[Any]) -> HttpRequest:
        """The HTTP request for a request struct.

        TypeError for a field of the wrong type, EncodeError for a value that the format can't carry.
        """
        if not _is_poll(request):  # a client makes those by the thousand
            request = checked(path, request)
        headers = Headers(self._headers)
        if self._token is not None and self._auth == "bearer":
            headers["Authorization"] = f"Bearer {self._token.reveal()}"
        secret = self._token if self._auth == "body" else None
        try:
            body = self._codec.encode(signed(request, secret, self._codec.name))
        except EncodeError as error:
            failure = error
        else:
            return HttpRequest("POST", f"{self._base}/{path}", headers, body)
        self.settle(failure, path)
        raise failure

    # Replies.

    @_letting_go
    def read(self, path: str, reply: type[Reply], response: HttpResponse) -> Reply:
        """The whole reply of a success; else ApiError or DecodeError, with operation and host."""
        return self._read(path, reply, response)

    @_letting_go
    def result(self, operation: Operation[R], response: HttpResponse) -> R:
        """The result of a plain operation. Raises as `read`."""
        reply = self._read(operation.path, operation.reply, response)
        if isinstance(reply, Envelope):
            return self._result(operation, operation.path, reply.data, response)
        return cast(R, reply)  # the result is the whole reply

    @_letting_go
    def task_id(self, operation: Operation[R], response: HttpResponse) -> str:
        """The id of the task that a submission has started. Raises as `read`."""
        reply = cast("Envelope[TaskStarted]", self._read(operation.path, operation.reply, response))
        task_id = "" if reply.data is UNSET else reply.data.task_id.strip()
        if not task_id:
            raise self._lacking("task id", operation.path)
        return task_id

    @_letting_go
    def status(
        self, operation: Operation[R], response: HttpResponse, done: Container[str], failed: Container[str] = ()
    ) -> TaskStatus[R]:
        """What a reply of tasks/status says of a task that `operation` started. Raises as `read`.

        The result is read by its type once the status is in `done`. In `failed` it is the reason, without a type;
        anywhere else it may be anything, and a result of another type is left out.
        """
        assert operation.status is not None
        if operation.is_untyped:
            return cast("TaskStatus[R]", self._unknown_status(operation, response, done, failed))
        is_typed = True
        try:
            state: TaskStatus[Any] = self._state(operation.status, response)
        except DecodeError as error:
            state = self._state(_UNTYPED, response)
            if state.status in done:
                error.is_lasting = True
                raise
            is_typed = False
        if state.status in done:
            result = self._result(operation, TASK_STATUS, state.result, response)
            return state if result is state.result else structs.replace(state, result=result)
        if state.status in failed:
            return self._with_reason(state if not is_typed else self._state(_UNTYPED, response))
        return state if is_typed and not operation.carries_nothing else TaskStatus(state.status, state.progress)

    def _unknown_status(
        self, operation: Operation[R], response: HttpResponse, done: Container[str], failed: Container[str]
    ) -> TaskStatus[object]:
        """A status whose result has no declared type: recognised statistics, or what the codec makes of it."""
        state = self._state(_UNTYPED, response)
        if state.status in failed:
            return self._with_reason(state)
        if looks_counted(state.result):
            try:
                counted = self._state(recount().status, response)
            except DecodeError:
                return state
            return structs.replace(state, result=[recognise(entry) for entry in counted.result or ()])
        if state.status in done:
            return structs.replace(state, result=self._result(operation, TASK_STATUS, state.result, response))
        return state

    def _with_reason(self, state: TaskStatus[Any]) -> TaskStatus[Any]:
        """The status of a failed task, with the token masked in what the platform says about it."""
        try:
            reason = masked(state.result, self._token)
        except RecursionError:
            reason = "nested too deeply to be shown"
        return structs.replace(state, result=reason)

    def _state(self, reply: type[Reply] | None, response: HttpResponse) -> TaskStatus[Any]:
        assert reply is not None
        data = cast("Envelope[TaskStatus[Any]]", self._read(TASK_STATUS, reply, response)).data
        if data is UNSET:
            raise self._lacking("status", TASK_STATUS)
        status = data.status.strip()
        if self._token is not None and len(self._token.reveal()) >= _SHORTEST_MASKED:
            status = self._token.scrub(status)
        data.status = status
        return data

    def _result(self, operation: Operation[R], path: str, data: object, response: HttpResponse) -> R:
        """The data of a success; where there is none, what its type has for that: None, or an array that came empty."""
        is_nothing = operation.is_untyped and data == "" and self._is_null(operation, path, response)
        if operation.carries_nothing or is_nothing:
            return cast(R, None)
        if data is not None and data is not UNSET:
            return data  # type: ignore[return-value]  # it was read as an R
        if operation.admits_none:
            return cast(R, None)
        try:
            return operation.result_in(self._read(path, operation.demanding, response))
        except DecodeError:
            error = self._lacking("result", path)
        error.is_lasting = True
        raise error

    def _is_null(self, operation: Operation[Any], path: str, response: HttpResponse) -> bool:
        """Whether an empty text is how the format writes null, as XML does."""
        try:
            self._read(path, operation.nothing, response)
        except DecodeError:
            return False
        return True

    def _read(self, path: str, reply: type[Reply], response: HttpResponse) -> Reply:
        try:
            return self._replies.read(path, reply, response)
        except (ApiError, DecodeError) as error:
            error.locate(path, self.host)
            raise

    def _lacking(self, what: str, path: str) -> DecodeError:
        error = DecodeError(f"the reply reports success, but carries no {what}")
        error.locate(path, self.host)
        return error

    # Errors.

    def settle(self, error: AltcraftError, path: str, task_id: str | None = None) -> None:
        """Fits an error for its way to the user: the place of it, no token in its texts, no body in its frames."""
        error.locate(path, self.host, task_id)
        let_go(error)
        mask_errors(error, self._token)


_UNTYPED = unknown_task().status


def _is_poll(request: object) -> bool:
    return type(request) is TaskStatusRequest and type(request.task_id) is str
