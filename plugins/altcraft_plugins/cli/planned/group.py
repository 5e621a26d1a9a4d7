"""The recounts of one connection: submitted together, followed together, each outcome told as it comes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, TypeAlias, cast

import msgspec
from msgspec import Struct

from altcraft import (
    AltcraftError,
    ClientClosed,
    DatabaseStatistics,
    Feedback,
    NotFound,
    ResourceStatistics,
    SegmentStatistics,
    Task,
    TaskFailed,
    Unauthorized,
    WaitTimeout,
    hookimpl,
)
from altcraft.schema import DatabasesRefreshCounters, SegmentsRefreshCounters
from altcraft_plugins.cli.exit_codes import FAILED, TIMED_OUT
from altcraft_plugins.cli.planned.outcomes import Outcome, State, changes_of
from altcraft_plugins.cli.problems import Problem, problem_of
from altcraft_plugins.journal import JournalError

if TYPE_CHECKING:
    from collections.abc import Generator

    from altcraft import Client, TaskHandle, TaskStatus
    from altcraft.hooks import Submission
    from altcraft_plugins.cli.connection import Connection
    from altcraft_plugins.cli.planned.outcomes import Previous
    from altcraft_plugins.cli.planned.runs import Run
    from altcraft_plugins.journal import Entry, Journal
    from altcraft_plugins.plan import Limits, Recount

__all__ = ["Event", "Group", "InDoubt", "Progressed", "Submitted", "lost_answer"]

GO_ON: Final = "start the run again: it goes on from here"
PATIENCE: Final = 3.0
"""Seconds that a submission under way may take when the run is interrupted."""
LAST_POLLS: Final = 16
"""How many tasks are polled at once when the time is up."""


class InDoubt(AltcraftError):
    """A recount was submitted and its answer never came: the platform may have started a task or not."""


class Submitted(Struct, frozen=True):
    """The platform has started a task, now or in the part of the run that came before."""

    recount: Recount
    task: Task[Any]


class Progressed(Struct, frozen=True):
    """A poll was answered."""

    recount: Recount
    task: TaskHandle
    status: str
    progress: float | None


Event: TypeAlias = Submitted | Progressed | Outcome


class Group:
    """The recounts of a run that go to one installation. `tell` is called by several threads."""

    def __init__(
        self,
        client: Client,
        connection: Connection,
        journal: Journal,
        run: Run,
        recounts: Sequence[Recount],
        limits: Limits,
        previous: Previous,
        tell: Callable[[Event], None],
        feedback: Callable[[], Feedback | None],
    ) -> None:
        self._client = client
        self._connection = connection
        self._journal = journal
        self._run = run
        self._recounts = {run.key(recount): recount for recount in recounts}
        self._limits = limits
        self._previous = previous
        self._tell = tell
        self._feedback = feedback
        self._watch = _Watch(self._recounts, tell)
        self._stopped = threading.Event()
        self._has_submitted = threading.Event()

    def stop(self) -> None:
        """Begins no further submission. The tasks go on at the platform, and the journal knows them."""
        self._stopped.set()

    def close(self) -> None:
        """Ends the work. A submission that is under way has some seconds for its answer, so that none is in doubt."""
        self._stopped.set()
        self._has_submitted.wait(PATIENCE)
        self._client.close()

    def work(self, timeout: float | None) -> None:
        """Submits and follows until every outcome is told, or the time is up, or `stop` is called."""
        deadline = None if timeout is None else monotonic() + timeout
        self._client.hooks.register(self._watch)
        try:
            tasks = self._resume()
            new = [recount for recount in self._recounts.values() if self._is_new(recount)]
            tasks += self._submit(new, deadline)
            self._has_submitted.set()
            if not self._stopped.is_set():
                self._follow(tasks, deadline)
        finally:
            self._has_submitted.set()
            self._client.hooks.unregister(self._watch)

    def _is_new(self, recount: Recount) -> bool:
        """Whether the recount is still to be submitted."""
        entry = self._run.entry(recount)
        return entry is None or (entry.state == "in doubt" and self._run.plan.in_doubt == "submit again")

    def _resume(self) -> list[Task[Any]]:
        """Tells what the journal knows already. Returns the tasks that still run."""
        running: list[str] = []
        for key, recount in self._recounts.items():
            entry = self._run.entry(recount)
            if entry is None:
                continue
            if self._is_new(recount):
                self._journal.acknowledge(key)  # the journal forgets the doubt, and lets the key through again
            elif entry.state == "running":
                running.append(key)
            elif entry.state == "completed":
                self._tell(self._restored(recount, entry))
            elif entry.state == "failed":
                message = entry.error or "the task has failed"
                problem = Problem("TaskFailed", message, FAILED, entry.operation, entry.host, entry.task_id)
                self._end(recount, "failed", problem, entry.task_id)
            else:
                hint = _again("look at the platform's tasks", recount)
                self._end(recount, "in doubt", _problem(lost_answer(entry), hint=hint))
        tasks = self._journal.resume(self._client, running)
        for task in tasks:
            self._tell(Submitted(self._recounts[cast("str", task.key)], task))
        for key in set(running) - {task.key for task in tasks}:  # another process has been quicker
            self._end(
                self._recounts[key], "unfinished", Problem("Busy", "another process follows it", FAILED, hint=GO_ON)
            )
        return tasks

    def _restored(self, recount: Recount, entry: Entry) -> Outcome:
        value: object = msgspec.convert(entry.result, _result_type(recount))
        took = None if entry.ended_at is None else (entry.ended_at - entry.submitted_at).total_seconds()
        return self._done(recount, value, entry.task_id, took)

    def _done(self, recount: Recount, value: object, task_id: str | None, took: float | None) -> Outcome:
        return Outcome(
            recount=recount,
            state="done",
            task_id=task_id,
            value=value,
            changes=changes_of(recount, value, task_id, self._previous.get(recount.name, ())),
            took=took,
        )

    # Submitting.

    def _submit(self, recounts: Sequence[Recount], deadline: float | None) -> list[Task[Any]]:
        """Submits, and submits again what the platform has certainly not taken for a reason that time may cure."""
        retry = self._client.retry
        patience = monotonic() + retry.patience
        tasks: list[Task[Any]] = []
        failures = 0
        while recounts and not self._stopped.is_set():
            workers = min(len(recounts), self._limits.max_submissions)
            with ThreadPoolExecutor(workers) as pool:
                outcomes = list(pool.map(lambda recount: self._submit_one(recount, deadline), recounts))
            failures += 1
            refused: list[tuple[Recount, AltcraftError]] = []
            for recount, outcome in zip(recounts, outcomes, strict=True):
                if isinstance(outcome, Task):
                    tasks.append(outcome)
                elif outcome is not None:
                    refused += self._refused(recount, outcome)
            delay = max((retry.delay(failures, error) for _, error in refused), default=0.0)
            if monotonic() + delay > patience:
                for recount, error in refused:
                    self._end(recount, "unfinished", _problem(error, hint="start the run again when it answers"))
                break
            self._stopped.wait(delay)
            recounts = [recount for recount, _ in refused]
        return tasks

    def _submit_one(self, recount: Recount, deadline: float | None) -> Task[Any] | Exception | None:
        """The task, or why there is none; None once the work is stopped, or the time is up."""
        if self._stopped.is_set():
            return None
        if deadline is not None and monotonic() >= deadline:
            message = "the time was up before it was submitted"
            self._end(recount, "unfinished", Problem("WaitTimeout", message, TIMED_OUT, hint=GO_ON))
            return None
        request = recount.request
        feedback = None if isinstance(request, SegmentsRefreshCounters) else self._feedback()
        if feedback is not None:
            request = msgspec.structs.replace(request, feedback=feedback)
        try:
            task = self._client.submit(request, key=self._run.key(recount), note=recount.name)
        except ClientClosed:
            return None
        except Exception as error:  # one of a plugin, which refuses it, too
            return error
        self._tell(Submitted(recount, task))
        return task

    def _refused(self, recount: Recount, error: Exception) -> list[tuple[Recount, AltcraftError]]:
        """Tells why a submission has failed, unless it is worth another attempt: then it is returned."""
        may_help = isinstance(error, AltcraftError) and self._client.retry.may_help(error, safe=True)
        if self._watch.in_doubt(self._run.key(recount)):
            if may_help and self._run.plan.in_doubt == "submit again":
                self._journal.acknowledge(self._run.key(recount))
                return [(recount, cast("AltcraftError", error))]
            self._end(recount, "in doubt", _problem(error, hint=_again("look at the platform's tasks", recount)))
        elif isinstance(error, JournalError) and error.resume_token is not None:
            problem = _problem(error, hint="another process carries out this plan: wait for it")
            self._end(recount, "unfinished", problem)
        elif may_help:
            return [(recount, cast("AltcraftError", error))]
        else:
            self._end(recount, "failed", _problem(error, hint=self._advice(error, recount)))
        return []

    # Following.

    def _follow(self, tasks: Sequence[Task[Any]], deadline: float | None) -> None:
        left = dict.fromkeys(tasks)
        timeout = None if deadline is None else max(0.0, deadline - monotonic())
        # An iteration of a generator's, so that it can be closed.
        finished = cast(
            "Generator[Task[Any]]",
            self._client.tasks.as_completed(
                tasks,
                timeout,
                max_in_flight=self._limits.max_in_flight,
                max_polls_per_second=self._limits.max_polls_per_second,
            ),
        )
        try:
            with closing(finished):
                for task in finished:
                    del left[task]
                    self._settle(task, 0.0, self._watch.error_of(task))
        except ClientClosed:
            return
        except WaitTimeout:
            with ThreadPoolExecutor(LAST_POLLS) as pool:
                list(pool.map(lambda task: self._settle(task, 0.0, None), tuple(left)))

    def _settle(self, task: Task[Any], timeout: float, error: AltcraftError | None) -> None:
        """Tells the outcome of a task. `error` is why the group has stopped to follow it."""
        recount = self._recounts[cast("str", task.key)]
        if error is None or task.done():
            try:
                value = task.result(timeout)
            except AltcraftError as failure:
                error = failure
            else:
                self._tell(self._done(recount, value, task.id, self._watch.took(task)))
                return
        if isinstance(error, ClientClosed):
            return
        if isinstance(error, NotFound):
            self._journal.give_up(cast("str", task.key), error.message())
        is_final = isinstance(error, (NotFound, TaskFailed))
        hint = self._advice(error, recount) if is_final else GO_ON
        problem = _problem(error, hint=hint)
        self._end(recount, "failed" if is_final else "unfinished", problem, task.id)

    def _end(self, recount: Recount, state: State, problem: Problem, task_id: str | None = None) -> None:
        self._tell(Outcome(recount=recount, state=state, task_id=task_id, problem=problem))

    def _advice(self, error: Exception, recount: Recount) -> str:
        if isinstance(error, Unauthorized):
            token = self._connection.token
            return f"the token in {token.source} was refused" if token.value else "no token was sent"
        if isinstance(error, TaskFailed):
            return _again("the platform gave it up", recount)
        if isinstance(error, NotFound):
            return "look at the ids in the plan" if error.task_id is None else _again("the platform lost it", recount)
        return _again("mend it", recount)


class _Watch:
    """A plugin that notes what becomes of the submissions, and tells of the progress of the tasks."""

    def __init__(self, recounts: dict[str, Recount], tell: Callable[[Event], None]) -> None:
        self._recounts = recounts
        self._tell = tell
        self._in_doubt: set[str] = set()
        self._errors: dict[TaskHandle, AltcraftError] = {}
        self._submitted: dict[str, float] = {}

    @hookimpl
    def altcraft_submitting(self, submission: Submission) -> None:
        self._submitted[submission.key] = monotonic()

    @hookimpl
    def altcraft_submission_failed(self, submission: Submission, in_doubt: bool) -> None:
        if in_doubt:
            self._in_doubt.add(submission.key)
        else:
            self._in_doubt.discard(submission.key)

    @hookimpl
    def altcraft_task_progress(self, task: TaskHandle, status: TaskStatus[object]) -> None:
        recount = self._recounts.get(task.key or "")
        if recount is not None:
            self._tell(Progressed(recount, task, status.status, status.progress))

    @hookimpl
    def altcraft_wait_ended(self, task: TaskHandle, error: BaseException | None) -> None:
        if isinstance(error, AltcraftError):
            self._errors[task] = error

    def in_doubt(self, key: str) -> bool:
        """Whether the platform may have started a task for that submission."""
        return key in self._in_doubt

    def error_of(self, task: Task[Any]) -> AltcraftError | None:
        """The error that ended the wait for a task, or None."""
        return self._errors.get(task)

    def took(self, task: Task[Any]) -> float | None:
        """Seconds since the submission, if this process has made it."""
        begun = self._submitted.get(task.key or "")
        return None if begun is None else monotonic() - begun


def _result_type(recount: Recount) -> Any:
    if isinstance(recount.request, SegmentsRefreshCounters):
        return list[SegmentStatistics]
    if isinstance(recount.request, DatabasesRefreshCounters):
        return list[DatabaseStatistics]
    return list[ResourceStatistics]


def lost_answer(entry: Entry) -> InDoubt:
    """The failure of a submission that an earlier part of the run has left in doubt."""
    error = InDoubt(f"it was submitted at {entry.submitted_at:%F %T} UTC, and its answer never came")
    error.locate(entry.operation, entry.host)
    return error


def _problem(error: Exception, *, hint: str) -> Problem:
    """The problem without the place in its message: the recount's name says which one it is about."""
    problem = problem_of(error, hint=hint)
    return msgspec.structs.replace(problem, message=error.message()) if isinstance(error, AltcraftError) else problem


def _again(text: str, recount: Recount) -> str:
    return f"{text}, then recount it with --only {recount.name!r}"
