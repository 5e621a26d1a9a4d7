"""The progress of a run: one bar for all recounts, and below it what runs now."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from rich.console import Console, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, SpinnerColumn, TimeElapsedColumn
from rich.table import Column
from rich.text import Text

from altcraft_plugins.cli.output.streams import printable
from altcraft_plugins.cli.output.terminal import console_on, is_plain

if TYPE_CHECKING:
    from altcraft_plugins.cli.planned.group import Event

__all__ = ["now_running", "run_progress"]

BAR: Final = 40


class _RunProgress(Progress):
    """A bar with one line of text below it."""

    def __init__(self, *columns: ProgressColumn, console: Console) -> None:
        self.running: dict[str, float | None] = {}  # both before rich asks for the first picture
        self.screen = console
        super().__init__(*columns, console=console, transient=True)

    def get_renderables(self) -> Iterable[RenderableType]:
        """The bar, and what runs now."""
        yield from super().get_renderables()
        yield Text(now_running(self.running, self.screen.width), no_wrap=True, overflow="crop")


@contextmanager
def run_progress(total: int) -> Iterator[Callable[[Event], None]]:
    """Shows a run on stderr while the block lasts, as far as the given function is told of it. It vanishes then."""
    from altcraft_plugins.cli.planned.group import Progressed, Submitted

    console = console_on(sys.stderr)
    progress = _RunProgress(
        SpinnerColumn("line" if is_plain(console) else "dots", finished_text=" "),
        BarColumn(bar_width=max(5, min(BAR, console.width - 30))),
        MofNCompleteColumn(table_column=Column(no_wrap=True)),
        TimeElapsedColumn(Column(no_wrap=True)),
        console=console,
    )
    bar = progress.add_task("", total=total)

    def show(event: Event) -> None:
        name = event.recount.name
        if isinstance(event, Submitted):
            progress.running[name] = None
        elif isinstance(event, Progressed):
            if name in progress.running:
                progress.running[name] = event.progress
        else:
            progress.running.pop(name, None)
            progress.advance(bar)

    with progress:
        yield show


def now_running(running: dict[str, float | None], width: int) -> str:
    """As in "now: Region 8 (40 %), Members and 12 more", at most `width` cells. What is nearest to its end is first."""
    if not running:
        return ""
    ordered = sorted(running.items(), key=lambda each: -(each[1] or 0.0))
    labels = [
        printable(name) + (f" ({progress:.0f} %)" if progress is not None and 0 <= progress <= 100 else "")
        for name, progress in ordered
    ]
    for shown in range(min(len(labels), 8), 0, -1):
        rest = len(labels) - shown
        line = f"now: {', '.join(labels[:shown])}" + (f" and {rest} more" if rest else "")
        if len(line) <= width:
            return line
    return f"now: {len(labels)} recounts"
