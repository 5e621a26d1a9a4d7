"""Submitting tasks and waiting for them: one or many, with their progress shown."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from time import monotonic
from typing import TYPE_CHECKING, Generic, TypeVar, cast

from altcraft import AltcraftError, Client, ClientClosed, SubmissionsFailed, Task, TaskRequest, WaitTimeout, hookimpl
from altcraft_plugins.cli.exit_codes import worst
from altcraft_plugins.cli.output.reporter import Result
from altcraft_plugins.cli.signals import as_interrupted
from altcraft_plugins.cli.subjects import Subject, subject_of

if TYPE_CHECKING:
    from collections.abc import Generator

    from altcraft import TaskHandle, TaskStatus
    from altcraft_plugins.cli.output.reporter import Follow
    from altcraft_plugins.cli.session import Session

__all__ = ["refresh", "wait"]

R = TypeVar("R")


def refresh(session: Session, requests: Sequence[TaskRequest[R]], *, waits: bool) -> int:
    """Submits the requests and, with `waits`, waits for their tasks. Returns the exit code of the worst outcome."""
    several = len(requests) > 1
    with _submissions(session.client) as submitted:
        try:
            tasks, codes = _submit(session, requests)
            for task, subject in tasks.items():
                session.reporter.submitted(
                    task, subject, waits=waits, resumable=session.connection.outlives_the_command
                )
        except KeyboardInterrupt as error:
            interrupted = as_interrupted(error)
            for handle in submitted:
                session.fail_interrupted(interrupted, None, handle)
            if len(submitted) < len(requests):
                session.fail_interrupted_submission(interrupted, len(requests) - len(submitted))
            return interrupted.exit_code
    if waits and tasks:
        outcome = wait(session, tasks, several=several)
        return outcome if outcome > 128 else worst([*codes, outcome])
    return worst(codes)


def wait(session: Session, tasks: Mapping[Task[R], Subject | None], *, several: bool) -> int:
    """Waits for the tasks and reports each when it is done. Returns the exit code of the worst outcome.

    When the time is up, the command polls each of the others once more: it may be done by then.
    """
    pending = dict(tasks)
    try:
        with _watched(session, pending) as watch:
            waiting = _Waiting(session, pending, watch, several)
            if len(pending) == 1:
                (task,) = pending
                return waiting.settle(task, session.timeout)
            codes = waiting.together(session.timeout)
    except KeyboardInterrupt as error:
        interrupted = as_interrupted(error)
        for left, subject in pending.items():
            session.fail_interrupted(interrupted, subject, left, named=several)
        return interrupted.exit_code
    return worst(codes)


def _submit(session: Session, requests: Sequence[TaskRequest[R]]) -> tuple[dict[Task[R], Subject | None], list[int]]:
    """The tasks that were started, and the exit codes of the submissions that failed."""
    if len(requests) == 1:
        (request,) = requests
        subject = subject_of(request)
        try:
            return {session.client.submit(request): subject}, []
        except AltcraftError as refused:
            return {}, [session.fail_submission(refused, subject)]
    subjects = [subject_of(request) for request in requests]
    codes: list[int] = []
    try:
        tasks = dict(enumerate(session.client.submit_many(requests)))
    except SubmissionsFailed as failed:
        resume = session.client.tasks.resume
        tasks = {place: resume(token, type(requests[place])) for place, token in failed.tasks.items()}
        for place, error in failed.errors.items():
            if not isinstance(error, AltcraftError):
                raise error from None
            codes.append(session.fail_submission(error, subjects[place], named=True))
    return {task: subjects[place] for place, task in tasks.items()}, codes


class _Submissions:
    """A plugin that keeps the tasks that are submitted: a signal must not lose those of a submission of many."""

    def __init__(self) -> None:
        self.tasks: list[TaskHandle] = []

    @hookimpl
    def altcraft_task_submitted(self, task: TaskHandle) -> None:
        self.tasks.append(task)


@contextmanager
def _submissions(client: Client) -> Iterator[list[TaskHandle]]:
    plugin = _Submissions()
    client.hooks.register(plugin)
    try:
        yield plugin.tasks
    finally:
        client.hooks.unregister(plugin)


class _Waiting(Generic[R]):
    """One wait for tasks. A task is `pending` until its outcome is reported."""

    def __init__(self, session: Session, pending: dict[Task[R], Subject | None], watch: _Watch, several: bool) -> None:
        self._session = session
        self._pending = pending
        self._watch = watch
        self._several = several

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
                    elif (error := _poll_again(task)) is not None:
                        codes.append(self._fail(task, error))
        except (WaitTimeout, ClientClosed):
            self._watch.raise_unwritable()
        rest = tuple(self._pending)
        codes += [self.settle(task, None if deadline is None else max(0.0, deadline - monotonic())) for task in rest]
        return codes

    def settle(self, task: Task[R], timeout: float | None) -> int:
        """Waits for a task, and reports its outcome."""
        try:
            value = task.result(timeout)
        except AltcraftError as error:
            self._watch.raise_unwritable()
            return self._fail(task, error)
        self._watch.raise_unwritable()
        subject = self._pending[task]
        with self._watch.paused():
            if self._several and subject is None:
                self._session.reporter.heading(task)
            code = self._session.show(Result(task.operation, value, subject, task.id), named=self._several)
            del self._pending[task]
        return code

    def _fail(self, task: Task[R], error: AltcraftError) -> int:
        with self._watch.paused():
            code = self._session.fail(error, self._pending[task], task, named=self._several)
            del self._pending[task]
        return code


def _poll_again(task: Task[R]) -> AltcraftError | None:
    """The error for which a group gave up a task; None where a new poll is answered, so that the wait can go on."""
    try:
        task.poll()
    except AltcraftError as error:
        return error
    return None


class _Watch:
    """A plugin that shows the progress of pending tasks, except while something else is printed.

    An observer's error ends no wait. So when the progress can't be written, the plugin closes the client, which ends
    the wait, and keeps the error for `raise_unwritable`.
    """

    def __init__(self, session: Session, pending: Mapping[Task[R], Subject | None]) -> None:
        self._session = session
        self._pending = cast("Mapping[TaskHandle, Subject | None]", pending)
        self._lock = threading.RLock()
        self._shown = ExitStack()
        self._show: Follow | None = None
        self._unwritable: OSError | None = None

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
            self._show = self._shown.enter_context(self._session.reporter.following(self._pending))

    def end(self) -> None:
        """Shows no progress any more."""
        with self._lock:
            self._show = None
            self._shown.close()


@contextmanager
def _watched(session: Session, pending: Mapping[Task[R], Subject | None]) -> Iterator[_Watch]:
    watch = _Watch(session, pending)
    session.client.hooks.register(watch)
    try:
        watch.begin()
        yield watch
    finally:
        session.client.hooks.unregister(watch)
        watch.end()
