"""The progress bar."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Column

from altcraft_plugins.cli.reporting import Show, printable
from altcraft_plugins.cli.terminal import console_on, is_plain

__all__ = ["progress_bar"]

LABEL: Final = 20
PERCENT: Final = 4
STATUS: Final = 10
ELAPSED: Final = 7
REST: Final = 6
"""The spinner, and the gaps between the columns."""


@contextmanager
def progress_bar(label: str) -> Iterator[Show]:
    """A bar on stderr that stays there when it ends. It moves as long as the platform sends no progress."""
    console = console_on(sys.stderr)
    left = console.width - min(LABEL, len(label)) - PERCENT - STATUS - ELAPSED - REST
    with Progress(
        SpinnerColumn("line" if is_plain(console) else "dots", finished_text=" "),
        _text("{task.description}", min(LABEL, len(label))),
        BarColumn(bar_width=max(5, min(40, left))),
        _text("{task.fields[percent]}", PERCENT),
        _text("{task.fields[status]}", STATUS),
        TimeElapsedColumn(Column(no_wrap=True, min_width=ELAPSED)),
        console=console,
    ) as progress:
        bar = progress.add_task(label, total=None, status="", percent="")

        def show(status: str, done: int | float | None) -> None:
            progress.update(bar, status=printable(status))
            if done is not None:
                percent = min(100.0, max(0.0, done))
                progress.update(bar, total=100, completed=percent, percent=f"{percent:3.0f}%")
            progress.refresh()

        yield show


def _text(template: str, width: int) -> TextColumn:
    return TextColumn(template, markup=False, table_column=Column(width=width, no_wrap=True, overflow="crop"))
