"""How much a codec takes, unless it is told otherwise."""

from __future__ import annotations

from altcraft.errors import DecodeError

__all__ = ["LONGEST_REASON", "MAX_BYTES", "MAX_DEPTH", "MAX_ELEMENTS", "check_limits", "too_large", "too_many"]

MAX_BYTES = 64 << 20
"""Of a body: what the HTTP transport takes, too."""

MAX_DEPTH = 100
"""Of elements within each other; the platform's replies have seven."""

MAX_ELEMENTS = 1_000_000
"""Of a document, some 20 times what a thousand databases have. An element takes about a hundred bytes of memory.

In JSON, values of every kind: an array, what is in it, and so on.
"""


LONGEST_REASON = 300
"""Characters of msgspec's reasons that an error repeats: some of them quote what was read."""


def check_limits(**limits: int) -> None:
    """ValueError where a limit leaves room for nothing."""
    for name, limit in limits.items():
        if not limit >= 1:
            raise ValueError(f"{name}={limit!r}: give a number, 1 at least")


def too_large(size: int, limit: int) -> DecodeError:
    """The error for a body of more bytes than the limit."""
    return DecodeError(f"the body has {size:,} bytes, and this codec's max_bytes is {limit:,}")


def too_many(format_: str, limit: int) -> DecodeError:
    """The error for a document with more elements than the limit."""
    return DecodeError(f"the {format_} has too many elements: this codec's max_elements is {limit:,}")
