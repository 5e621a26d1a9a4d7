"""Events go into a machine, commands come out. All are frozen values.

An event carries the time at which it happened, in seconds of the engine's monotonic clock.
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
    """A wait begins. It ends at `deadline` (on the same clock); None: no limit."""

    deadline: float | None = None


class Responded(Event, frozen=True):
    """The exchange of the last Send was answered."""

    answer: object


class Failed(Event, frozen=True):
    """The exchange of the last Send has failed."""

    error: AltcraftError


class Woke(Event, frozen=True):
    """The sleep of the last Sleep is over, or was cut short."""


class Notified(Event, frozen=True):
    """A hint: there may be news."""


class Observed(Event, frozen=True):
    """A status that was learnt outside the wait."""

    answer: object


class Cancelled(Event, frozen=True):
    """The wait is to end: the client was closed, or the leader stopped."""


# Commands. An `Emit` asks for no event in return. The last command of a tuple, unless it is an Emit, leads to an event.


class Send(Struct, frozen=True):
    """Carry out one exchange, in at most `timeout` seconds."""

    timeout: float


class Sleep(Struct, frozen=True):
    """Sleep for so many seconds."""

    seconds: float


class Emit(Struct, frozen=True):
    """Tell the watchers: "progress" with a TaskStatus, "completed" with the result, "failed" with the error."""

    what: str
    value: object


class Finish(Struct, frozen=True):
    """The wait is over: with a result, or with an error."""

    result: object = None
    error: AltcraftError | None = None


Command: TypeAlias = "Send | Sleep | Emit | Finish"
Commands: TypeAlias = "tuple[Command, ...]"
