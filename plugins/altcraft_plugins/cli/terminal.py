"""What rich is told of a stream. The tables and the bar are the only others to import it."""

from __future__ import annotations

import os
from typing import TextIO

from rich.console import Console

__all__ = ["console_on", "is_plain"]


def console_on(stream: TextIO) -> Console:
    """A console that takes text as it is. NO_COLOR means no style at all; rich heeds COLUMNS and FORCE_COLOR."""
    return Console(
        file=stream,
        color_system=None if os.environ.get("NO_COLOR") else "auto",
        highlight=False,
        markup=False,
        emoji=False,
    )


def is_plain(console: Console) -> bool:
    """Whether only ASCII gets through."""
    return not console.encoding.lower().startswith("utf")
