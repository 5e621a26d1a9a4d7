"""Machines in the states that the tests of the task machine begin with."""

from __future__ import annotations

from altcraft import AltcraftError, BadRequest, Polling, Retry, TaskStatus
from altcraft.tasks.events import (
    Began,
    Cancelled,
    Command,
    Emit,
    Event,
    Failed,
    Finish,
    Notified,
    Observed,
    Responded,
    Woke,
)
from altcraft.tasks.machine import CallMachine, Policies, TaskMachine

STEADY = Polling(jitter=False, predict=False)  # steps of 1, 1.5, 2.25 ... 30 s
REQUEST_TIMEOUT = 10.0
RUNNING = TaskStatus("running", 5)
DONE = TaskStatus("completed", 100, ["result"])
FAILED = TaskStatus("failed", 50)
EVENTS: dict[type[Event], Event] = {
    Began: Began(0.0), Responded: Responded(0.0, RUNNING), Failed: Failed(0.0, BadRequest(400)), Woke: Woke(0.0),
    Notified: Notified(0.0), Observed: Observed(0.0, RUNNING), Cancelled: Cancelled(0.0),
}  # fmt: skip


def task(
    polling: Polling = STEADY, retry: Retry | None = None, *, at: float = 0.0, submitted: bool = True
) -> TaskMachine:
    return TaskMachine(
        "930b",
        "segments/refresh_counters",
        Policies(polling, retry or Retry(), REQUEST_TIMEOUT),
        at=at,
        submitted=submitted,
    )


def call(*, safe: bool, retry: Retry | None = None) -> CallMachine:
    return CallMachine(Policies(STEADY, retry or Retry(), REQUEST_TIMEOUT), safe=safe)


def waiting(deadline: float | None = None, polling: Polling = STEADY, retry: Retry | None = None) -> TaskMachine:
    """A task whose wait began at 0 and whose first poll is under way."""
    machine = task(polling, retry)
    machine.handle(Began(0.0, deadline))
    return machine


def sleeping(deadline: float | None = None, polling: Polling = STEADY) -> TaskMachine:
    """A task that was polled at 0 and sleeps."""
    machine = waiting(deadline, polling)
    machine.handle(Responded(0.0, RUNNING))
    return machine


def only(commands: tuple[Command, ...]) -> Command:
    """The last command; those before it are all Emits."""
    assert commands
    assert all(isinstance(command, Emit) for command in commands[:-1])
    return commands[-1]


def emits(commands: tuple[Command, ...]) -> list[str]:
    return [command.what for command in commands if isinstance(command, Emit)]


def error_of(commands: tuple[Command, ...]) -> AltcraftError:
    finish = only(commands)
    assert isinstance(finish, Finish)
    assert finish.error is not None
    assert finish.result is None
    return finish.error
