"""Many tasks at once: a few workers take turns from one schedule. No task needs a thread, a coroutine or a timer.

A worker is a generator of effects; threads or coroutines run a few of them. An idle worker sleeps until the next poll
is due. Only one worker sleeps; the others wait to be woken.

Rules, beside those of the schedule:

1. A task has one leader. A group leads a task from its first poll until the task is delivered or released.
2. A task that the group leads is either in a worker's turn, or stands in the schedule once.
3. When the group stops, it releases what stands in the schedule at once, and what is in a turn when that turn ends.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from math import inf
from typing import Any, Generic, TypeVar

from msgspec import Struct

from altcraft.engine.effects import Effect, Effects, SleepFor, WaitFor
from altcraft.engine.engine import Engine
from altcraft.engine.followed import Followed, Handle, followed_of
from altcraft.engine.schedule import Due, Schedule
from altcraft.errors import AltcraftError, ApiError, ClientClosed, ConnectError, UsedAfterFork, WaitTimeout
from altcraft.hooks import ObservedWait
from altcraft.tasks.events import Cancelled, Command, Event, Failed, Finish, Responded, Send, Sleep

__all__ = ["Group", "Waited"]

TaskT = TypeVar("TaskT", bound=Handle[Any])

_LED_ELSEWHERE = 1.0
"""Seconds until the group looks again at a task that another wait leads."""
_IN_ORDER = 1e-8
"""Seconds between the tasks of a new group, so that their first polls come in the order in which they were given."""
_HELD_UP = 1.0
"""A worker that sleeps so many seconds too long was held up together with its whole process."""
_CUT = 0.05
"""Seconds after the group's deadline in which an exchange ends at the latest."""


class Group(Generic[TaskT]):
    """Tasks that are followed together. `work` is one worker's share, `finished` what the consumer waits for.

    The group calls `spawn` when there is work for one more worker; `spawn` may decline by returning False, and is not
    called again then. The caller reports a worker that broke off by `failed`, and calls `stop` in the end.
    """

    def __init__(
        self,
        engine: Engine,
        tasks: Iterable[TaskT],
        timeout: float | None,
        max_polls_per_second: float | None,
        spawn: Callable[[], bool],
    ) -> None:
        self._engine = engine
        self.process = engine.process
        self._schedule: Schedule[TaskT] = Schedule(max_polls_per_second)
        self._done: deque[TaskT] = deque()
        self._turns: set[TaskT] = set()
        self._waits: dict[TaskT, ObservedWait] = {}  # of whose start the observers have heard
        self._errors: dict[TaskT, AltcraftError] = {}  # of those that can't be followed any further
        self._owed: dict[TaskT, Send] = {}  # polls that hints during a poll have earned
        self._spawn = spawn
        self._may_spawn = True
        self._work = engine.runner.signal()
        self._news = engine.runner.signal()
        self._alarm = inf  # when the worker that sleeps will wake up
        self._idle = 0  # workers that wait to be woken
        self._stopped = False
        self._pending: TaskT | None = None  # one that was not done when the group stopped
        self._broken: BaseException | None = None
        at = engine.now()
        self._deadline = inf if timeout is None else at + timeout
        unique = dict.fromkeys(tasks)
        if any(followed_of(task).engine is not engine for task in unique):
            raise ValueError("a task of another client: each client follows its own tasks")
        self._size = len(unique)
        for place, task in enumerate(unique):
            if followed_of(task).outcome is not None:
                self._done.append(task)
            else:
                self._schedule.add(task, at - (self._size - place) * _IN_ORDER)
        self._unfinished = len(self._schedule)

    def begin(self) -> None:
        """Tells the observers of waits, then spawns the first worker if a task is unfinished."""
        if self._engine.hooks.observes_waits:
            for task in self._schedule:
                wait = self._engine.begin_wait(task, is_grouped=True)
                if wait is not None:
                    self._waits[task] = wait
        with self._engine.lock:
            self._engine.add_signals(self._work, self._news)
            if self._unfinished:
                self._may_spawn = self._spawn()

    def finished(self) -> Effects[TaskT | None]:
        """The next task that is done, or that can't be followed any further; None after the last.

        WaitTimeout when the time is up first, ClientClosed when the client is closed, what broke a worker's turn.
        """
        while True:
            if self.process is not self._engine.process:
                raise UsedAfterFork("this iteration belongs to the process that began it: begin one after the fork")
            with self._engine.lock:
                seen = self._news.version
                task = self._done.popleft() if self._done else None
                if task is None and self._broken is not None:
                    raise self._broken
                if task is None and self._unfinished and self._engine.closed:
                    raise ClientClosed("the client was closed while its tasks went on")
                left = self._deadline - self._engine.now()
            if task is not None:
                self._end_wait(task, self._errors.pop(task, None))
                return task
            if not self._unfinished:
                return None
            if left <= 0:
                self.stop()
                raise self._expired()
            yield WaitFor(self._news, seen, None if left == inf else left)

    def end_waits(self, error: BaseException | None) -> None:
        """Lets the observers hear of the end of those waits that have not ended. From the consumer."""
        if error is None and self._waits:
            error = self._expired()
        for task in tuple(self._waits):
            self._end_wait(task, None if followed_of(task).outcome is not None else error)

    def _end_wait(self, task: TaskT, error: BaseException | None) -> None:
        self._engine.end_wait(task, self._waits.pop(task, None), error)

    def work(self) -> Effects[None]:
        """One worker's share: takes turns until nothing is left to do."""
        while not self._is_over():
            turn = self._take()
            if turn is None:
                yield from self._rest()
            else:
                yield from self._turn(*turn)

    def failed(self, error: BaseException) -> None:
        """A worker has broken off, over a mistake in a transport, say: the consumer raises the error."""
        with self._engine.lock:
            if self._stopped:
                return
            self._broken = error
        self.stop()

    def stop(self) -> None:
        """Ends the work. May be called twice, from any thread."""
        engine = self._engine
        with engine.lock:
            if self._stopped:
                return
            self._stopped = True
            tasks = self._schedule.clear()
            self._pending = next(iter(tasks or self._turns), None)
            for task in tasks:
                self._release(followed_of(task))
            engine.remove_signals(self._work, self._news)
            self._work.notify()
            self._news.notify()
        engine.changed.notify()
        engine.runner.wake(self)

    def notified(self, followed: Followed[Any]) -> None:
        """There is a hint about a task, or its end was seen elsewhere: the task is due now."""
        with self._engine.lock:
            place = followed.due
            if followed.leader is not self or not isinstance(place, Due) or followed.is_backing_off:
                return
            task = place.entry
            if task is None:  # in a worker's turn, which ends with a look at the hint
                return
            self._schedule.withdraw(place)
            self._put(task, self._engine.now())
        self._engine.runner.wake(self)

    # What a worker does.

    def _is_over(self) -> bool:
        """Whether this worker is not needed any more."""
        if self._deadline != inf and self._engine.now() >= self._deadline:
            self.stop()
        return self._stopped or not self._unfinished or self._engine.closed

    def _take(self) -> tuple[TaskT, Send, float] | None:
        """The task whose turn it is, if there is one, with a poll of it begun now."""
        engine = self._engine
        with engine.lock:
            at = engine.now()
            turn = self._take_due(at)
            # This worker is busy from now on: another one looks after the rest.
            if turn is not None and (self._idle or self._may_spawn) and self._schedule.next_start() < self._alarm:
                if self._idle:
                    self._work.notify(1)
                else:
                    self._may_spawn = self._spawn()
            return turn

    def _rest(self) -> Effects[None]:
        """Waits until there may be something to do."""
        engine, schedule = self._engine, self._schedule
        until = inf
        effect: Effect
        with engine.lock:
            at = engine.now()
            start = schedule.next_start()
            if start <= at or self._stopped or not self._unfinished or engine.closed:
                return
            sleeps = start < self._alarm
            if sleeps:
                self._alarm = start
                until = min(start, self._deadline, at + engine.runner.longest_sleep)
                effect = SleepFor(until - at, self)
            else:
                self._idle += 1
                effect = WaitFor(self._work, self._work.version)
        try:
            yield effect
        finally:
            with engine.lock:
                if not sleeps:
                    self._idle -= 1
                elif self._alarm == start:
                    self._alarm = inf
        with engine.lock:
            at = engine.now()
            if at - until > _HELD_UP:
                schedule.held_up(at, min(at - until, engine.policies.polling.maximum))

    def _turn(self, task: TaskT, command: Send, sent: float) -> Effects[None]:
        """Polls a task once, and puts it into the schedule again, unless it is done."""
        engine, followed = self._engine, followed_of(task)
        timeout = command.timeout
        if self._deadline != inf:
            timeout = min(timeout, max(self._deadline - sent, 0.0) + _CUT)
        try:
            event, next_command = yield from engine.send_poll(task, timeout, self._ends_by, self._waits.get(task))
        except BaseException:
            with engine.lock:
                self._turns.discard(task)
                self._release(followed)
            engine.changed.notify()
            raise
        with engine.lock:
            is_news = self._put_back(task, next_command, event, sent)
        if is_news:  # outside the lock, which the consumer takes first
            self._announce()

    def _ends_by(self, at: float) -> bool:
        return self._engine.closed or self._stopped or at >= self._deadline

    def _take_due(self, at: float) -> tuple[TaskT, Send, float] | None:
        """The task that is due longest, if one is. Under the lock."""
        schedule = self._schedule
        while schedule.next_start() <= at:
            task = schedule.take()
            followed = followed_of(task)
            if followed.outcome is not None:  # its end was seen elsewhere
                self._deliver(task)
                self._announce()
                continue
            if followed.leader is not self:
                if followed.leader is not None:
                    schedule.add(task, followed.due if followed.due > at else at + _LED_ELSEWHERE)
                    continue
                followed.lead(self, keep_place=True)
            command = self._owed.pop(task) if task in self._owed else followed.begin(at)
            if isinstance(command, Send):
                schedule.started(at)
                self._turns.add(task)
                return task, command, at
            self._put(task, followed.due)
        return None

    def _put_back(self, task: TaskT, command: Command, event: Event, sent: float) -> bool:
        """What follows from a poll: whether there is news for the consumer. Under the lock."""
        followed = followed_of(task)
        self._turns.discard(task)
        if self._schedule.refusals and isinstance(event, Responded):
            self._schedule.answered(sent)
        if isinstance(command, Sleep):
            if isinstance(event, Failed) and self._is_refusal(event.error):
                self._schedule.refused(sent, event.at, command.seconds, self._engine.policies.retry.maximum)
            # A hint that came after the answer was read has found the task in its turn.
            is_due = followed.is_hinted and not followed.is_backing_off
            self._put(task, event.at if is_due else followed.due)
        elif isinstance(command, Send):
            self._owed[task] = command
            self._put(task, event.at)
        elif self._engine.closed or isinstance(event, Cancelled):
            self._release(followed)
            self._engine.changed.notify()
        else:
            if followed.outcome is None and isinstance(command, Finish) and command.error is not None:
                self._errors[task] = command.error
            self._deliver(task)
            return True
        return False

    def _put(self, task: TaskT, due: float) -> None:
        """Puts a task that the group leads into the schedule, or releases it after the stop. Under the lock."""
        followed = followed_of(task)
        if self._stopped:
            self._release(followed)
            self._engine.changed.notify()
        else:
            followed.due = self._schedule.add(task, due)  # the time and the place in the schedule, kept as one object

    def _deliver(self, task: TaskT) -> None:
        """The consumer gets the task. Under the lock."""
        self._release(followed_of(task))
        self._unfinished -= 1
        self._done.append(task)

    def _announce(self) -> None:
        """Lets the consumer go on, and the waits that want to lead."""
        self._news.notify()
        self._engine.changed.notify()
        if not self._unfinished:
            self._work.notify()

    def _is_refusal(self, error: AltcraftError) -> bool:
        """Whether the failure of one poll says that the others would fail likewise: all hold back together."""
        return isinstance(error, (ApiError, ConnectError)) and self._engine.policies.retry.may_help(error, safe=True)

    def _release(self, followed: Followed[Any]) -> None:
        """Lets another wait lead. Under the lock."""
        if followed.leader is self:
            followed.release()

    def _expired(self) -> WaitTimeout:
        """With the resume token of one of the tasks that are not done; each of the others has its own."""
        token = "" if self._pending is None else followed_of(self._pending).resume_token
        return WaitTimeout(f"{self._unfinished} of {self._size} tasks not done in time", token)


class Waited(Struct, Generic[TaskT]):
    """What came of waiting for many tasks: those that are done, or can't be followed any further, and the others.

    Unpacks like the result of `concurrent.futures.wait`: `done, not_done = client.tasks.wait(tasks)`.
    """

    done: set[TaskT]
    not_done: set[TaskT]

    def __iter__(self) -> Iterator[set[TaskT]]:
        return iter((self.done, self.not_done))

    def note(self, task: TaskT) -> None:
        """Moves a task from `not_done` to `done`."""
        self.not_done.discard(task)
        self.done.add(task)
