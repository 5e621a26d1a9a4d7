"""Text on its way to the terminal."""

from __future__ import annotations

import io
import sys
from contextlib import suppress

__all__ = ["forgiving_streams", "printable", "shown_duration", "write_line"]


def printable(text: str) -> str:
    """`text` on one line, its control characters as escapes: text of the platform must not command the terminal."""
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode() for character in text
    )


def shown_duration(seconds: float) -> str:
    """As in "82.7 ms", "3.5 s" or "2 min 5 s"."""
    if seconds < 1:
        return f"{seconds * 1000:.3g} ms"
    if seconds < 60:
        return f"{seconds:.3g} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s"


def write_line(text: str, *, to_stderr: bool = False) -> None:
    """Writes a line and flushes, so that it is seen, or fails, now."""
    stream = sys.stderr if to_stderr else sys.stdout
    stream.write(text + "\n")
    stream.flush()


def forgiving_streams() -> None:
    """Has characters that a stream's encoding lacks written as escapes, and accepts a stream that is closed."""
    if sys.stdout is None:
        sys.stdout = io.StringIO()
    if sys.stderr is None:
        sys.stderr = io.StringIO()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            with suppress(OSError, ValueError):
                stream.reconfigure(errors="backslashreplace")
