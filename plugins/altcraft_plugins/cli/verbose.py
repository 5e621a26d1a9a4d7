"""`-v` and `-vv`: the records of `altcraft_plugins.logs` as lines of the command."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

from altcraft_plugins.cli.output.reporter import Exchanged, Reporter
from altcraft_plugins.logs import Logs

if TYPE_CHECKING:
    from altcraft import Client

__all__ = ["shown_events"]

PARENT: Final = "altcraft.cli"
_clients = itertools.count(1)
_SHOWN_OTHERWISE: Final = ("submitted", "submission_failed", "completed", "failed", "wait_ended")
"""Events that a command reports without -v, too."""


@contextmanager
def shown_events(client: Client, reporter: Reporter, verbosity: int) -> Iterator[None]:
    """Reports what the client does while the block lasts: retries and polls; from verbosity 2 on, every exchange."""
    logger = logging.getLogger(f"{PARENT}.{next(_clients)}")  # a command may have several clients
    handler = _Lines(reporter)
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG if verbosity > 1 else logging.INFO)
    logger.propagate = False
    client.hooks.register(Logs(logger.name))
    try:
        yield
    finally:
        logger.removeHandler(handler)


class _Lines(logging.Handler):
    """Hands records to the reporter.

    An output that can't be written is no reason to end a wait here: the command itself reports that.
    """

    def __init__(self, reporter: Reporter) -> None:
        super().__init__()
        self._reporter = reporter

    def emit(self, record: logging.LogRecord) -> None:
        """Reports an event that no other line of the command shows. A retry is an exchange, too, and is shown once."""
        fields = vars(record)
        kind = fields["kind"]
        if kind in _SHOWN_OTHERWISE or (kind == "exchange" and fields["retry_in"] is not None):
            return
        exchanged = None
        if kind != "progress":
            exchanged = Exchanged(
                operation=fields["operation"],
                task_id=fields["task_id"],
                attempt=fields["attempt"],
                elapsed=fields["elapsed"],
                http_status=fields["http_status"],
                error=fields["error_type"],
                message=fields["error_text"],
                retry_in=fields["retry_in"],
            )
        with suppress(OSError):
            self._reporter.event(record.getMessage(), exchanged)
