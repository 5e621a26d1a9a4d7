"""What an error quotes of a body that it can't use: one line that tells, bounded, with the token masked."""

from __future__ import annotations

import re
from contextlib import suppress

from altcraft.wire.forks import importing
from altcraft.wire.secret import Secret

__all__ = ["excerpt", "is_page", "shortened"]

_LONGEST = 120
"""Characters of a body that an error quotes."""

_WINDOW = 16 << 10
"""Bytes of a body that are looked at: the title of a page may stand behind a style sheet."""

_LONGEST_FORM = 16
"""Characters that a server may make of one character of the token: "&#x000041;" and worse."""

_PAGE_TYPES = ("text/html", "application/xhtml+xml")
_MARKS = b"\xef\xbb\xbf\xfe\xff\0"  # of the byte order, and the other halves of UTF-16

# Compiled by re on first use, and kept there. Each alternative ends at the end of the text at the latest, so that a
# hostile page takes no more than one pass.
_AHEAD = r"(?s)(?:\s|<\?.*?(?:\?>|\Z)|<!--.*?(?:-->|\Z))*"
_UNSEEN = r"(?is)<!--.*?(?:-->|\Z)|<(script|style)\b.*?(?:</\1\s*>|\Z)"
_TITLE = r"(?is)<title\b[^>]{0,200}>(.*?)(?:</title|\Z)"
_TAG = r"(?s)<[^>]*(?:>|\Z)"
_REFERENCE = r"(?i)&(?:#([0-9]{1,7})|#x([0-9a-f]{1,6})|(amp|lt|gt|quot|apos|nbsp));"
_NAMED = {"amp": "&", "lt": "<", "gt": ">", "quot": '"', "apos": "'", "nbsp": " "}
_CHARSET = r"(?i)(?:charset|encoding)\s*=\s*[\"']?\s*([\w.:-]{1,40})"
_KNOWN_CHARSETS = (
    r"(?i)utf[-_]?(?:8|16|32)(?:[-_]?[bl]e)?|(?:windows|cp|ibm)[-_]?\d{3,4}|koi8[-_][rtu]|iso[-_]?8859[-_]?\d{1,2}"
    r"|latin[-_]?\d|(?:us-)?ascii|gb(?:k|2312|18030)|big5|shift[-_]jis|euc[-_](?:jp|kr)"
)


def excerpt(body: bytes, content_type: str, secret: Secret | None) -> str:
    """The title or the text of a page, the first words of any other body: quoted, on one line, without the token."""
    window = body[:_WINDOW]
    with importing:  # decoding may import the encoding
        text = _decoded(window, content_type)
    if is_page(body, content_type):  # masked first, since a token may look like a tag in part
        text = _text_of_page(text if secret is None else secret.scrub(text))
    else:
        text = text[_end_of(_AHEAD, text) :] or text
    line = " ".join(text.split())
    if not line:
        return "an empty page" if body.strip() else "an empty body"
    return repr(shortened(line, _LONGEST, secret, is_cut=len(window) < len(body)))


def shortened(text: str, longest: int, secret: Secret | None, *, is_cut: bool = False) -> str:
    """A text from the other side, bounded, and with the token masked. `is_cut` says that the text had more.

    Where the text was cut off, its end goes: half a token may stand there.
    """
    reach = 0 if secret is None else _LONGEST_FORM * len(secret.reveal())
    most = longest + 2 * reach
    is_cut = is_cut or len(text) > most
    masked = text[:most] if secret is None else secret.scrub(text[:most])
    if is_cut and reach:
        masked = masked[: max(0, len(masked) - reach)]
    return masked[:longest] + "…" if is_cut or len(masked) > longest else masked


def is_page(body: bytes, content_type: str) -> bool:
    """Whether a body is an HTML page: it begins like one, or it is said to be one and holds no document of the API."""
    start = body[:1024].translate(None, b"\0").lstrip(_MARKS).decode("latin-1")
    start = start[_end_of(_AHEAD, start) :].lower()
    if start.startswith(("<!doctype html", "<html")):
        return True
    is_labelled = content_type.partition(";")[0].strip().lower() in _PAGE_TYPES
    return is_labelled and start.startswith("<") and not start.startswith("<xml")


def _decoded(window: bytes, content_type: str) -> str:
    if window.startswith((b"\xff\xfe", b"\xfe\xff")):
        return window.decode("utf-16", "replace")
    if b"\0" in window[:64]:
        return window.decode("utf-16-be" if window[:1] == b"\0" else "utf-16-le", "replace")
    if not window.startswith(b"\xef\xbb\xbf"):
        declared = re.search(_CHARSET, f"{content_type} {window[:1024].decode('latin-1')}")
        if declared is not None and re.fullmatch(_KNOWN_CHARSETS, declared[1]):
            with suppress(LookupError):  # a code page that this Python lacks
                return window.decode(declared[1], "replace")
    return window.decode("utf-8-sig", "replace")


def _end_of(pattern: str, text: str) -> int:
    match = re.match(pattern, text)
    return match.end() if match else 0


def _text_of_page(page: str) -> str:
    page = re.sub(_UNSEEN, " ", page)
    title = re.search(_TITLE, page)
    text = re.sub(_TAG, " ", title[1]) if title else ""
    return re.sub(_REFERENCE, _referred, text if text.strip() else re.sub(_TAG, " ", page))


def _referred(reference: re.Match[str]) -> str:
    decimal, hexadecimal, name = reference.groups()
    if name:
        return _NAMED[name.lower()]
    code = int(decimal) if decimal else int(hexadecimal, 16)
    return chr(code) if code < 0x110000 else "\N{REPLACEMENT CHARACTER}"
