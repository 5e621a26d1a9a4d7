"""Submitting tasks and waiting for them: one or many, with their progress shown."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from time import monotonic
from typing import TYPE_CHECKING, Final, Generic, TypeVar, cast

from altcraft import AltcraftError, ClientClosed, SubmissionsFailed, Task, TaskRequest, WaitTimeout, hookimpl
from altcraft_plugins.cli.exit_codes import worst
from altcraft_plugins.cli.output.reporter import Result
from altcraft_plugins.cli.signals import as_interrupted
from altcraft_plugins.cli.subjects import subject_of

if TYPE_CHECKING:
    from collections.abc import Generator

    from altcraft import TaskHandle, TaskStatus
    from altcraft.hooks import Submission
    from altcraft_plugins.cli.output.reporter import Follow
    from altcraft_plugins.cli.session import Session

__all__ = ["refresh", "wait"]

R = TypeVar("R")

LAST_POLLS: Final = 16
"""How many tasks are polled at once when the time is up."""


def refresh(session: Session, requests: Sequence[TaskRequest[R]], *, waits: bool) -> int:
    """Submits the requests and, with `waits`, waits for their tasks. Returns the exit code of the worst outcome."""
    submissions = _Submissions()
    session.client.hooks.register(submissions)
    try:
        tasks, codes = _submit(session, requests, submissions)
        for task in tasks:
            session.reporter.submitted(task, waits=waits, resumable=session.connection.outlives_the_command)
    except KeyboardInterrupt as error:
        interrupted = as_interrupted(error)
        in_doubt, begun = submissions.left_in_doubt(), len(submissions.begun)
        for handle in tuple(submissions.tasks):
            session.fail_interrupted(interrupted, handle, named=len(requests) > 1)
        session.fail_interrupted_submissions(interrupted, in_doubt, requests[begun:])
        return interrupted.exit_code
    finally:
        session.client.hooks.unregister(submissions)
    if waits and tasks:
        outcome = wait(session, tasks, named=len(requests) > 1)
        return outcome if outcome > 128 else worst([*codes, outcome])
    return worst(codes)


def wait(session: Session, tasks: Sequence[Task[R]], *, named: bool) -> int:
    """Waits for the tasks and reports each when it is done. Returns the exit code of the worst outcome.

    `named` says that the command is about several tasks. When the time is up, the command polls each task that is left
    once more: it may be done by then.
    """
    pending = dict.fromkeys(tasks)
    try:
        with _watched(session, pending) as watch:
            waiting = _Waiting(session, pending, watch, named)
            if len(pending) == 1:
                return waiting.settle(tasks[0], session.timeout)
            return worst(waiting.together(session.timeout))
    except KeyboardInterrupt as error:
        interrupted = as_interrupted(error)
        for task in pending:
            session.fail_interrupted(interrupted, task, named=named)
        return interrupted.exit_code


def _submit(
    session: Session, requests: Sequence[TaskRequest[R]], submissions: _Submissions
) -> tuple[list[Task[R]], list[int]]:
    """The tasks that were started, in the order of their requests, and the exit codes of the failed submissions."""
    client = session.client
    tasks: list[Task[R]] = []
    try:
        if len(requests) > 1:
            return client.submit_many(requests), []
        return [client.submit(requests[0])], []
    except SubmissionsFailed as failed:
        errors = dict(failed.errors)
        handles = {task.id: task for task in submissions.tasks}
        tasks = [cast("Task[R]", handles[client.tasks.resume(token).id]) for _, token in sorted(failed.tasks.items())]
    except Exception as refused:
        errors = {0: refused}
    codes: list[int] = []
    for place, error in errors.items():
        in_doubt = submissions.in_doubt(error)
        codes.append(session.fail_submission(error, subject_of(requests[place]), in_doubt, named=len(requests) > 1))
    return tasks, codes


class _Submissions:
    """A plugin that keeps what becomes of the submissions: a signal must not lose those that were answered."""

    def __init__(self) -> None:
        self.begun: dict[str, Submission] = {}
        self.tasks: list[TaskHandle] = []
        self._failed: list[tuple[BaseException, bool]] = []
        self._certain: set[str] = set()

    @hookimpl
    def altcraft_submitting(self, submission: Submission) -> None:
        self.begun[submission.key] = submission

    @hookimpl
    def altcraft_task_submitted(self, task: TaskHandle, submission: Submission) -> None:
        self.tasks.append(task)
        self._certain.add(submission.key)

    @hookimpl
    def altcraft_submission_failed(self, submission: Submission, error: BaseException, in_doubt: bool) -> None:
        self._failed.append((error, in_doubt))
        if not in_doubt:
            self._certain.add(submission.key)

    def left_in_doubt(self) -> list[object]:
        """The requests of those submissions of which this process does not know whether they started a task."""
        return [submission.request for key, submission in tuple(self.begun.items()) if key not in self._certain]

    def in_doubt(self, error: Exception) -> bool:
        """Whether the platform may have started a task. Raises an error that ended no submission, but is a mistake."""
        for failure, in_doubt in self._failed:
            if failure is error:
                return in_doubt
        if isinstance(error, AltcraftError):
            return False
        raise error


class _Waiting(Generic[R]):
    """One wait for tasks. A task is `pending` until its outcome is reported."""

    def __init__(self, session: Session, pending: dict[Task[R], None], watch: _Watch, named: bool) -> None:
        self._session = session
        self._pending = pending
        self._watch = watch
        self._named = named

    def together(self, timeout: float | None) -> list[int]:
        """Waits for all tasks at once, at most `timeout` seconds. Returns their exit codes."""
        codes: list[int] = []
        deadline = None if timeout is None else monotonic() + timeout
        # An iteration of a generator's, so that it can be closed.
        finished = cast("Generator[Task[R]]", self._session.client.tasks.as_completed(tuple(self._pending), timeout))
        try:
            with closing(finished):
                for task in finished:
                    if task.done():
                        codes.append(self.settle(task, 0.0))
                    elif (error := self._watch.error_of(task)) is not None:
                        codes.append(self._fail(task, error))
        except (WaitTimeout, ClientClosed):
            self._watch.raise_unwritable()
        rest = tuple(self._pending)
        left = None if deadline is None else max(0.0, deadline - monotonic())
        pool = ThreadPoolExecutor(LAST_POLLS)
        try:
            outcomes = pool.map(lambda task: _outcome(task, left), rest)
            return codes + [self._report(task, outcome) for task, outcome in zip(rest, outcomes, strict=True)]
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    def settle(self, task: Task[R], timeout: float | None) -> int:
        """Waits for a task, and reports its outcome."""
        return self._report(task, _outcome(task, timeout))

    def _report(self, task: Task[R], outcome: Result | AltcraftError) -> int:
        self._watch.raise_unwritable()
        if isinstance(outcome, AltcraftError):
            return self._fail(task, outcome)
        with self._watch.paused():
            if self._named and outcome.subject is None:
                self._session.reporter.heading(task)
            code = self._session.show(outcome, named=self._named)
            self._session.acknowledge(task)
            del self._pending[task]
        return code

    def _fail(self, task: Task[R], error: AltcraftError) -> int:
        with self._watch.paused():
            code = self._session.fail(error, task, named=self._named)
            self._session.acknowledge(task)
            del self._pending[task]
        return code


def _outcome(task: Task[R], timeout: float | None) -> Result | AltcraftError:
    try:
        return Result(task.operation, task.result(timeout), subject_of(task.request), task.id)
    except AltcraftError as error:
        return error


class _Watch:
    """A plugin that shows the progress of pending tasks, except while something else is printed.

    An observer's error ends no wait. So when the progress can't be written, the plugin closes the client, which ends
    the wait, and keeps the error for `raise_unwritable`.
    """

    def __init__(self, session: Session, pending: Collection[Task[R]]) -> None:
        self._session = session
        self._pending = cast("Collection[TaskHandle]", pending)
        self._lock = threading.RLock()
        self._shown = ExitStack()
        self._show: Follow | None = None
        self._unwritable: OSError | None = None
        self._errors: dict[TaskHandle, AltcraftError] = {}

    @hookimpl
    def altcraft_task_progress(self, task: TaskHandle, status: TaskStatus[object]) -> None:
        """Shows it. Several workers call this."""
        with self._lock:
            if self._show is None or self._unwritable is not None or task not in self._pending:
                return
            try:
                self._show(task, status.status, status.progress)
            except OSError as error:
                self._unwritable = error
        if self._unwritable is not None:
            self._session.client.close()

    @hookimpl
    def altcraft_wait_ended(self, task: TaskHandle, error: BaseException | None) -> None:
        """Keeps the error."""
        if isinstance(error, AltcraftError):
            self._errors[task] = error

    def error_of(self, task: Task[R]) -> AltcraftError | None:
        """The error that ended the wait for a task, or None."""
        return self._errors.get(task)

    def raise_unwritable(self) -> None:
        """Raises the error of the stream, if there was one."""
        if self._unwritable is not None:
            raise self._unwritable from None

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Shows no progress while the block lasts, since the block prints something."""
        with self._lock:
            self.end()
            yield
            self.begin()

    def begin(self) -> None:
        """Shows the progress of the tasks that are pending now."""
        if self._pending:
            self._show = self._shown.enter_context(self._session.reporter.following(tuple(self._pending)))

    def end(self) -> None:
        """Shows no progress any more."""
        with self._lock:
            self._show = None
            self._shown.close()


@contextmanager
def _watched(session: Session, pending: Collection[Task[R]]) -> Iterator[_Watch]:
    watch = _Watch(session, pending)
    session.client.hooks.register(watch)
    try:
        watch.begin()
        yield watch
    finally:
        session.client.hooks.unregister(watch)
        watch.end()
