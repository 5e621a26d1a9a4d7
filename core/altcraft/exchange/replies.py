"""An HTTP response to a reply struct, or to the error that it means."""

from __future__ import annotations

from typing import Any

from msgspec import UNSET, Struct, ValidationError

from altcraft.codecs import Codec, CodecRegistry, charset_of, in_charset, make_ready
from altcraft.codecs.per_type import PerType
from altcraft.errors import ApiError, DecodeError, api_error
from altcraft.operations import TASK_STATUS
from altcraft.schema import ErrorEnvelope, Reply
from altcraft.schema.lenient import code_of, restored, text_of, twin_of
from altcraft.wire.excerpt import excerpt, is_page, shortened
from altcraft.wire.messages import HttpResponse, header
from altcraft.wire.redirect import redirect_text
from altcraft.wire.retry_after import retry_after
from altcraft.wire.secret import Secret

__all__ = ["Replies"]

_LONGEST_TEXT = 1000
"""Characters of the platform's explanation that an error keeps."""

_HEADERS_KEPT, _LONGEST_HEADER = 32, 120
"""So many Content-Type headers are remembered with their codec, each of at most so many characters."""

# Types that do not tell the format. HTML is among them, since some proxies label every body so.
_GENERIC = {
    "",
    "text/plain",
    "text/html",
    "application/octet-stream",
    "binary/octet-stream",
}


class _Refusal(Struct):
    """A reply that is read for its code and its text, in any form. Its `data` is passed over."""

    error: object = None
    error_text: object = None


class Replies:
    """Reads the replies of one installation, in any format of its codecs.

    `codec` is the format that the client asks for. Errors come without operation and host.
    """

    __slots__ = ("_base", "_by_header", "_codec", "_codecs", "_token", "_twins")

    def __init__(self, base: str, token: Secret | None, codec: Codec, codecs: CodecRegistry) -> None:
        self._base = base
        self._token = token
        self._codec = codec
        self._codecs = codecs
        # By the Content-Type headers that were seen: the codec, and the charset that the header names.
        self._by_header: dict[str, tuple[Codec, str | None]] = {}
        self._twins: PerType[Any] = PerType(_ready_twin)

    def read(self, path: str, reply: type[Reply], response: HttpResponse) -> Reply:
        """The whole reply of a success. ApiError or DecodeError for anything else."""
        if response.status == 200:
            try:
                codec, charset = self._by_header[response.headers["Content-Type"]]
                body = response.body if charset is None else in_charset(codec, response.body, charset)
                value = codec.decode(body, reply)
            except (DecodeError, KeyError):  # no such header yet, or a reply that the careful way explains
                pass
            else:
                if value.error == 0:
                    return value
        return self._read(path, reply, response)

    def scrub(self, text: str) -> str:
        """The text with the token masked."""
        return text if self._token is None else self._token.scrub(text)

    def _read(self, path: str, reply: type[Reply], response: HttpResponse) -> Reply:
        status = response.status
        if 300 <= status < 400:
            location = header(response.headers, "location")
            text = redirect_text(self._base, path, location, is_declared=path != TASK_STATUS)
            raise ApiError(status, shortened(text, _LONGEST_TEXT, self._token), status)
        is_success = 200 <= status < 300
        try:
            value = self._decode(self._codec_of(response), reply, response)
        except DecodeError as error:
            if is_success:
                raise
            raise api_error(status, error.message(), status, retry_after(response.headers)) from error
        if value.error or not is_success:
            text = shortened(value.error_text or "", _LONGEST_TEXT, self._token)
            if not text and value.error is None:
                text = f"no envelope of this API; it begins: {self._excerpt(response)}"
            raise api_error(value.error or status, text, status, retry_after(response.headers))
        if value.error is None and getattr(value, "data", UNSET) is UNSET:
            raise DecodeError(
                f"the reply is no envelope of this API: neither data nor error in {self._excerpt(response)}"
            )
        return value

    def _codec_of(self, response: HttpResponse) -> Codec:
        content_type = _content_type(response)
        if response.body[:1] != b"{" and is_page(response.body, content_type):
            raise DecodeError(f"an HTML page came instead of {self._codec.name}: {self._excerpt(response)}")
        media_type = content_type.partition(";")[0].strip().lower()
        codec = None if media_type in _GENERIC else self._codecs.by_content_type(content_type)
        if codec is not None and len(self._by_header) < _HEADERS_KEPT and len(content_type) <= _LONGEST_HEADER:
            self._by_header[content_type] = codec, charset_of(content_type)
        codec = codec or self._codecs.sniff(response.body)
        if codec is None:
            shown = shortened(media_type, _LONGEST_HEADER, self._token)
            kind = f"of type {shown!r}" if media_type else "without a Content-Type"
            raise DecodeError(f"a reply {kind} that no codec reads: {self._excerpt(response)}")
        return codec

    def _decode(self, codec: Codec, reply: type[Reply], response: HttpResponse) -> Reply:
        """The reply by its type. One that does not fit: code and text of a refusal, or the second reading."""
        body = in_charset(codec, response.body, charset_of(_content_type(response)))
        try:
            return codec.decode(body, reply)
        except DecodeError as error:
            first = error
        try:
            refusal = codec.decode(body, _Refusal)
            code, text = code_of(refusal.error), text_of(refusal.error_text)
            if code:
                return ErrorEnvelope(error=code, error_text=text)
            value: Reply = restored(codec.decode(body, self._twins.find(reply)[1]))
        except (DecodeError, RecursionError, ValidationError):
            pass
        else:
            value.error, value.error_text = code, text
            return value
        reason = self.scrub(first.message())
        quoting = type(first)(f"{reason}; it begins: {self._excerpt(response)}")
        quoting.is_lasting = first.is_lasting
        raise quoting

    def _excerpt(self, response: HttpResponse) -> str:
        return excerpt(response.body, _content_type(response), self._token)


def _ready_twin(type_: object) -> object:
    twin = twin_of(type_)
    make_ready(twin)
    return twin


def _content_type(response: HttpResponse) -> str:
    return response.headers.get("Content-Type") or header(response.headers, "content-type") or ""
