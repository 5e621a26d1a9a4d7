"""A WSGI request: its body, its token, and the formats of the request and the reply."""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from altcraft.codecs import Codec, CodecRegistry
from altcraft_plugins.sandbox.refusal import Refusal

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

__all__ = [
    "LARGEST_BODY",
    "body_codec",
    "is_known",
    "printable",
    "read_body",
    "reply_codec",
    "status_line",
    "token_of",
]

LARGEST_BODY: Final = 10 * 1024 * 1024
"""Bytes. The documented limit of a request's body."""

CHUNK: Final = 64 * 1024


def read_body(environ: WSGIEnvironment) -> bytes:
    """The request's body.

    Raises Refusal: 413 for too large a length, before a byte is read; 411 for a missing length, 400 for a wrong one.
    """
    declared = str(environ.get("CONTENT_LENGTH") or "").strip()
    if not declared:
        raise Refusal(411, "Content-Length is required")
    # ASCII digits only: int() also accepts "+5", "1_0" and the digits of other alphabets.
    if not (declared.isascii() and declared.isdigit()):
        raise Refusal(400, "Content-Length is not a number")
    digits = declared.lstrip("0") or "0"
    if len(digits) > len(str(LARGEST_BODY)) or int(digits) > LARGEST_BODY:
        raise Refusal(413, f"the body is larger than {LARGEST_BODY} bytes")
    left = int(digits)
    chunks: list[bytes] = []
    while left:
        chunk = environ["wsgi.input"].read(min(left, CHUNK))
        if not chunk:
            raise Refusal(400, "the body is shorter than its Content-Length")
        chunks.append(chunk)
        left -= len(chunk)
    return b"".join(chunks)


def body_codec(environ: WSGIEnvironment, body: bytes, codecs: CodecRegistry) -> Codec:
    """The codec of the Content-Type. Without a Content-Type the first byte decides. Raises Refusal 415 or 400."""
    content_type = str(environ.get("CONTENT_TYPE") or "").strip()
    codec = codecs.by_content_type(content_type) if content_type else codecs.sniff(body)
    if codec is not None:
        return codec
    if not content_type and not body:
        raise Refusal(400, "the body is empty")
    known = ", ".join(codec.content_types[0] for codec in codecs)
    raise Refusal(415, f"the Content-Type is not one of {known}")


def reply_codec(environ: WSGIEnvironment, codecs: CodecRegistry) -> Codec:
    """The codec of a reply whose request names no format: that of Accept, else of Content-Type, else JSON."""
    for media_type in _by_preference(str(environ.get("HTTP_ACCEPT") or "")):
        if (codec := codecs.by_content_type(media_type)) is not None:
            return codec
    return codecs.by_content_type(str(environ.get("CONTENT_TYPE") or "")) or codecs.by_name("json")


def token_of(environ: WSGIEnvironment, in_body: str | None) -> str | None:
    """The token in the body, else the one in `Authorization: Bearer`. A token in the URL is ignored."""
    if in_body:
        return in_body
    scheme, _, credentials = str(environ.get("HTTP_AUTHORIZATION") or "").strip().partition(" ")
    return credentials.strip() if scheme.lower() == "bearer" else None


def is_known(token: str, tokens: Sequence[str]) -> bool:
    """Whether it is one of the tokens. The comparison takes the same time for each wrong token."""
    given = token.encode("utf-8", "replace")
    found = False
    for known in tokens:
        found |= hmac.compare_digest(given, known.encode("utf-8", "replace"))
    return found


def status_line(code: int) -> str:
    """The status line of WSGI: the code and its phrase."""
    phrases = {status.value: status.phrase for status in HTTPStatus}
    return f"{code} {phrases.get(code, 'Unknown')}"


def printable(text: str) -> str:
    """The text on one line, at most 300 characters long, without characters that a format can't hold."""
    return "".join(letter if letter.isprintable() else " " for letter in text[:300])


def _by_preference(accept: str) -> list[str]:
    weighed: list[tuple[float, str]] = []
    for part in accept.split(",")[:20]:
        media_type, *parameters = part.split(";")
        weight = 1.0
        for parameter in parameters:
            name, _, value = parameter.partition("=")
            if name.strip().lower() == "q":
                try:
                    weight = float(value)
                except ValueError:
                    weight = 0.0
        if weight > 0:
            weighed.append((-weight, media_type.strip()))
    return [media_type for _, media_type in sorted(weighed, key=lambda pair: pair[0])]
