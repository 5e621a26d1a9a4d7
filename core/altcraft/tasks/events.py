"""What goes into the task machine, and what comes out: events and commands, frozen values.

Events carry the time at which they happened, in seconds of the driver's monotonic clock.
"""

from __future__ import annotations

from typing import TypeAlias

from msgspec import Struct

from altcraft.errors import AltcraftError

__all__ = [
    "Began", "Cancelled", "Command", "Commands", "Emit", "Event", "Failed", "Finish", "Notified", "Observed",
    "Responded", "Send", "Sleep", "Woke",
]  # fmt: skip


class Event(Struct, frozen=True):
    """Something has happened."""

    at: float


class Began(Event, frozen=True):
    """Somebody starts to wait, until `deadline` (on the same clock) or, with None, as long as it takes."""

    deadline: float | None = None


class Responded(Event, frozen=True):
    """The exchange that was asked for has been answered."""

    answer: object


class Failed(Event, frozen=True):
    """The exchange that was asked for has failed."""

    error: AltcraftError


class Woke(Event, frozen=True):
    """The sleep that was asked for is over, or was cut short."""


class Notified(Event, frozen=True):
    """Somebody hints that there may be news."""


class Observed(Event, frozen=True):
    """A status learnt outside the wait."""

    answer: object


class Cancelled(Event, frozen=True):
    """The waiting is to end: the client was closed."""


# Commands: what the driver is to do. The last of a batch, where it isn't an Emit, leads to the next event.


class Send(Struct, frozen=True):
    """Carry out one exchange, in at most `timeout` seconds."""

    timeout: float


class Sleep(Struct, frozen=True):
    """Do nothing for so many seconds."""

    seconds: float


class Emit(Struct, frozen=True):
    """Tell whoever watches: "progress" with a TaskStatus, "completed" with the result, "failed" with the error."""

    what: str
    value: object


class Finish(Struct, frozen=True):
    """The wait is over: with a result, or with an error."""

    result: object = None
    error: AltcraftError | None = None


Command: TypeAlias = "Send | Sleep | Emit | Finish"
Commands: TypeAlias = "tuple[Command, ...]"
