"""The progress bar."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from typing import Final, TypeVar

from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Column

from altcraft_plugins.cli.reporting import Show, printable
from altcraft_plugins.cli.terminal import console_on, is_plain

__all__ = ["progress_bar", "progress_bars"]

K = TypeVar("K")

LABEL: Final = 20
PERCENT: Final = 4
STATUS: Final = 10
ELAPSED: Final = 7
REST: Final = 6
"""The spinner, and the gaps between the columns."""


@contextmanager
def progress_bar(label: str) -> Iterator[Show]:
    """A bar on stderr that stays there when it ends. It moves as long as the platform sends no progress."""
    with _progress(len(label)) as progress:
        change = _bar(progress, label)

        def show(status: str, done: int | float | None) -> None:
            change(status, done)
            progress.refresh()

        yield show


@contextmanager
def progress_bars(labels: Mapping[K, str]) -> Iterator[Callable[[K, str, int | float | None], None]]:
    """A bar on stderr for each label, below each other, as far as the screen is high enough; none stays there."""
    progress = _progress(max(map(len, labels.values()), default=0), transient=True)
    room = max(1, progress.console.height - 2)
    bars = {key: _bar(progress, label) for key, label in islice(labels.items(), room)}

    def show(key: K, status: str, done: int | float | None) -> None:
        if key in bars:
            bars[key](status, done)

    with progress:  # not before all the bars are there: it draws them all for each that is added
        yield show


def _bar(progress: Progress, label: str) -> Show:
    bar = progress.add_task(label, total=None, status="", percent="")

    def show(status: str, done: int | float | None) -> None:
        progress.update(bar, status=printable(status))
        if done is not None:
            percent = min(100.0, max(0.0, done))
            progress.update(bar, total=100, completed=percent, percent=f"{percent:3.0f}%")

    return show


def _progress(label: int, *, transient: bool = False) -> Progress:
    console = console_on(sys.stderr)
    left = console.width - min(LABEL, label) - PERCENT - STATUS - ELAPSED - REST
    return Progress(
        SpinnerColumn("line" if is_plain(console) else "dots", finished_text=" "),
        _text("{task.description}", min(LABEL, label)),
        BarColumn(bar_width=max(5, min(40, left))),
        _text("{task.fields[percent]}", PERCENT),
        _text("{task.fields[status]}", STATUS),
        TimeElapsedColumn(Column(no_wrap=True, min_width=ELAPSED)),
        console=console,
        transient=transient,
    )


def _text(template: str, width: int) -> TextColumn:
    return TextColumn(template, markup=False, table_column=Column(width=width, no_wrap=True, overflow="crop"))
