"""What the sandbox writes: envelopes, with their fields in the order of the documented examples."""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from altcraft_plugins.sandbox.counting.statistics import Channel

__all__ = [
    "Delivered",
    "DeliveredReply",
    "Failure",
    "Started",
    "StartedReply",
    "StatisticsReply",
    "StatusReply",
    "TaskState",
]

SUCCESS: Final = "Successful operation"


class Started(Struct):
    """`data` of a started task."""

    task_id: str


class TaskState(Struct):
    """`data` of tasks/status. `result` is null until the task has completed. A fault plan gives failed tasks a text."""

    status: str
    progress: int
    result: object


class Delivered(Struct):
    """`data` of a delivery: the task's id, and what tasks/status says of it."""

    task_id: str
    status: str
    progress: int
    result: object


class StartedReply(Struct):
    """The reply that names a task."""

    data: Started
    error: int = 0
    error_text: str = SUCCESS


class StatusReply(Struct):
    """The reply of tasks/status."""

    data: TaskState
    error: int = 0
    error_text: str = SUCCESS


class DeliveredReply(Struct):
    """The body of a delivery."""

    data: Delivered
    error: int = 0
    error_text: str = SUCCESS


class StatisticsReply(Struct):
    """The reply of get_counters."""

    data: list[Channel]
    error: int = 0
    error_text: str = SUCCESS


class Failure(Struct):
    """The error envelope, which has no `data`."""

    error: int
    error_text: str
