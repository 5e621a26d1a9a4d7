"""How rich writes to a stream. Only the tables and the progress bars import rich as well."""

from __future__ import annotations

import os
from typing import Final, TextIO

from rich.console import Console
from rich.theme import Theme

__all__ = ["console_on", "is_plain"]


# rich's own colours of a progress bar suit dark screens: on a light one, what is left to do looks done.
COLOURS: Final = Theme(
    {
        "bar.back": "bright_black",
        "bar.complete": "green",
        "bar.finished": "green",
        "bar.pulse": "green",
        "progress.elapsed": "default",
        "progress.spinner": "default",
    }
)


def console_on(stream: TextIO) -> Console:
    """A console that takes text as it is. NO_COLOR turns all styles off; rich itself heeds COLUMNS and FORCE_COLOR."""
    return Console(
        file=stream,
        color_system=None if os.environ.get("NO_COLOR") else "auto",
        highlight=False,
        markup=False,
        emoji=False,
        theme=COLOURS,
    )


def is_plain(console: Console) -> bool:
    """Whether the console's encoding carries only ASCII reliably."""
    return not console.encoding.lower().startswith("utf")
