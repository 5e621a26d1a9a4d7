"""The progress bar."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, Progress, SpinnerColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.table import Column

from altcraft_plugins.cli.reporting import Show, printable
from altcraft_plugins.cli.terminal import console_on, is_plain

__all__ = ["progress_bar"]

WIDEST_LABEL = 24


@contextmanager
def progress_bar(label: str) -> Iterator[Show]:
    """A bar on stderr that stays there when it ends. It moves as long as the platform sends no progress."""
    console = console_on(sys.stderr)
    cut: Column = Column(no_wrap=True, overflow="crop", max_width=WIDEST_LABEL)
    with Progress(
        SpinnerColumn("line" if is_plain(console) else "dots", finished_text=" "),
        TextColumn("{task.description}", markup=False, table_column=cut),
        BarColumn(bar_width=20 if console.width < 72 else 30),
        TaskProgressColumn(markup=False),
        TextColumn("{task.fields[status]}", markup=False, table_column=Column(no_wrap=True, overflow="crop")),
        TimeElapsedColumn(),
        console=console,
    ) as progress:
        bar = progress.add_task(label, total=None, status="")

        def show(status: str, done: int | float | None) -> None:
            if done is not None:
                progress.update(bar, total=100, completed=min(100.0, max(0.0, done)))
            progress.update(bar, status=printable(status), refresh=True)

        yield show
