"""WSGI's side of a request: the body within its limits, and the format of the reply."""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from altcraft.codecs import Codec, CodecRegistry
from altcraft_plugins.sandbox.faults import Fault

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
"""Bytes: the documented limit of a request's body."""

CHUNK: Final = 64 * 1024


def read_body(environ: WSGIEnvironment) -> bytes:
    """The request's body. Raises Fault: 413 before a byte is read, 411 or 400 for a missing or false length."""
    declared = str(environ.get("CONTENT_LENGTH") or "").strip()
    if not declared:
        raise Fault(411, "Content-Length is required")
    # Digits and nothing else: int() would also take "+5", "1_0" and other alphabets' digits.
    if not (declared.isascii() and declared.isdigit()):
        raise Fault(400, "Content-Length is not a number")
    if len(declared.lstrip("0")) > len(str(LARGEST_BODY)) or int(declared) > LARGEST_BODY:
        raise Fault(413, f"the body is larger than {LARGEST_BODY} bytes")
    left = int(declared)
    chunks: list[bytes] = []
    while left:
        chunk = environ["wsgi.input"].read(min(left, CHUNK))
        if not chunk:
            raise Fault(400, "the body is shorter than its Content-Length")
        chunks.append(chunk)
        left -= len(chunk)
    return b"".join(chunks)


def body_codec(environ: WSGIEnvironment, body: bytes, codecs: CodecRegistry) -> Codec:
    """The codec of the Content-Type, or where there is none, of the first byte. Raises Fault 415, 400."""
    content_type = str(environ.get("CONTENT_TYPE") or "").strip()
    codec = codecs.by_content_type(content_type) if content_type else codecs.sniff(body)
    if codec is not None:
        return codec
    if not content_type and not body:
        raise Fault(400, "the body is empty")
    known = ", ".join(codec.content_types[0] for codec in codecs)
    raise Fault(415, f"the Content-Type is not one of {known}")


def reply_codec(environ: WSGIEnvironment, codecs: CodecRegistry) -> Codec:
    """The reply's codec where the body does not name one: Accept's, or else Content-Type's, or else JSON."""
    for media_type in _by_preference(str(environ.get("HTTP_ACCEPT") or "")):
        if (codec := codecs.by_content_type(media_type)) is not None:
            return codec
    return codecs.by_content_type(str(environ.get("CONTENT_TYPE") or "")) or codecs.by_name("json")


def token_of(environ: WSGIEnvironment, in_body: str | None) -> str | None:
    """The token: the body's, or else that of `Authorization: Bearer`. One in the URL is not looked at."""
    if in_body:
        return in_body
    scheme, _, credentials = str(environ.get("HTTP_AUTHORIZATION") or "").strip().partition(" ")
    return credentials.strip() if scheme.lower() == "bearer" else None


def is_known(token: str | None, tokens: Sequence[str]) -> bool:
    """Whether it is one of the tokens; how long that takes tells nothing about them."""
    given = (token or "").encode("utf-8", "replace")
    found = False
    for known in tokens:
        found |= hmac.compare_digest(given, known.encode("utf-8", "replace"))
    return found


def status_line(code: int) -> str:
    """The status with its phrase, as WSGI wants it."""
    return f"{code} {HTTPStatus(code).phrase}"


def printable(text: str) -> str:
    """The text on one line of moderate length that every format can carry."""
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
