"""The default limits of the codecs, and the errors for documents beyond them."""

from __future__ import annotations

from altcraft.errors import DecodeError
from altcraft.wire.transport import TransportSettings

__all__ = ["LONGEST_REASON", "MAX_BYTES", "MAX_DEPTH", "MAX_ELEMENTS", "check_limits", "too_large", "too_many"]

MAX_BYTES = TransportSettings().max_response
"""Bytes of a document: as many as the transports take."""

MAX_DEPTH = 100
"""Elements nested in each other. The platform's replies have seven."""

MAX_ELEMENTS = 1_000_000
"""Elements of an XML document, or values of a JSON document, objects and arrays included.

A reply about a thousand databases has a twentieth of that. An element takes about a hundred bytes of memory.
"""

LONGEST_REASON = 300
"""Most characters of a reason from msgspec that an error repeats: some reasons quote the document."""


def check_limits(**limits: int) -> None:
    """ValueError, with the limit's name, for one below 1."""
    for name, limit in limits.items():
        if not limit >= 1:
            raise ValueError(f"{name}={limit!r}: give a number, 1 at least")


def too_large(size: int, limit: int) -> DecodeError:
    """The error for a document of more bytes than the limit."""
    return DecodeError(f"the body has {size:,} bytes, and this codec's max_bytes is {limit:,}")


def too_many(format_: str, limit: int) -> DecodeError:
    """The error for a document of more elements than the limit."""
    return DecodeError(f"the {format_} has too many elements: this codec's max_elements is {limit:,}")
