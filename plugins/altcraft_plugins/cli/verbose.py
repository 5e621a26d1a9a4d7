"""`-v`: what a command does on the wire."""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import TYPE_CHECKING

from altcraft import AltcraftError, hookimpl
from altcraft_plugins.cli.output.reporter import Exchanged, Reporter

if TYPE_CHECKING:
    from altcraft import HttpResponse, TaskHandle, TaskStatus
    from altcraft.hooks import ObservedExchange

__all__ = ["Verbose"]


class Verbose:
    """A plugin that reports every exchange, with the retry that follows, and what every poll found.

    An output that can't be written is no reason to end a wait here: the command itself reports that.
    """

    def __init__(self, reporter: Reporter) -> None:
        self._reporter = reporter
        self._lock = threading.Lock()  # several workers call the hooks

    @hookimpl
    def altcraft_exchange_finished(
        self,
        exchange: ObservedExchange,
        response: HttpResponse | None,
        error: BaseException | None,
        elapsed: float,
    ) -> None:
        """Reports the exchange. Its request is left out, since it holds the token."""
        exchanged = Exchanged(
            operation=exchange.operation,
            task_id=exchange.task_id,
            attempt=exchange.attempt,
            elapsed=round(elapsed, 6),
            http_status=response.status if response is not None else None,
            error=type(error).__name__ if error is not None else None,
            message=error.message() if isinstance(error, AltcraftError) else None,
            retry_in=exchange.retry_in,
        )
        with self._lock, suppress(OSError):
            self._reporter.exchanged(exchanged)

    @hookimpl
    def altcraft_task_progress(self, task: TaskHandle, status: TaskStatus[object]) -> None:
        """Reports what a poll found."""
        with self._lock, suppress(OSError):
            self._reporter.polled(task, status)
