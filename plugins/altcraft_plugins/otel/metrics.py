"""The instruments: one set for each meter provider, which all plugins of a process share."""

from __future__ import annotations

import threading
import time
import weakref
from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from altcraft_plugins.otel.api import metrics

if TYPE_CHECKING:
    from opentelemetry.metrics import CallbackOptions, MeterProvider, Observation

    from altcraft import TaskHandle

__all__ = ["SCHEMA", "SCOPE", "Instruments", "instruments_of"]

SCOPE: Final = "altcraft"
SCHEMA: Final = "https://opentelemetry.io/schemas/1.23.0"
"""The first version of the conventions in which those of HTTP are stable."""

_EXCHANGE_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)
_TASK_SECONDS = (1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200)
_POLLS = (1, 2, 3, 5, 8, 12, 20, 50, 100)


class Instruments:
    """The instruments of one meter provider, and the tasks that are outstanding."""

    def __init__(self, provider: MeterProvider, version: str) -> None:
        meter = metrics.get_meter(SCOPE, version, provider, SCHEMA)
        self.exchange_duration = meter.create_histogram(
            "http.client.request.duration",
            "s",
            "Duration of HTTP client requests.",
            explicit_bucket_boundaries_advisory=_EXCHANGE_SECONDS,
        )
        self.task_duration = meter.create_histogram(
            "altcraft.task.duration",
            "s",
            "Time from the submission of a task to its outcome.",
            explicit_bucket_boundaries_advisory=_TASK_SECONDS,
        )
        self.task_polls = meter.create_histogram(
            "altcraft.task.polls",
            "{poll}",
            "Answered polls of a task until its outcome.",
            explicit_bucket_boundaries_advisory=_POLLS,
        )
        meter.create_observable_up_down_counter(
            "altcraft.task.outstanding",
            [self._observed],
            "{task}",
            "Tasks that this process holds a handle on, and of which it knows no outcome.",
        )
        self._lock = threading.Lock()
        self._outstanding: weakref.WeakKeyDictionary[TaskHandle, int] = weakref.WeakKeyDictionary()
        self._operations: set[str] = set()

    def seen(self, task: TaskHandle, since: int | None = None) -> None:
        """Counts a task as outstanding, once. `since` is when its submission began, as `since` returns it."""
        with self._lock:
            self._operations.add(task.operation)  # so that the last task of an operation leaves a zero
            if task not in self._outstanding and not task.done():
                self._outstanding[task] = since if since is not None else _submitted(task)

    def since(self, task: TaskHandle) -> int:
        """When the task was submitted or, where that is not known, seen first: nanoseconds since 1970."""
        with self._lock:
            found = self._outstanding.get(task)
        return found if found is not None else _submitted(task)

    def ended(self, task: TaskHandle) -> None:
        """The outcome of the task is known."""
        with self._lock:
            self._outstanding.pop(task, None)

    def _observed(self, options: CallbackOptions) -> Iterable[Observation]:
        with self._lock:
            counts = Counter(task.operation for task in tuple(self._outstanding))
            operations = tuple(self._operations)
        return [metrics.Observation(counts[operation], {"altcraft.operation": operation}) for operation in operations]


def _submitted(task: TaskHandle) -> int:
    return time.time_ns() if task.submitted_at is None else int(task.submitted_at.timestamp() * 1e9)


_instruments: weakref.WeakKeyDictionary[MeterProvider, Instruments] = weakref.WeakKeyDictionary()


def instruments_of(provider: MeterProvider | None, version: str) -> Instruments:
    """The instruments of a meter provider; None stands for the global one."""
    provider = provider if provider is not None else metrics.get_meter_provider()
    found = _instruments.get(provider)
    if found is None:
        found = _instruments[provider] = Instruments(provider, version)
    return found
