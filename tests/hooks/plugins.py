"""Plugins for the tests of the hooks: one that records every call, and ones with a single hook."""

from __future__ import annotations

import inspect
import itertools
import types
from collections.abc import Callable
from typing import Any

import altcraft
from altcraft import Delivery, HttpResponse, ObservedExchange, Submission, TaskStatus, hookimpl
from altcraft.hooks import Specifications
from altcraft.testing import reply
from both_clients import plain_client

SPECIFIED = [name for name in vars(Specifications) if name.startswith("altcraft_")]
OBSERVERS = [name for name in SPECIFIED if not name.startswith("altcraft_register_")]
ARGUMENTS = {name: list(inspect.signature(getattr(Specifications, name)).parameters)[1:] for name in SPECIFIED}
STARTED = reply({"task_id": "t-1"})
RUNNING = reply({"status": "running", "progress": 50})
DONE = reply({"status": "completed", "progress": 100, "result": [{"resource_id": 24, "list_id": 1}]})
FAILED = reply({"status": "failed", "progress": 70})
_NUMBERS = itertools.count()


class Recorder:
    """Implements every observer, and records the calls."""

    def __init__(self, name: str = "", calls_of_all: list[tuple[str, str]] | None = None) -> None:
        self.name = name
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.calls_of_all = calls_of_all if calls_of_all is not None else []

    def note(self, hook: str, **arguments: object) -> None:
        self.calls.append((hook, arguments))
        self.calls_of_all.append((self.name, hook))

    @property
    def names(self) -> list[str]:
        return [hook.removeprefix("altcraft_") for hook, _ in self.calls]

    def of(self, hook: str) -> list[dict[str, Any]]:
        return [arguments for name, arguments in self.calls if name == hook]

    @hookimpl
    def altcraft_exchange_started(self, exchange: ObservedExchange) -> None:
        self.note("altcraft_exchange_started", exchange=exchange)

    @hookimpl
    def altcraft_exchange_finished(
        self, exchange: ObservedExchange, response: HttpResponse | None, error: BaseException | None, elapsed: float
    ) -> None:
        self.note("altcraft_exchange_finished", exchange=exchange, response=response, error=error, elapsed=elapsed)

    @hookimpl
    def altcraft_submitting(self, submission: Submission) -> None:
        self.note("altcraft_submitting", submission=submission)

    @hookimpl
    def altcraft_submission_failed(self, submission: Submission, error: BaseException, in_doubt: bool) -> None:
        self.note("altcraft_submission_failed", submission=submission, error=error, in_doubt=in_doubt)

    @hookimpl
    def altcraft_task_submitted(self, task: altcraft.TaskHandle, submission: Submission) -> None:
        self.note("altcraft_task_submitted", task=task, submission=submission, done=task.done())

    @hookimpl
    def altcraft_wait_started(self, task: altcraft.TaskHandle, wait: altcraft.ObservedWait) -> None:
        self.note("altcraft_wait_started", task=task, wait=wait)

    @hookimpl
    def altcraft_wait_ended(
        self, task: altcraft.TaskHandle, error: BaseException | None, wait: altcraft.ObservedWait
    ) -> None:
        self.note("altcraft_wait_ended", task=task, error=error, wait=wait)

    @hookimpl
    def altcraft_task_progress(self, task: altcraft.TaskHandle, status: TaskStatus[object]) -> None:
        self.note("altcraft_task_progress", task=task, status=status)

    @hookimpl
    def altcraft_task_completed(self, task: altcraft.TaskHandle, result: object) -> None:
        self.note("altcraft_task_completed", task=task, result=result, done=task.done())

    @hookimpl
    def altcraft_task_failed(self, task: altcraft.TaskHandle, error: altcraft.AltcraftError) -> None:
        self.note("altcraft_task_failed", task=task, error=error, done=task.done())

    @hookimpl
    def altcraft_feedback_received(self, delivery: Delivery) -> None:
        self.note("altcraft_feedback_received", delivery=delivery)


EXCHANGED = ["exchange_started", "exchange_finished"]


def plugin(hook: str, function: Callable[..., object], **options: bool) -> object:
    """A plugin with one hook, which calls `function` with all that the hook is given."""
    arguments = ", ".join(ARGUMENTS[hook])
    source = f"def {hook}({arguments}): return function({arguments})"
    names: dict[str, Any] = {"function": function}
    exec(source, names)
    module = types.ModuleType(f"plugin_{next(_NUMBERS)}")
    setattr(module, hook, hookimpl(**options)(names[hook]))
    return module


def raises(*_: object) -> None:
    raise ValueError("a bug in a plugin")


def client(script: list[Any], *plugins: object, **settings: Any) -> Any:
    return plain_client("https://your.host", "s3cr3t", script, plugins=plugins, **settings)


def run(script: list[Any], *plugins: object) -> object:
    """The outcome of a segment's refresh over such a script."""
    with client([STARTED, *script], *plugins) as made:
        task = made.segments.refresh_counters(7, resource_id=24, db_id=1)
        return task.exception() or task.result()
