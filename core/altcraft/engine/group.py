"""Many tasks at once: a few workers take turns from one agenda, so that no task needs a thread, a coroutine or a timer.

A worker is a generator of steps like any other; a crew runs some of them, in threads or in a loop. Whoever finds
nothing to do sleeps until the next task is due, unless somebody does so already: the others wait at a gate.

Rules, beside those of the agenda:

1. A task has one leader, who polls for it, and a fleet leads it from its first poll until it is delivered or let go.
2. A task that the fleet leads is either in somebody's turn, or stands in the agenda once.
3. When the fleet stops, whatever stands in the agenda is let go at once, and what is in a turn when that ends.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from math import inf
from typing import Any, Generic, TypeVar, cast

from msgspec import Struct

from altcraft.engine.effects import Effects, SleepFor, Step, WaitFor
from altcraft.engine.engine import Engine, tell
from altcraft.engine.followed import TaskBase
from altcraft.engine.schedule import Schedule
from altcraft.errors import AltcraftError, ApiError, ClientClosed, WaitTimeout
from altcraft.tasks.events import Began, Cancelled, Command, Event, Failed, Notified, Responded, Send, Sleep, Woke
from altcraft.tasks.machine import State

__all__ = ["Group", "Waited"]

TaskT = TypeVar("TaskT", bound=TaskBase[Any])

_REFUSALS = (429, 503)
_BUSY_ELSEWHERE = 1.0
"""Seconds until a task that somebody else polls for is looked at again."""
_IN_ORDER = 1e-8
"""Seconds between the tasks of a new fleet, so that they are first looked at in the order in which they were given."""
_HELD_UP = 1.0
"""Seconds that nobody sleeps too long, but for a process that was held up."""
_CUT = 0.05
"""Seconds after the fleet's deadline in which an exchange ends at the latest."""


class Group(Generic[TaskT]):
    """Tasks that are followed together; `work` is one worker's share, `finished` what the consumer waits for.

    `hire` is called when there is work for one more worker; it may decline, by False, and is not called again then.
    Whoever hires tells of a worker that broke off by `failed`, and has the fleet `stop`, whatever happens.
    """

    def __init__(
        self,
        engine: Engine,
        tasks: Iterable[TaskT],
        timeout: float | None,
        max_polls_per_second: float | None,
        hire: Callable[[], bool],
    ) -> None:
        self._conductor = engine
        self._agenda: Schedule[TaskT] = Schedule(max_polls_per_second)
        self._done: deque[TaskT] = deque()
        self._turns: set[TaskT] = set()
        self._owed: dict[TaskT, Send] = {}  # polls that hints during a poll have earned
        self._hire = hire
        self._may_hire = True
        self._work = engine.gate()
        self._news = engine.gate()
        self._alarm = inf  # when the first of those who sleep will wake up
        self._idle = 0  # how many wait at the gate
        self._stopped = False
        self._pending: TaskT | None = None  # one that was not done when the fleet stopped
        self._broken: BaseException | None = None
        at = engine.now()
        self._deadline = inf if timeout is None else at + timeout
        unique = dict.fromkeys(tasks)
        if any(task._context is not engine.context for task in unique):
            raise ValueError("a task of another client: each client follows its own tasks")
        self._size = len(unique)
        for place, task in enumerate(unique):
            if task.done():
                self._done.append(task)
            else:
                self._agenda.add(task, at - (self._size - place) * _IN_ORDER)
        self._unfinished = len(self._agenda)

    def begin(self) -> None:
        """Sets the first worker on, if there is anything to do."""
        with self._conductor.lock:
            self._conductor.gates += (self._work, self._news)
            if self._unfinished:
                self._may_hire = self._hire()

    def finished(self) -> Effects[TaskT | None]:
        """The next task that is done, or that could not be followed any further; None after the last.

        WaitTimeout when the time is up first, ClientClosed when the client is closed, what broke a worker's turn.
        """
        while True:
            with self._conductor.lock:
                seen = self._news.version
                if self._done:
                    return self._done.popleft()
                if self._broken is not None:
                    raise self._broken
                if not self._unfinished:
                    return None
                if self._conductor.closed:
                    raise ClientClosed("the client was closed while its tasks went on")
                left = self._deadline - self._conductor.now()
            if left <= 0:
                self.stop()
                raise self._expired()
            yield WaitFor(self._news, seen, None if left == inf else left)

    def work(self) -> Effects[None]:
        """One worker's share: takes turns until nothing is left to do."""
        while not self._is_over():
            turn = self._take()
            if turn is None:
                yield from self._rest()
            else:
                yield from self._turn(*turn)

    def failed(self, error: BaseException) -> None:
        """A worker has broken off, over a mistake in a transport, say: the consumer is to hear of it."""
        with self._conductor.lock:
            if self._stopped:
                return
            self._broken = error
        self.stop()

    def stop(self) -> None:
        """Ends the work. May be called twice, by anybody."""
        engine = self._conductor
        with engine.lock:
            if self._stopped:
                return
            self._stopped = True
            tasks = self._agenda.clear()
            self._pending = next(iter(tasks or self._turns), None)
            for task in tasks:
                self._release(task)
            engine.gates = tuple(gate for gate in engine.gates if gate not in (self._work, self._news))
            self._work.open()
            self._news.open()
        engine.changed.open()
        engine.wake(self)

    def notified(self, task: TaskBase[Any]) -> None:
        """A hint, or the end of a task that somebody else has seen: the task is due now."""
        with self._conductor.lock:
            place = task._place
            if task._leader is not self or place is None or task._machine.state is State.BACKING_OFF:
                return  # in somebody's turn, who will see the hint; or to be left alone for a while
            self._agenda.withdraw(place)
            self._put(cast(TaskT, task), self._conductor.now())
        self._conductor.wake(self)

    # What a worker does.

    def _is_over(self) -> bool:
        """Whether this worker is not needed any more."""
        if self._deadline != inf and self._conductor.now() >= self._deadline:
            self.stop()
        return self._stopped or not self._unfinished or self._conductor.closed

    def _take(self) -> tuple[TaskT, Send, float] | None:
        """The task whose turn it is, if there is one, with a poll of it begun now."""
        engine = self._conductor
        with engine.lock:
            at = engine.now()
            turn = self._take_due(at)
            # This worker is busy from now on: somebody is to look after the rest.
            if turn is not None and (self._idle or self._may_hire) and self._agenda.next_start() < self._alarm:
                if self._idle:
                    self._work.open(1)
                else:
                    self._may_hire = self._hire()
            return turn

    def _rest(self) -> Effects[None]:
        """Until there may be something to do."""
        engine, agenda = self._conductor, self._agenda
        until = inf
        step: Step
        with engine.lock:
            at = engine.now()
            start = agenda.next_start()
            if start <= at or self._stopped or not self._unfinished or engine.closed:
                return
            sleeps = start < self._alarm
            if sleeps:
                self._alarm = start
                until = min(start, self._deadline, at + engine.longest_sleep)
                step = SleepFor(until - at, self)
            else:
                self._idle += 1
                step = WaitFor(self._work, self._work.version)
        try:
            yield step
        finally:
            with engine.lock:
                if not sleeps:
                    self._idle -= 1
                elif self._alarm == start:
                    self._alarm = inf
        with engine.lock:
            at = engine.now()
            if at - until > _HELD_UP:
                agenda.held_up(at, min(at - until, engine.policies.polling.maximum))

    def _turn(self, task: TaskT, command: Send, sent: float) -> Effects[None]:
        """Looks at a task once, and puts it down for the next time, unless it is done."""
        engine, machine = self._conductor, task._machine
        if self._deadline != inf:
            command = Send(min(command.timeout, max(self._deadline - sent, 0.0) + _CUT))
        try:
            event: Event = yield from engine.ask(task, command)
            with engine.lock:
                if isinstance(event, Failed) and (engine.closed or self._stopped or event.at >= self._deadline):
                    event = Cancelled(event.at)  # the end was near, which may be why it failed
                elif task._take_hint():
                    machine.handle(Notified(event.at))
                commands = machine.handle(event)
            tell(task, commands)
        except BaseException:
            with engine.lock:
                self._turns.discard(task)
                self._release(task)
            engine.changed.open()
            raise
        with engine.lock:
            is_news = self._put_down(task, commands[-1], event, sent)
        if is_news:  # told outside the lock, for whoever hears of it takes that first
            self._tell()

    def _take_due(self, at: float) -> tuple[TaskT, Send, float] | None:
        """The task that is due longest, if one is. Under the lock."""
        agenda = self._agenda
        while agenda.next_start() <= at:
            task = agenda.take()
            machine = task._machine
            if machine.outcome is not None:  # somebody else has seen its end
                self._deliver(task)
                self._tell()
                continue
            if task._leader is not self:
                if task._leader is not None:
                    agenda.add(task, machine.due if machine.due > at else at + _BUSY_ELSEWHERE)
                    continue
                task._leader = self
            task._place = None
            command = self._owed.pop(task) if task in self._owed else self._woken(task, at)
            if isinstance(command, Send):
                agenda.started(at)
                self._turns.add(task)
                return task, command, at
            self._sleep(task)
        return None

    def _woken(self, task: TaskT, at: float) -> Command:
        """What the machine of a task that is due wants done."""
        machine, hinted = task._machine, task._take_hint()
        if machine.state is not State.IDLE:
            return machine.handle(Notified(at) if hinted else Woke(at))[-1]
        if hinted:
            machine.handle(Notified(at))
        return machine.handle(Began(at))[-1]

    def _put_down(self, task: TaskT, command: Command, event: Event, sent: float) -> bool:
        """What follows from a look at a task: whether there is news for the consumer. Under the lock."""
        self._turns.discard(task)
        if self._agenda.refusals and isinstance(event, Responded):
            self._agenda.answered(sent)
        if isinstance(command, Sleep):
            if isinstance(event, Failed) and _is_refusal(event.error):
                self._agenda.refused(sent, event.at, command.seconds, self._conductor.policies.retry.maximum)
            # A hint that came after the exchange was read has found the task in its turn.
            if task._hinted and task._machine.state is State.SLEEPING:
                self._put(task, event.at)
            else:
                self._sleep(task)
        elif isinstance(command, Send):
            self._owed[task] = command
            self._put(task, event.at)
        elif self._conductor.closed or isinstance(event, Cancelled):
            self._release(task)
            self._conductor.changed.open()
        else:
            self._deliver(task)
            return True
        return False

    def _sleep(self, task: TaskT) -> None:
        """Puts a task down for when its machine is to be woken. Under the lock."""
        self._put(task, task._machine.due)
        if task._place is not None:
            task._machine.due = task._place  # the same time, kept once

    def _put(self, task: TaskT, due: float) -> None:
        """Puts a task that the fleet leads down for that time, or lets it go. Under the lock."""
        if self._stopped:
            self._release(task)
            self._conductor.changed.open()
        else:
            task._place = self._agenda.add(task, due)

    def _deliver(self, task: TaskT) -> None:
        """The consumer is to have it. Under the lock."""
        self._release(task)
        self._unfinished -= 1
        self._done.append(task)

    def _tell(self) -> None:
        """Whoever waits for what has come about goes on."""
        self._news.open()
        self._conductor.changed.open()
        if not self._unfinished:
            self._work.open()

    def _release(self, task: TaskT) -> None:
        """Somebody else may lead the task now. Under the lock."""
        if task._leader is self:
            task._leader = task._place = None
            if task._machine.state not in (State.IDLE, State.DONE):
                task._machine.handle(Cancelled(self._conductor.now()))

    def _expired(self) -> WaitTimeout:
        """With the resume token of one of the tasks that are not done; each of the others has its own."""
        token = "" if self._pending is None else self._pending.resume_token
        return WaitTimeout(f"{self._unfinished} of {self._size} tasks not done in time", token)


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


def _is_refusal(error: AltcraftError) -> bool:
    return isinstance(error, ApiError) and (error.http_status in _REFUSALS or error.code in _REFUSALS)
