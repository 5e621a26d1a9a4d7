"""The errors of the codecs: their texts are bounded, and they keep no document alive."""

from __future__ import annotations

from typing import TypeVar

from altcraft.errors import DecodeError

__all__ = ["LONGEST_REASON", "bare", "beyond_limits", "too_large", "too_many"]

E = TypeVar("E", bound=BaseException)

LONGEST_REASON = 300
"""Most characters of a reason from msgspec that an error repeats: some reasons quote the document."""


def bare(error: E) -> E:
    """The error without its traceback and its causes, the frames of which hold the whole document.

    Raise it outside of the `except` clause that caught it, in a frame that has let go of the document.
    """
    error.__traceback__ = error.__context__ = error.__cause__ = None
    return error


def beyond_limits(text: str) -> DecodeError:
    """The error for a document beyond a limit. Another exchange would bring the same, at the same cost."""
    error = DecodeError(text)
    error.is_lasting = True
    return error


def too_large(size: int, limit: int) -> DecodeError:
    """The error for a document of more bytes than the limit."""
    return beyond_limits(f"the body has {size:,} bytes, and this codec's max_bytes is {limit:,}")


def too_many(format_: str, limit: int) -> DecodeError:
    """The error for a document of more elements than the limit."""
    return beyond_limits(f"the {format_} has too many elements: this codec's max_elements is {limit:,}")
