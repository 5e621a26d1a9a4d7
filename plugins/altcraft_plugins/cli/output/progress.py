"""Progress bars."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from typing import Final, TypeVar

from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Column

from altcraft_plugins.cli.output.streams import printable
from altcraft_plugins.cli.output.terminal import console_on, is_plain

__all__ = ["progress_bars"]

K = TypeVar("K")

LABEL: Final = 20
PERCENT: Final = 4
STATUS: Final = 10
ELAPSED: Final = 7
REST: Final = 6
"""Cells of the spinner, and of the gaps between the columns."""


@contextmanager
def progress_bars(
    labels: Mapping[K, str], *, transient: bool
) -> Iterator[Callable[[K, str, int | float | None], None]]:
    """A bar on stderr for each label, as many as the screen has lines for. `transient`: they vanish after the block.

    A bar whose progress is not known moves to and fro.
    """
    progress = _progress(max(map(len, labels.values()), default=0), transient=transient)
    room = max(1, progress.console.height - 2)
    bars = {
        key: progress.add_task(label, total=None, status="", percent="") for key, label in islice(labels.items(), room)
    }

    def show(key: K, status: str, done: int | float | None) -> None:
        if key in bars:
            _update(progress, bars[key], status, done)
            if not transient:
                progress.refresh()  # the last status, too, is seen before the result

    with progress:  # started when all the bars are there, since every bar that is added draws all of them
        yield show
    if not transient:
        progress.console.print()


def _update(progress: Progress, bar: TaskID, status: str, done: int | float | None) -> None:
    progress.update(bar, status=printable(status))
    if done is not None and done == done:
        percent = min(100.0, max(0.0, done))
        progress.update(bar, total=100, completed=percent, percent=f"{percent:3.0f}%")


def _progress(label: int, *, transient: bool) -> Progress:
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
