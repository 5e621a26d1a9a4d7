"""Many tasks at once: a few workers take turns from one agenda, so that no task needs a thread, a coroutine or a timer.

A worker is a generator of steps like any other; a crew runs some of them, in threads or in a loop. One idle worker
sleeps until the next task is due, the others wait at a gate.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Generic, TypeVar, cast

from msgspec import Struct

from altcraft.agenda import Agenda
from altcraft.conduct import Conductor, Pause, Rest, Steps
from altcraft.errors import AltcraftError, ApiError, ClientClosed, SubmissionsFailed, WaitTimeout
from altcraft.handle import TaskBase
from altcraft.machine import Began, Cancelled, Event, Failed, Finish, Notified, Responded, Send, Sleep, State, Woke
from altcraft.operations import Operation
from altcraft.schema import TaskRequest

__all__ = ["Batch", "Fleet", "Waited"]

TaskT = TypeVar("TaskT", bound=TaskBase[Any])

_REFUSALS = (429, 503)
_BUSY_ELSEWHERE = 1.0
"""Seconds until a task that somebody else polls for is looked at again."""


class Fleet(Generic[TaskT]):
    """Tasks that are followed together; `work` is one worker's share, `finished` what the consumer waits for.

    `hire` is called when there is work for one more worker; it may decline.
    """

    def __init__(
        self,
        conductor: Conductor,
        tasks: Iterable[TaskT],
        timeout: float | None,
        max_polls_per_second: float | None,
        hire: Callable[[], object],
    ) -> None:
        self._conductor = conductor
        self._agenda: Agenda[TaskT] = Agenda(max_polls_per_second)
        self._done: deque[TaskT] = deque()
        self._hire = hire
        self._work = conductor.gate()
        self._news = conductor.gate()
        self._sleeper = False
        self._idle = 0
        self._stopped = False
        self._broken: BaseException | None = None
        at = conductor.now()
        self._deadline = None if timeout is None else at + timeout
        unique = dict.fromkeys(tasks)
        if any(task._context is not conductor.context for task in unique):
            raise ValueError("a task of another client: each client follows its own tasks")
        self._all = tuple(unique)
        for task in self._all:
            if task.done():
                self._done.append(task)
            else:
                self._agenda.add(task, at)
        self._unfinished = len(self._agenda)

    def begin(self) -> None:
        """Sets the first worker on, if there is anything to do. Whoever begins must `stop` and `dismiss`."""
        with self._conductor.lock:
            self._conductor.gates += (self._work, self._news)
        if self._unfinished:
            self._hire()

    def finished(self) -> Steps[TaskT | None]:
        """The next task that is done, or that could not be followed any further; None after the last.

        WaitTimeout when the time is up first, ClientClosed when the client is closed.
        """
        while True:
            with self._conductor.lock:
                seen = self._news.version
                if self._done:
                    return self._done.popleft()
                if not self._unfinished:
                    return None
                if self._conductor.closed:
                    raise ClientClosed("the client was closed while its tasks went on")
                if self._broken is not None:
                    raise self._broken
                left = self._left()
                if left is not None and left <= 0:
                    raise self._expired()
            yield Pause(self._news, seen, left)

    def work(self) -> Steps[None]:
        """One worker's share: takes turns until nothing is left to do."""
        try:
            while True:
                task = yield from self._next()
                if task is None:
                    return
                yield from self._turn(task)
        except GeneratorExit:
            raise
        except BaseException as error:  # a mistake in a transport, say: the consumer is to see it, and nobody waits on
            self._broken = error
            self.stop()

    def stop(self) -> None:
        """Ends the work: the workers leave when the step that they are at is over."""
        with self._conductor.lock:
            self._stopped = True
            self._work.open()
            self._news.open()
        self._conductor.wake(self)

    def dismiss(self) -> None:
        """Lets go of the tasks that are not done, after the workers have left."""
        conductor = self._conductor
        with conductor.lock:
            for task in self._agenda.clear():
                self._release(task)
            conductor.gates = tuple(gate for gate in conductor.gates if gate not in (self._work, self._news))

    def notified(self, task: TaskBase[Any]) -> None:
        """A hint: the task is due now."""
        with self._conductor.lock:
            if not self._stopped and task._machine.state is State.SLEEPING:
                self._agenda.add(cast(TaskT, task), self._conductor.now())
                self._work.open(1)
        self._conductor.wake(self)

    def _next(self) -> Steps[TaskT | None]:
        """The task whose turn it is, as soon as there is one; None when this worker is not needed any more."""
        conductor = self._conductor
        while True:
            with conductor.lock:
                if self._over():
                    self._work.open()
                    return None
                at = conductor.now()
                delay = self._agenda.delay(at)
                if delay is not None and delay <= 0:
                    task = self._agenda.take(at)
                    if self._is_due(task, at):
                        self._pass_on(at)
                        return task
                    continue
                seen = self._work.version
                sleeps = delay is not None and not self._sleeper
                self._sleeper = self._sleeper or sleeps
                self._idle += not sleeps
                left = self._left()
            try:
                if sleeps:
                    yield Rest(min(cast(float, delay), float("inf") if left is None else left), self)
                else:
                    yield Pause(self._work, seen)
            finally:
                with conductor.lock:
                    if sleeps:
                        self._sleeper = False
                    else:
                        self._idle -= 1

    def _over(self) -> bool:
        """Whether the work has ended. Under the lock."""
        left = self._left()
        if left is not None and left <= 0 and not self._stopped:
            self._stopped = True
            self._news.open()
        return self._stopped or not self._unfinished or self._conductor.closed

    def _pass_on(self, at: float) -> None:
        """This worker is busy from now on: somebody else is to look after the rest. Under the lock."""
        if self._idle:
            self._work.open(1)
        elif len(self._agenda) and not self._sleeper:
            self._hire()

    def _is_due(self, task: TaskT, at: float) -> bool:
        """An entry is void when a hint has overtaken it. Under the lock."""
        machine = task._machine
        if task._leader is not self:
            return True
        if machine.state in (State.SLEEPING, State.BACKING_OFF):
            return at >= machine.due or task._hinted
        return machine.state is not State.SENDING

    def _turn(self, task: TaskT) -> Steps[None]:
        """Looks at a task once, and puts it down for the next time, unless it is done."""
        conductor, machine = self._conductor, task._machine
        with conductor.lock:
            if task._leader not in (None, self) and not task.done():
                self._agenda.add(task, conductor.now() + _BUSY_ELSEWHERE)
                return
            task._leader = self
        conductor.hint_ahead(task)
        hinted = task._take_hint()
        at = conductor.now()
        event: Event = Began(at) if machine.state in (State.IDLE, State.DONE) else Notified(at) if hinted else Woke(at)
        try:
            while True:
                with conductor.lock:
                    commands = machine.handle(event)
                task._tell(commands)
                command = commands[-1]
                if not isinstance(command, Send):
                    break
                event = yield from self._look(task, command)
        except BaseException:
            self._release(task)
            raise
        with conductor.lock:
            if isinstance(command, Sleep):
                # A hint that came after the exchange was read has found the machine busy, and nobody to wake.
                hinted = task._hinted and machine.state is State.SLEEPING
                self._agenda.add(task, event.at + (0.0 if hinted else command.seconds))
                if isinstance(event, Failed) and _refused(event.error):
                    self._agenda.hold(event.at, command.seconds)
                return
            assert isinstance(command, Finish)
            self._release(task)
            self._unfinished -= 1
            if not conductor.closed:
                self._done.append(task)
            self._news.open()
            if not self._unfinished:
                self._work.open()

    def _look(self, task: TaskT, command: Send) -> Steps[Event]:
        event: Event = yield from self._conductor.ask(task, command)
        if self._conductor.closed and isinstance(event, Failed):
            return Cancelled(event.at)
        if isinstance(event, (Responded, Failed)) and task._take_hint():
            with self._conductor.lock:
                task._machine.handle(Notified(event.at))
        return event

    def _release(self, task: TaskT) -> None:
        machine = task._machine
        with self._conductor.lock:
            if task._leader is self:
                task._leader = None
                if machine.state not in (State.IDLE, State.DONE):
                    machine.handle(Cancelled(self._conductor.now()))
        self._conductor.changed.open()

    def _left(self) -> float | None:
        return None if self._deadline is None else self._deadline - self._conductor.now()

    def _expired(self) -> WaitTimeout:
        """With the resume token of the first task that is not done; each of the others has its own."""
        pending = [task for task in self._all if not task.done()]
        text = f"{len(pending)} of {len(self._all)} tasks not done in time"
        return WaitTimeout(text, pending[0].resume_token if pending else "")


class Waited(Struct, Generic[TaskT]):
    """What came of waiting for many: the tasks that are done, or can't be followed any further, and all the others.

    May be taken apart, as what `concurrent.futures.wait` returns: `done, not_done = client.tasks.wait(tasks)`.
    """

    done: set[TaskT]
    not_done: set[TaskT]

    def __iter__(self) -> Iterator[set[TaskT]]:
        return iter((self.done, self.not_done))

    def note(self, task: TaskT) -> None:
        """Moves a task from the one set to the other."""
        self.not_done.discard(task)
        self.done.add(task)


class Batch(Generic[TaskT]):
    """Submissions that are made together; `work` is one worker's share. Nothing is lost when one of them fails."""

    def __init__(
        self,
        conductor: Conductor,
        requests: Iterable[TaskRequest[Any]],
        operation_of: Callable[[TaskRequest[Any]], Operation[Any]],
        task_of: Callable[[str, Operation[Any], TaskRequest[Any]], TaskT],
    ) -> None:
        self._conductor = conductor
        self._requests = list(requests)
        self._operations = [operation_of(request) for request in self._requests]
        self._task_of = task_of
        self._taken = 0
        self._tasks: dict[int, TaskT] = {}
        self._errors: dict[int, Exception] = {}
        for operation in self._operations:
            if operation.status is None:
                raise TypeError(f"{operation.path} starts no task: use client.call")

    @property
    def size(self) -> int:
        """How many submissions there are."""
        return len(self._requests)

    def work(self) -> Steps[None]:
        """One worker's share: submits until nothing is left."""
        while True:
            with self._conductor.lock:
                index = self._taken
                if index >= len(self._requests):
                    return
                self._taken += 1
            operation = self._operations[index]
            try:
                task_id = yield from self._conductor.submit(operation, self._requests[index])
            except Exception as error:
                self._errors[index] = error
                continue
            task = self._tasks[index] = self._task_of(task_id, operation, self._requests[index])
            self._conductor.submitted(task)

    def tasks(self) -> list[TaskT]:
        """The tasks in the order of their requests. SubmissionsFailed, with all that came about, where one failed."""
        if self._errors:
            raise SubmissionsFailed(dict(sorted(self._tasks.items())), dict(sorted(self._errors.items())))
        return [self._tasks[index] for index in range(self.size)]


def _refused(error: AltcraftError) -> bool:
    return isinstance(error, ApiError) and (error.http_status in _REFUSALS or error.code in _REFUSALS)
