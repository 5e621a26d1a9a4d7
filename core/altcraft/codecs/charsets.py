"""The encoding of a text document: a byte order mark tells it, or else the Content-Type header (RFC 7303).

Only where neither does, the document itself is asked: the declaration of XML, or UTF-8 for JSON.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable
from typing import Protocol, runtime_checkable

from altcraft.wire.forks import importing

__all__ = ["MARKS", "Recoding", "charset_of", "in_charset", "is_known", "text_of"]

# Compiled by re on first use, and kept there.
_CHARSET = r"""(?i);\s*charset\s*=\s*["']?([^\s"';]+)"""
_KNOWN = r"(?i)utf-?8|utf-?16(-?[bl]e)?|(us-)?ascii|iso-?8859-?\d{1,2}|latin-?\d|(windows-|cp)(125\d|866)|koi8-[rtu]"

_MARKS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
MARKS = tuple(mark for mark, _ in _MARKS)
"""Byte order marks, for `startswith`."""


@runtime_checkable
class Recoding(Protocol):
    """A codec of a text format, which reads documents in encodings other than its own."""

    def recode(self, data: bytes, charset: str | None) -> bytes:
        """The same document in the codec's own encoding. `charset` is the header's, None where it names none.

        A document that is in that encoding already, or that can't be in `charset`, is returned as it is.
        """
        ...


def is_known(encoding: str) -> bool:
    """Whether it is an encoding of texts. Python knows others, some of which take quadratic time."""
    return re.fullmatch(_KNOWN, encoding) is not None


def charset_of(content_type: str) -> str | None:
    """The charset that a Content-Type header names, or None."""
    found = re.search(_CHARSET, content_type)
    return found[1] if found else None


def in_charset(codec: object, data: bytes, charset: str | None) -> bytes:
    """The document in the codec's own encoding; a codec without `recode` gets its bytes as they came."""
    recode: Callable[[bytes, str | None], bytes] | None = getattr(codec, "recode", None)  # quicker than `isinstance`
    return data if recode is None else recode(data, charset)


def text_of(data: bytes, charset: str | None) -> str | None:
    """The document's text, without a byte order mark; None where neither the mark nor `charset` tells its encoding."""
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            data, charset = data[len(mark) :], encoding
            break
    name = (charset or "").replace("_", "-").lower()
    if not is_known(name):
        return None
    if name.startswith(("utf-16", "utf16")):
        if b"\0" not in data[:2]:  # every document begins with an ASCII character
            return None
        if name[-2:] not in ("le", "be"):
            name += "-be" if data[:1] == b"\0" else "-le"
    try:
        with importing:
            codecs.lookup(name)  # imports the encoding
        return data.decode(name)
    except (UnicodeDecodeError, LookupError):  # the header is wrong: the document's own word counts
        return None
