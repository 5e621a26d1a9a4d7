"""One exchange, without the exchanging: a request struct to an `HttpRequest`, an `HttpResponse` to a value or an error.

Pure. Format, credentials and the meaning of refusals are decided here and nowhere else.
"""

from __future__ import annotations

from collections.abc import Container
from functools import cache
from typing import Any, TypeVar, cast

import msgspec

from altcraft.codecs import Codec, CodecRegistry
from altcraft.errors import ApiError, DecodeError, EncodeError, api_error
from altcraft.operations import (
    TASK_STATUS,
    Operation,
    looks_counted,
    recognise,
    recount,
    unknown_task,
)
from altcraft.schema import (
    Envelope,
    ErrorEnvelope,
    Reply,
    Request,
    TaskStarted,
    TaskStatus,
    TaskStatusRequest,
)
from altcraft.wire.messages import Headers, HttpRequest, HttpResponse, header
from altcraft.wire.secret import Auth, MaskedDict, Secret
from altcraft.wire.url import shown_url

__all__ = ["Exchange"]

R = TypeVar("R")

USER_AGENT = "altcraft-client"

_EXCERPT = 120
_TELLING = 32
_NO_WORD = 8  # characters: a shorter token may be part of an honest status, which masking it would make unknown
_LONGEST_WAIT = 86400.0  # a day: what a Retry-After asks for beyond it, nobody means
# Types that say nothing about the platform's format; HTML is among them, since some proxies label anything so.
_GENERIC = {
    "",
    "text/plain",
    "text/html",
    "application/octet-stream",
    "binary/octet-stream",
    "application/xhtml+xml",
}


class Exchange:
    """What a client knows of the wire: where, as whom, in which format. Immutable, shared by all threads."""

    __slots__ = ("_auth", "_base", "_codec", "_codecs", "_headers", "_telling", "_token", "host")

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
        self._base = base
        self.host = host
        self._token = token
        self._codec = codec
        self._codecs = codecs
        self._auth = auth
        self._telling: dict[str, Codec] = {}  # Content-Type headers that were met, for the short way through `read`
        content_type = codec.content_types[0]
        self._headers = {"Content-Type": content_type, "Accept": content_type, "User-Agent": USER_AGENT}

    def build(self, path: str, request: Request[R]) -> HttpRequest:
        """The HTTP request for a request struct. TypeError or ValueError where a field is not what the wire takes."""
        if not _is_poll(request):  # those are made by the thousand
            self._check(path, request)
        headers = Headers(self._headers)
        if self._token is not None and self._auth == "bearer":
            headers["Authorization"] = f"Bearer {self._token.reveal()}"
        try:
            body = self._codec.encode(self._signed(request))
        except EncodeError as error:
            error.locate(path, self.host)
            raise
        return HttpRequest("POST", f"{self._base}/{path}", headers, body)

    def read(self, operation: str, reply: type[Reply], response: HttpResponse) -> Reply:
        """The whole reply, known to be a success; else ApiError or DecodeError, with the operation and host in it."""
        if response.status == 200:
            try:
                value = self._telling[response.headers["Content-Type"]].decode(response.body, reply)
            except (DecodeError, KeyError):  # the latter for a header that was not met before
                pass  # the long way finds out what it is, and says so
            else:
                if value.error == 0:
                    return value
        try:
            return self._read(reply, response)
        except (ApiError, DecodeError) as error:
            error.locate(operation, self.host)
            raise

    def result(self, operation: Operation[R], response: HttpResponse) -> R:
        """The result of a plain operation. Errors as for `read`."""
        reply = self.read(operation.path, operation.reply, response)
        if isinstance(reply, Envelope):
            return self._present(operation, cast("Envelope[R]", reply).data)
        return cast(R, reply)  # an operation whose result is the whole reply

    def task_id(self, operation: Operation[R], response: HttpResponse) -> str:
        """The id of the task that a submission has started. Errors as for `read`."""
        reply = cast("Envelope[TaskStarted]", self.read(operation.path, operation.reply, response))
        if reply.data is msgspec.UNSET or not reply.data.task_id:
            raise self._located(operation.path, DecodeError("the reply reports success, but carries no task id"))
        return reply.data.task_id

    def status(self, operation: Operation[R], response: HttpResponse, done: Container[str]) -> TaskStatus[R]:
        """What a reply of tasks/status says of a task that `operation` started. Errors as for `read`.

        A result is read by its type once the status is among those `done`; before, it may be anything.
        """
        if operation.result is object:
            return cast("TaskStatus[R]", self._unknown_status(response))
        try:
            state = self._state(operation, response)
        except DecodeError:
            unread = self._state(unknown_task(), response)
            if unread.status in done:
                raise
            return TaskStatus(unread.status, unread.progress)
        if state.status in done and state.result is None:
            return msgspec.structs.replace(state, result=self._present(operation, msgspec.UNSET))
        return state

    def _unknown_status(self, response: HttpResponse) -> TaskStatus[object]:
        """A status whose result has no declared type: statistics are recognised, the rest stays as it came."""
        state = self._state(unknown_task(), response)
        if state.result is None or not looks_counted(state.result):
            return state
        try:
            counted = self._state(recount(), response)
        except DecodeError:
            return state
        return msgspec.structs.replace(state, result=[recognise(entry) for entry in counted.result or ()])

    def _state(self, operation: Operation[R], response: HttpResponse) -> TaskStatus[R]:
        assert operation.status is not None
        reply = cast("Envelope[TaskStatus[R]]", self.read(TASK_STATUS, operation.status, response))
        if reply.data is msgspec.UNSET:
            raise self._located(TASK_STATUS, DecodeError("the reply reports success, but carries no status"))
        if self._token is not None and len(self._token.reveal()) >= _NO_WORD:
            reply.data.status = self._scrub(reply.data.status)
        return reply.data

    def _present(self, operation: Operation[R], data: R | msgspec.UnsetType) -> R:
        """`data`, or the empty list that some writers leave out or call null."""
        if data is not msgspec.UNSET:
            return data
        try:
            return msgspec.convert([], operation.result)
        except msgspec.ValidationError:
            missing = DecodeError("the reply reports success, but carries no result")
            raise self._located(operation.path, missing) from None

    def _check(self, path: str, request: Request[R]) -> None:
        """Bad input is refused here, with the name of the field, rather than by a distant server."""
        try:
            plain = msgspec.to_builtins(request, builtin_types=(bytes, bytearray, memoryview))
            msgspec.convert(plain, type(request))
        except (msgspec.ValidationError, TypeError) as error:
            what, _, where = str(error).partition(" - at `$.")
            raise TypeError(f"{path}: {where.rstrip('`') or 'request'}: {what}") from None

    def _signed(self, request: Request[R]) -> object:
        token = self._token.reveal() if self._token is not None and self._auth == "body" else None
        signed = msgspec.structs.replace(request, token=token, format=self._codec.name)
        names = _names_of_defaults(type(request))
        if names is None:
            return signed
        values = ((wire, getattr(signed, name)) for name, wire in names)
        return MaskedDict({wire: value for wire, value in values if value is not None})

    def _located(self, operation: str, error: DecodeError) -> DecodeError:
        error.locate(operation, self.host)
        return error

    def _read(self, reply: type[Reply], response: HttpResponse) -> Reply:
        status = response.status
        if 300 <= status < 400:
            target = self._scrub(shown_url(header(response.headers, "location") or "nowhere"))
            raise ApiError(
                status,
                f"redirected to {target}, not followed: set the client's URL to where it leads",
                status,
            )
        try:
            codec = self._codec_of(response)
            value = self._decode(codec, reply, response)
        except DecodeError as error:
            if 200 <= status < 300:
                raise
            raise api_error(status, error.message(), status, _retry_after(response)) from error
        if value.error or not 200 <= status < 300:
            value.error_text = self._scrub(value.error_text or "")
            raise api_error(value.error or status, value.error_text, status, _retry_after(response))
        if value.error is None and getattr(value, "data", msgspec.UNSET) is msgspec.UNSET:
            raise DecodeError(
                f"the reply is no envelope of this API: neither data nor error in {self._excerpt(response)}"
            )
        return value

    def _codec_of(self, response: HttpResponse) -> Codec:
        content_type = response.headers.get("Content-Type") or header(response.headers, "content-type") or ""
        media_type = content_type.partition(";")[0].strip().lower()
        if response.body[:1] != b"{" and _is_html(response.body):
            raise DecodeError(f"an HTML page came instead of {self._codec.name}: {self._excerpt(response)}")
        codec = None if media_type in _GENERIC else self._codecs.by_content_type(content_type)
        if codec is not None and len(self._telling) < _TELLING:
            self._telling[content_type] = codec
        codec = codec or self._codecs.sniff(response.body)
        if codec is None:
            kind = f"of type {self._scrub(media_type)!r}" if media_type else "without a Content-Type"
            raise DecodeError(f"a reply {kind} that no codec reads: {self._excerpt(response)}")
        return codec

    def _decode(self, codec: Codec, reply: type[Reply], response: HttpResponse) -> Reply:
        try:
            return codec.decode(response.body, reply)
        except DecodeError as error:
            try:
                refusal = codec.decode(response.body, ErrorEnvelope)
            except DecodeError:
                refusal = None
            if refusal is not None and refusal.error:
                return refusal
            kind = type(error)
            raise kind(self._scrub(f"{error.message()}; it begins: {self._excerpt(response)}")) from None

    def _excerpt(self, response: HttpResponse) -> str:
        """The first line of a body, quoted and bounded, with the token masked."""
        # Without the NULs of UTF-16: between its letters they would hide the token.
        lines = response.body[: 16 * _EXCERPT].replace(b"\0", b"").decode("utf-8", "replace").strip().splitlines()
        if not lines:
            return "an empty body"
        line = self._scrub(lines[0])
        return repr(line if len(line) <= _EXCERPT else line[:_EXCERPT] + "…")

    def _scrub(self, text: str) -> str:
        return self._token.scrub(text) if self._token is not None else text


def _is_poll(request: object) -> bool:
    return type(request) is TaskStatusRequest and type(request.task_id) is str


@cache
def _names_of_defaults(request: type[Request[Any]]) -> tuple[tuple[str, str], ...] | None:
    """None where what a struct omits is just what is None; else its fields' names, here and on the wire.

    A default of another value is the caller's word as much as any: the platform's own default may differ from it.
    """
    fields = msgspec.structs.fields(request)
    if all(
        field.default in (None, msgspec.NODEFAULT) and field.default_factory is msgspec.NODEFAULT for field in fields
    ):
        return None
    return tuple((field.name, field.encode_name) for field in fields)


def _is_html(body: bytes) -> bool:
    start = body[:512].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    return start.startswith((b"<!doctype html", b"<html"))


def _retry_after(response: HttpResponse) -> float | None:
    """A Retry-After header in seconds; a date counts from the reply's own Date, so that no clock is needed."""
    value = header(response.headers, "retry-after")
    if value is None:
        return None
    seconds = value.strip()
    if seconds.isascii() and seconds.isdigit():
        return min(float(seconds), _LONGEST_WAIT)
    from email.utils import parsedate_to_datetime

    try:
        until = parsedate_to_datetime(value)
        since = parsedate_to_datetime(header(response.headers, "date") or "")
        return min(max(0.0, (until - since).total_seconds()), _LONGEST_WAIT)
    except (TypeError, ValueError):
        return None
