"""The commands' work, apart from arguments and appearance: submit, wait, look, read. Each returns an exit code."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

from altcraft import AltcraftError, Client, Polling, Task
from altcraft_plugins.cli.outcome import DONE, FAILED, INTERRUPTED, Misuse, Problem, problem_of, worst
from altcraft_plugins.cli.reporting import printable

if TYPE_CHECKING:
    from altcraft import ChannelStatistics, TaskHandle
    from altcraft_plugins.cli.facts import Asked
    from altcraft_plugins.cli.reporting import Reporter

__all__ = ["counters", "refresh", "resume", "status", "wait"]

R = TypeVar("R")


def refresh(
    client: Client,
    reporter: Reporter,
    submit: Callable[[Client], Task[R]],
    asked: Asked,
    *,
    waits: bool = True,
    timeout: float | None = None,
) -> int:
    """Submits a recount, and waits for it at most `timeout` seconds."""
    try:
        task = submit(client)
    except AltcraftError as error:
        return _tell(reporter, problem_of(error, submitting=True))
    except KeyboardInterrupt:
        hint = "the task may or may not have been started"
        return _tell(reporter, Problem("Interrupted", "interrupted while submitting", INTERRUPTED, hint=hint))
    try:
        reporter.submitted(task, asked, waits=waits)
    except KeyboardInterrupt:
        return _interrupted(reporter, [task])
    return wait(client, reporter, [task], asked, timeout=timeout) if waits else DONE


def wait(
    client: Client,
    reporter: Reporter,
    tasks: Sequence[Task[R]],
    asked: Asked | None = None,
    *,
    timeout: float | None = None,
) -> int:
    """Waits for tasks, at most `timeout` seconds for all, and tells of each when it is done; the worst is the code.

    When the time is up, each of the rest is looked at once: it may be done already.
    """
    pending = dict.fromkeys(tasks)
    try:
        if len(pending) == 1:
            return _wait_for(client, reporter, tasks[0], asked, timeout)
        from altcraft_plugins.cli.several import wait_for_all

        return worst(
            wait_for_all(
                client,
                reporter,
                pending,
                lambda task, left: _settle(reporter, task, left),
                lambda task, error: _tell(reporter, problem_of(error, task)),
                timeout=timeout,
            )
        )
    except KeyboardInterrupt:
        return _interrupted(reporter, tuple(pending))


def status(client: Client, reporter: Reporter, task: Task[object]) -> int:
    """Looks at a task once. A task that has failed is a failure; one that goes on is not."""
    try:
        seen = task.poll()
    except AltcraftError as error:
        return _tell(reporter, problem_of(error))
    reporter.status(task, seen)
    return FAILED if seen.status in Polling().failed else DONE


def counters(
    client: Client, reporter: Reporter, read: Callable[[Client], list[ChannelStatistics]], operation: str, asked: Asked
) -> int:
    """Reads the counters as they stand."""
    try:
        result = read(client)
    except AltcraftError as error:
        return _tell(reporter, problem_of(error))
    reporter.result(operation, result, asked)
    return DONE


def resume(client: Client, id_or_token: str) -> Task[object]:
    """A handle on a task. A token of an operation that nobody has declared here leads to its bare task id."""
    try:
        return client.tasks.resume(id_or_token)
    except LookupError:
        return client.tasks.resume(json.loads(id_or_token)["task_id"])
    except ValueError as error:
        raise Misuse(str(error)) from None


def _wait_for(client: Client, reporter: Reporter, task: Task[R], asked: Asked | None, timeout: float | None) -> int:
    unwritable: list[OSError] = []
    problem: Problem | None = None
    result: R | None = None
    with reporter.watching(task, asked) as show:

        def seen(state: object) -> None:
            try:
                show(getattr(state, "status", ""), getattr(state, "progress", None))
            except OSError as error:  # raised, it would be logged and the wait go on for nobody
                unwritable.append(error)
                client.close()

        try:
            result = task.result(timeout, seen)
        except AltcraftError as error:
            problem = problem_of(error, task)
    if unwritable:
        raise unwritable[0]
    if problem is not None:
        return _tell(reporter, problem)
    reporter.result(task.operation, result, asked, task)
    return DONE


def _settle(reporter: Reporter, task: Task[R], timeout: float | None) -> int:
    """Tells of one task of several, which is done or else waited for in silence."""
    try:
        result = task.result(timeout)
    except AltcraftError as error:
        return _tell(reporter, problem_of(error, task))
    reporter.say(f"task {printable(task.id)}:")
    reporter.result(task.operation, result, None, task)
    return DONE


def _tell(reporter: Reporter, problem: Problem) -> int:
    reporter.problem(problem)
    return problem.exit_code


def _interrupted(reporter: Reporter, tasks: Sequence[TaskHandle]) -> int:
    for task in tasks:
        reporter.problem(
            Problem(
                "Interrupted",
                "interrupted; the task goes on",
                INTERRUPTED,
                operation=task.operation,
                task_id=task.id,
                resume_token=task.resume_token,
            )
        )
    return INTERRUPTED
