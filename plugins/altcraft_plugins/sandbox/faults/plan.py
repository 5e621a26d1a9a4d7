"""The fault plan: which exchanges and tasks have a fault, and which one. Pure: no clock, no I/O, no chance.

Each fault applies to a share of the exchanges (its `rate`), to some operations, and from one second to another after
the sandbox's start. For each exchange and each task the plan draws one number, which follows from the seed and from
what is asked: the same requests to the same plan have the same faults, in every run and in any order. The rates of the
faults that apply add up; where they exceed 1, faults that stand later in the plan get what is left.
"""

from __future__ import annotations

import math
import os
from fnmatch import fnmatchcase
from hashlib import blake2b
from typing import Final, Literal, TypeAlias, TypeVar

import msgspec
from msgspec import Struct

__all__ = [
    "EXCHANGE_FAULTS",
    "OPERATIONS",
    "TASK_FAULTS",
    "Drip",
    "ErrorReply",
    "ExchangeFault",
    "Fault",
    "FaultPlan",
    "Hang",
    "Latency",
    "Malformed",
    "Outage",
    "PrettyPrinted",
    "Reset",
    "TaskFails",
    "TaskFault",
    "TaskGoesBack",
    "TaskLag",
    "TaskStalls",
    "TaskVanishes",
    "Truncated",
    "WrongContentType",
]

F = TypeVar("F", bound="Fault")

OPERATIONS: Final = (
    "databases/get_counters",
    "databases/refresh_counters",
    "resources/refresh_counters",
    "segments/get_counters",
    "segments/refresh_counters",
    "tasks/status",
)
"""The operations of the sandbox."""


class Fault(Struct, frozen=True, kw_only=True, tag_field="kind", forbid_unknown_fields=True):
    """What all faults have in common.

    `rate` is the share of the exchanges or tasks that have the fault, from 0 to 1. `operations` are the operations that
    have it, with `*` for any part of a name; a task belongs to the operation that started it. `since` and `until` are
    seconds after the sandbox's start.
    """

    rate: float = 1.0
    operations: tuple[str, ...] = ("*",)
    since: float = 0.0
    until: float | None = None

    def __post_init__(self) -> None:
        _check(0 <= self.rate <= 1, "rate is a number from 0 to 1", self.rate)
        _check(bool(self.operations), "operations holds at least one name", self.operations)
        for pattern in self.operations:
            known = any(fnmatchcase(operation, pattern) for operation in OPERATIONS)
            _check(known, f"operations holds names such as {', '.join(OPERATIONS)}, or patterns", pattern)
        _check_seconds("since", self.since)
        if self.until is not None:
            _check_seconds("until", self.until)
            _check(self.until > self.since, "until is later than since", self.until)

    def applies(self, operation: str, at: float) -> bool:
        """Whether the fault can happen to an exchange of this operation at this second."""
        return self.is_active(at) and any(fnmatchcase(operation, pattern) for pattern in self.operations)

    def is_active(self, at: float) -> bool:
        """Whether `at` is between `since` and `until`."""
        return self.since <= at < (math.inf if self.until is None else self.until)


class ExchangeFault(Fault, frozen=True):
    """A fault of one exchange."""


class TaskFault(Fault, frozen=True):
    """A fault of a task, from its start to its end. `since` and `until` are about its start."""


class Latency(ExchangeFault, frozen=True, tag="latency"):
    """The request is processed `seconds` later."""

    seconds: float

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_seconds("seconds", self.seconds)


class Drip(ExchangeFault, frozen=True, tag="drip"):
    """The reply comes in small pieces, over `seconds`."""

    seconds: float

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_seconds("seconds", self.seconds)


class ErrorReply(ExchangeFault, frozen=True, tag="error"):
    """An HTTP error: the platform's own ("envelope"), a proxy's page ("html"), or one without a body ("empty").

    `processed` says whether the request is processed before: a proxy's 502 leaves that open. `retry_after` is sent as
    the header of that name: seconds, a date, or nonsense.
    """

    status: int
    body: Literal["envelope", "html", "empty"] = "envelope"
    text: str = "an error on request"
    retry_after: float | str | None = None
    processed: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        _check(200 <= self.status <= 599, "status is an HTTP status from 200 to 599", self.status)
        after = "" if self.retry_after is None else str(self.retry_after)
        _check(after.isascii() and (not after or after.isprintable()), "retry_after is a number or a text", after)


class Truncated(ExchangeFault, frozen=True, tag="truncated"):
    """The connection ends in the middle of the reply's body."""


class WrongContentType(ExchangeFault, frozen=True, tag="content-type"):
    """The reply's Content-Type is `value`: another type, or another charset than that of its bytes."""

    value: str

    def __post_init__(self) -> None:
        super().__post_init__()
        _check(self.value.isascii() and self.value.isprintable(), "value is a Content-Type", self.value)


class Malformed(ExchangeFault, frozen=True, tag="malformed"):
    """The reply's body is no document: its end is missing, though its length is right."""


class PrettyPrinted(ExchangeFault, frozen=True, tag="pretty-printed"):
    """The reply's body has line breaks and indents; in XML, around its texts too."""


class Reset(ExchangeFault, frozen=True, tag="reset"):
    """The connection is reset before any reply. `processed` says whether the request is processed before."""

    processed: bool = False


class Hang(ExchangeFault, frozen=True, tag="hang"):
    """No reply comes within `seconds`; then the connection is reset. `processed` as for `Reset`."""

    seconds: float = 3600.0
    processed: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_seconds("seconds", self.seconds)


class Outage(Fault, frozen=True, tag="outage"):
    """The platform is away from `since` until `until`: connections are refused, and open ones are reset."""

    def __post_init__(self) -> None:
        super().__post_init__()
        _check(self.until is not None, "an outage ends: it needs until", None)
        _check(self.rate == 1 and self.operations == ("*",), "an outage takes since and until alone", None)


class TaskLag(TaskFault, frozen=True, tag="task-lag"):
    """tasks/status answers 404 for the first `seconds` of the task, as a replica does that lags behind."""

    seconds: float

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_seconds("seconds", self.seconds)


class TaskFails(TaskFault, frozen=True, tag="task-fails"):
    """The task fails at `at` percent, or before its last slice. Its result is `reason`, or null where that is None."""

    reason: str | None = None
    at: int = 50

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_percent(self.at)


class TaskStalls(TaskFault, frozen=True, tag="task-stalls"):
    """The task stands still at `at` percent, for `seconds`, or for ever where they are None."""

    at: int = 50
    seconds: float | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_percent(self.at)
        if self.seconds is not None:
            _check_seconds("seconds", self.seconds)


class TaskVanishes(TaskFault, frozen=True, tag="task-vanishes"):
    """The platform forgets the task at `at` percent: tasks/status answers 404 from then on."""

    at: int = 50

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_percent(self.at)


class TaskGoesBack(TaskFault, frozen=True, tag="task-goes-back"):
    """The task begins anew when its progress reaches `at` percent, once. Its result is right in the end."""

    at: int = 50

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_percent(self.at)


AnyExchangeFault: TypeAlias = (
    Latency | Drip | ErrorReply | Truncated | WrongContentType | Malformed | PrettyPrinted | Reset | Hang
)
AnyTaskFault: TypeAlias = TaskLag | TaskFails | TaskStalls | TaskVanishes | TaskGoesBack
EXCHANGE_FAULTS: Final[tuple[type[Fault], ...]] = (
    Latency, Drip, ErrorReply, Truncated, WrongContentType, Malformed, PrettyPrinted, Reset, Hang,
)  # fmt: skip
TASK_FAULTS: Final[tuple[type[Fault], ...]] = (TaskLag, TaskFails, TaskStalls, TaskVanishes, TaskGoesBack)


class FaultPlan(Struct, frozen=True):
    """Faults in their order, and the seed from which every choice follows. Immutable."""

    faults: tuple[Fault, ...] = ()
    seed: int = 0

    def __post_init__(self) -> None:
        msgspec.structs.force_setattr(self, "faults", tuple(self.faults))

    @staticmethod
    def read(path: str | os.PathLike[str]) -> FaultPlan:
        """The plan in a TOML file. Raises ValueError, which names the file, the key, and what it should be."""
        from altcraft_plugins.sandbox.faults.toml import read_plan

        return read_plan(path)

    def exchange_fault(self, operation: str, request: str, at: float) -> AnyExchangeFault | None:
        """The fault of an exchange, or None. `request` tells it from the other exchanges of the operation."""
        return self._choose(EXCHANGE_FAULTS, operation, request, at)  # type: ignore[return-value]  # one of its members

    def task_fault(self, operation: str, request: str, at: float) -> AnyTaskFault | None:
        """The fault of the task that a submission starts, or None."""
        return self._choose(TASK_FAULTS, operation, request, at)  # type: ignore[return-value]  # one of its members

    def is_away(self, at: float) -> bool:
        """Whether there is an outage at this second."""
        return any(isinstance(fault, Outage) and fault.is_active(at) for fault in self.faults)

    def next_change(self, at: float) -> float:
        """The next second at which an outage begins or ends; infinity where none does."""
        edges = (edge for fault in self.faults if isinstance(fault, Outage) for edge in (fault.since, fault.until))
        return min((edge for edge in edges if edge is not None and edge > at), default=math.inf)

    def _choose(self, kinds: tuple[type[Fault], ...], operation: str, request: str, at: float) -> Fault | None:
        applying = [fault for fault in self.faults if isinstance(fault, kinds) and fault.applies(operation, at)]
        if not applying:
            return None
        chance = _draw(f"{self.seed} {kinds is TASK_FAULTS} {operation} {request}")
        for fault in applying:
            if chance < fault.rate:
                return fault
            chance -= fault.rate
        return None


def _draw(words: str) -> float:
    """A number from 0 to 1 that follows from the words."""
    digest = blake2b(words.encode("utf-8", "surrogatepass"), digest_size=7).digest()
    return int.from_bytes(digest, "big") / 2**56


def _check(is_right: bool, rule: str, value: object) -> None:
    if not is_right:
        raise ValueError(rule if value is None else f"{rule}, not {value!r}")


def _check_seconds(key: str, value: float) -> None:
    _check(0 <= value < math.inf, f"{key} is a number of seconds", value)


def _check_percent(at: int) -> None:
    _check(0 <= at <= 100, "at is a progress from 0 to 100", at)
