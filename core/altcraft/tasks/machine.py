"""The task loop as a state machine: events in, commands out. No I/O, no clock, no thread.

The engine feeds one event, carries out the commands that it gets, and turns what came of the last one into the next
event. Every event carries the time at which it happened, in seconds of the engine's monotonic clock.

Rules (docs/explanation/task-machine.md numbers them alike):

1. A wait ends with final data or with an error, never with a partial state.
2. The first poll is immediate. Every sleep and every exchange's timeout is cut to what is left until the deadline. A
   sleep that was cut is followed by one last poll, at the deadline, which may take up to one second.
3. Three settings have three jobs: `request_timeout` bounds one exchange, `Retry` repeats a failed exchange, `Polling`
   paces a task that is not done.
4. Watchers of the progress see the terminal state too. Each task handle emits exactly one of completed and failed.
5. A hint makes the machine poll now, and only the poll is believed. A hint during a poll earns one more poll after it,
   however many hints there were. A hint during a backoff does not shorten the backoff.
6. A poll may be repeated after any failure that another attempt may cure. For an answer that can't be read, that is so
   three times in a row. A submission is repeated only when nothing can have been sent.
7. An unknown status is data: the task goes on. `progress` never ends a task, not even at 100.
8. When a wait ends without an outcome, the task goes on, and the same handle may be waited for again.
9. A task with feedback is not polled until its hint is late, as long as the circuit breaker for hints is closed. The
   machine wakes now and then without a poll, to read the breaker again, and to take one of the few checks. A hint that
   came before the end is spent: from then on the task is polled like any other.

A machine lives as long as its handle, and serves one wait at a time (`Began` starts it). A status that another exchange
has learnt meanwhile comes in as `Observed`.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from math import inf
from typing import ClassVar, TypeAlias

from msgspec import Struct, structs

from altcraft.errors import (
    AltcraftError,
    ApiError,
    ClientClosed,
    DecodeError,
    NotFound,
    TaskFailed,
    TaskStalled,
    WaitTimeout,
    at_progress,
)
from altcraft.schema import Feedback, TaskStatus, TaskStatusRequest
from altcraft.tasks.events import (
    Began,
    Cancelled,
    Commands,
    Emit,
    Event,
    Failed,
    Finish,
    Notified,
    Observed,
    Responded,
    Send,
    Sleep,
    Woke,
)
from altcraft.tasks.hints import HintBreaker
from altcraft.tasks.polling import History, Polling
from altcraft.tasks.resume import Parked
from altcraft.tasks.retry import Retry

__all__ = ["CallMachine", "Policies", "State", "TaskMachine"]

LAST_POLL = 1.0
"""Seconds that the last poll, which starts at the deadline, may take."""

FAILURES_KEPT = 16
"""Failed exchanges in a row that a machine remembers: the first and the last ones."""

LONGEST_REASON = 200
"""Characters of a failure's text that a machine remembers."""

UNREADABLE_POLLS = 3
"""How often in a row a poll is repeated when its answer can't be read."""

_UNREADABLE = "DecodeError: "  # how the text of such a failure begins, also of a codec's own kind of DecodeError

TOO_LATE_TO_POLL = 0.1
"""Seconds before the deadline in which no poll starts."""


class State(enum.Enum):
    """Where a machine stands. Only DONE is final."""

    IDLE = "no wait is under way"
    SENDING = "an exchange is under way"
    SLEEPING = "the next poll is not due yet"
    BACKING_OFF = "the repetition of a failed exchange is not due yet"
    DONE = "the outcome is known"

    __hash__ = object.__hash__  # an enumeration's own is written in Python, and looked up with every event


_IDLE, _SENDING, _SLEEPING, _BACKING_OFF, _DONE = State  # State.IDLE runs Python code, too, until 3.12


Table: TypeAlias = "dict[tuple[State, type[Event]], Callable[..., Commands]]"


class Policies(Struct, frozen=True):
    """What the machines of one client go by. `request_timeout` is in seconds."""

    polling: Polling
    retry: Retry
    request_timeout: float


class Awaited(Struct):
    """What only a task with feedback needs.

    `hints` is the client's circuit breaker. `prompted` says that a hint has led to the poll under way. `late_at` is
    when the hint counts as late; 0 while the machine does not wait for one.
    """

    feedback: Feedback | None
    hints: HintBreaker
    prompted: bool = False
    late_at: float = 0.0


class Wait(Struct, frozen=True):
    """One wait for a task: when it began, and when it ends at the latest."""

    began: float
    deadline: float


_UNBOUNDED = Wait(-inf, inf)  # shared by all waits that have neither a deadline nor a stall watch


class Ended(Struct, frozen=True):
    """How a task has ended: the terminal answer, and the outcome."""

    status: TaskStatus[object]
    outcome: Finish


class _Machine:
    """Looks every event up in its class's table. An event that the table lacks is the engine's mistake."""

    __slots__ = ("due", "failed", "policies", "state")

    TABLE: ClassVar[Table]

    def __init__(self, policies: Policies) -> None:
        self.policies = policies
        self.state = _IDLE
        self.failed: tuple[tuple[float, str], ...] = ()  # the failures in a row: when, and what
        self.due = 0.0

    def handle(self, event: Event) -> Commands:
        """The commands to carry out now. Not thread-safe: the engine calls it under its lock."""
        step = self.TABLE.get((self.state, type(event)))
        if step is None:
            raise RuntimeError(f"{type(event).__name__} makes no sense while {self.state.value}")
        return step(self, event)

    def _sleep(self, at: float, until: float, state: State) -> Commands:
        self.state = state
        self.due = until
        return (Sleep(until - at),)

    def _ignore(self, event: Event) -> Commands:
        return ()


class CallMachine(_Machine):
    """One exchange with its retries: a submission (`safe` False), or a reading that may be repeated freely."""

    __slots__ = ("safe", "seed")

    def __init__(self, policies: Policies, *, safe: bool, seed: int = 0) -> None:
        super().__init__(policies)
        self.safe = safe
        self.seed = seed

    def _send(self, event: Event) -> Commands:
        self.state = _SENDING
        return (Send(self.policies.request_timeout),)

    def _answer(self, event: Responded) -> Commands:
        return self._end(Finish(result=event.answer))

    def _retry(self, event: Failed) -> Commands:
        retry = self.policies.retry
        delay = retry.next_delay(len(self.failed) + 1, event.error, safe=self.safe, seed=self.seed)
        if delay is None or delay > retry.maximum:  # a server may ask for a day; the caller decides about that
            return self._end(Finish(error=event.error))
        self.failed += (_described(event),)
        return self._sleep(event.at, event.at + delay, _BACKING_OFF)

    def _wake(self, event: Woke) -> Commands:
        if event.at < self.due:
            return (Sleep(self.due - event.at),)
        return self._send(event)

    def _cancel(self, event: Cancelled) -> Commands:
        return self._end(Finish(error=ClientClosed()))

    def _end(self, finish: Finish) -> Commands:
        self.state = _DONE
        return (finish,)

    TABLE: ClassVar[Table] = {
        (_IDLE, Began): _send,
        (_IDLE, Cancelled): _cancel,
        (_SENDING, Responded): _answer,
        (_SENDING, Failed): _retry,
        (_SENDING, Cancelled): _cancel,
        (_BACKING_OFF, Woke): _wake,
        (_BACKING_OFF, Cancelled): _cancel,
    }


def _described(event: Failed) -> tuple[float, str]:
    kind = _UNREADABLE if isinstance(event.error, DecodeError) else f"{type(event.error).__name__}: "
    return event.at, kind + event.error.message()[:LONGEST_REASON]


class TaskMachine(_Machine):
    """A task that is followed until it is done.

    `history` is what the polls have shown, `outcome` the Finish of a task that is done. `awaited` is set for a task
    with feedback. A client may hold thousands of machines, so each is small.
    """

    __slots__ = ("_seen", "_wait", "awaited", "hinted", "history", "operation")

    def __init__(
        self,
        task_id: str,
        operation: str,
        policies: Policies,
        *,
        at: float,
        submitted: bool,
        feedback: Feedback | None = None,
        hints: HintBreaker | None = None,
    ) -> None:
        self.history = History.begin(at, submitted, task_id, announced=feedback is not None)
        super().__init__(policies)
        self.operation = operation
        self._wait = _UNBOUNDED
        self.awaited = None if feedback is None else Awaited(feedback, hints or HintBreaker())
        self.hinted = False
        self._seen: float | Ended | None = None  # the progress of the last answer; once done, how the task has ended

    @property
    def task_id(self) -> str:
        """The platform's id of the task."""
        return self.history.task_id

    @property
    def outcome(self) -> Finish | None:
        """The result or the failure of a task that is done; None while it goes on."""
        return self._seen.outcome if isinstance(self._seen, Ended) else None

    @property
    def status(self) -> TaskStatus[object] | None:
        """The last answer. While the task goes on, without the partial result that it may have held."""
        if isinstance(self._seen, Ended):
            return self._seen.status
        return TaskStatus(self.history.status, self._seen) if self.history.polls else None

    @property
    def request(self) -> TaskStatusRequest:
        """What every poll of this task sends."""
        return TaskStatusRequest(self.history.task_id)

    # Waiting begins.

    def _begin(self, event: Began) -> Commands:
        polling = self.policies.polling
        deadline = inf if event.deadline is None else event.deadline
        if polling.deadline is not None:
            deadline = min(deadline, self.history.started + polling.deadline)
        bounded = deadline < inf or polling.stall_after is not None
        self._wait = Wait(event.at, deadline) if bounded else _UNBOUNDED
        self.failed = ()
        return self._poll(event)

    def _poll(self, event: Event) -> Commands:
        self.state = _SENDING
        if self.awaited is not None:
            self.awaited.prompted = self.hinted or isinstance(event, Notified)
        self.hinted = False
        left = self._wait.deadline - event.at
        return (Send(min(self.policies.request_timeout, left if left > 0 else LAST_POLL)),)

    # An exchange comes back.

    def _answer(self, event: Responded) -> Commands:
        self.failed = ()
        emits = self._learn(event)
        return emits + (self._pace(event) if self.state is not _DONE else self._settled(event))

    def _pace(self, event: Event) -> Commands:
        """The task is not done: sleep until the next poll, unless the time is up."""
        limit = self._wait.deadline
        if event.at >= limit:
            return self._give_up(self._expired())
        polling = self.policies.polling
        stalled_at = inf
        if polling.stall_after is not None:
            stalled_at = max(self.history.moved_at, self._wait.began) + polling.stall_after  # what this wait saw
            if event.at >= stalled_at:
                text = f"no progress for {polling.stall_after:g} s, {self._standing()}"
                return self._give_up(TaskStalled(text, status=self.status))
        awaited = self.awaited
        if awaited is not None and self.history.announced and (awaited.prompted or not awaited.hints.is_closed):
            self.history = structs.replace(self.history, announced=False)
        if self.hinted:
            return self._poll(event)
        due = event.at + polling.next_delay(self.history)
        if due > stalled_at:
            due = stalled_at
        if due > limit - TOO_LATE_TO_POLL:  # it would be cut off; the last poll, at the deadline, may take longer
            due = limit
        if awaited is not None:
            awaited.late_at = due if polling.awaits_hint(self.history) else 0.0
            if awaited.late_at:
                return self._await_hint(event.at, awaited)
        return self._sleep(event.at, due, _SLEEPING)

    def _await_hint(self, at: float, awaited: Awaited) -> Commands:
        """No poll: sleep until the machine reads the breaker again, or until the hint is late."""
        until = at + self.policies.polling.next_review(self.history, at)
        return self._sleep(at, min(until, awaited.late_at), _SLEEPING)

    def _retry(self, event: Failed) -> Commands:
        retry, limit = self.policies.retry, self._wait.deadline
        if self._may_appear(event):
            delay = self.policies.polling.next_delay(self.history)
        elif not self.may_cure(event.error):
            return self._give_up(event.error)
        else:
            since = self.failed[0][0] if self.failed else event.at
            if event.at >= since + retry.patience and event.at < limit:
                return self._give_up(event.error)
            self._note(event)
            delay = retry.delay(len(self.failed), event.error, seed=self.history.seed)
            asked = event.error.retry_after if isinstance(event.error, ApiError) else None
            delay = max(min(delay, since + retry.patience - event.at), asked or 0.0)
        if event.at >= limit:
            return self._give_up(self._expired(event.error))
        return self._sleep(event.at, min(event.at + delay, limit), _BACKING_OFF)

    def may_cure(self, error: AltcraftError) -> bool:
        """Whether another poll may be answered although this one has failed so.

        A proxy may have cut an answer short, or have given one of its own: what can't be read is asked for a few times.
        """
        if not isinstance(error, DecodeError):
            return self.policies.retry.may_help(error, safe=True)
        last = self.failed[-UNREADABLE_POLLS:]
        is_used_up = len(last) == UNREADABLE_POLLS and all(text.startswith(_UNREADABLE) for _, text in last)
        return not (error.is_lasting or is_used_up)

    def _may_appear(self, event: Failed) -> bool:
        """Whether the platform may not know the task yet: its replicas lag behind a submission."""
        history = self.history
        young = history.submitted and event.at < history.started + self.policies.polling.grace
        return young and isinstance(event.error, NotFound)

    def _note(self, event: Failed) -> None:
        """Keeps the first failure and the last few, which is all that an error of a long outage shows."""
        kept = self.failed if len(self.failed) < FAILURES_KEPT else (self.failed[0], *self.failed[2:])
        self.failed = (*kept, _described(event))

    # A sleep ends, or is to end.

    def _wake(self, event: Woke) -> Commands:
        if event.at < self.due:
            return (Sleep(self.due - event.at),)
        awaited = self.awaited
        is_early = awaited is not None and self.state is _SLEEPING and event.at < awaited.late_at
        if awaited is not None and is_early and awaited.hints.is_closed and not self._is_to_check(event.at, awaited):
            return self._await_hint(event.at, awaited)
        return self._poll(event)

    def _is_to_check(self, at: float, awaited: Awaited) -> bool:
        """Whether this task takes one of the few checks: a poll although its hint is not late."""
        polling, history = self.policies.polling, self.history
        if not polling.predict or history.polls != 1 or at - history.started < 2 * polling.initial:
            return False
        return history.forecast() is None and awaited.hints.check(polling.hint_checks)

    def _hint(self, event: Notified) -> Commands:
        self.hinted = True
        return ()

    def _hint_in_backoff(self, event: Notified) -> Commands:
        self.hinted = True
        return (Sleep(max(0.0, self.due - event.at)),)

    def _cancel(self, event: Cancelled) -> Commands:
        return self._give_up(ClientClosed("the client was closed while the task went on"))

    # What is known.

    def _observe(self, event: Observed) -> Commands:
        return self._learn(event)

    def _learn(self, event: Responded | Observed) -> Commands:
        """Takes an answer in. The first terminal one settles the outcome."""
        status = event.answer
        assert isinstance(status, TaskStatus)
        if self.state is _DONE:
            return ()
        self._seen = status.progress
        self.history = self.history.observed(event.at, status.status, status.progress)
        seen = Emit("progress", status)
        polling = self.policies.polling
        if status.status in polling.done:
            outcome = Finish(result=status.result)
            end = Emit("completed", status.result)
        elif status.status in polling.failed:
            error = TaskFailed(status)
            error.locate(self.operation, None, self.task_id)
            outcome = Finish(error=error)
            end = Emit("failed", error)
        else:
            return (seen,)
        self.state = _DONE
        self._seen = Ended(status, outcome)
        if self.awaited is not None and isinstance(event, Responded):
            self.awaited.hints.record(announced=self.awaited.prompted or self.hinted)
        return (seen, end)

    def _settled(self, event: Event) -> Commands:
        assert isinstance(self._seen, Ended)
        return (self._seen.outcome,)

    def out_of_time(self, cause: AltcraftError | None = None) -> Finish:
        """The end of a wait whose time is up. `cause` is what the last exchange failed with, if it did."""
        return Finish(error=self._expired(cause))

    def _expired(self, cause: AltcraftError | None = None) -> WaitTimeout:
        failed = "; the last poll failed" if cause is not None else ""
        error = WaitTimeout(f"not done in time, {self._standing()}{failed}", status=self.status)
        error.__cause__ = cause
        error.locate(self.operation, None, self.task_id)
        return error

    def _give_up(self, error: AltcraftError) -> Commands:
        """The wait ends. The task goes on, and may be waited for again."""
        error.locate(self.operation, None, self.task_id)
        self.state = _IDLE
        return (Finish(error=error),)

    def _standing(self) -> str:
        status = self.status
        if status is None:
            return "and no poll was answered"
        return f"last seen {status.status!r}{at_progress(status.progress)}"

    def postpone(self, at: float, seconds: float) -> Sleep:
        """Puts the next poll off, to `seconds` from now, or to the deadline if that comes first."""
        self.due = min(at + seconds, self._wait.deadline)
        return Sleep(max(self.due - at, 0.0))

    # A machine is parked, and another one goes on from there.

    def park(self) -> Parked:
        """Where the machine stands. One that is in the middle of an exchange will poll at once."""
        parked = {_SLEEPING: "sleeping", _SENDING: "sleeping", _BACKING_OFF: "backing_off"}.get(self.state, "idle")
        return Parked(
            parked,
            self.history.at if self.state is _SENDING else float(self.due),
            self.history,
            len(self.failed),
            self.failed[0][0] if self.failed else 0.0,
            self._wait.began,
            self._wait.deadline,
            None if self.awaited is None else self.awaited.late_at,
        )

    def unpark(self, parked: Parked, hints: HintBreaker) -> None:
        """Goes on where another machine was parked."""
        self.state = {"sleeping": _SLEEPING, "backing_off": _BACKING_OFF}.get(parked.state, _IDLE)
        self.due = parked.due
        self.history = parked.history
        if parked.failures:
            elsewhere = (parked.failing_since, "failed before the task was resumed")
            self.failed = (elsewhere,) * min(parked.failures, FAILURES_KEPT)
        if (parked.began, parked.deadline) != (_UNBOUNDED.began, _UNBOUNDED.deadline):
            self._wait = Wait(parked.began, parked.deadline)
        if parked.late_at is not None:
            self.awaited = Awaited(None, hints, late_at=parked.late_at)
        if self.history.polls:
            self._seen = self.history.progress

    TABLE: ClassVar[Table] = {
        (_IDLE, Began): _begin,
        (_IDLE, Notified): _hint,
        (_IDLE, Observed): _observe,
        (_IDLE, Cancelled): _cancel,
        (_SENDING, Responded): _answer,
        (_SENDING, Failed): _retry,
        (_SENDING, Notified): _hint,
        (_SENDING, Observed): _observe,
        (_SENDING, Cancelled): _cancel,
        (_SLEEPING, Woke): _wake,
        (_SLEEPING, Notified): _poll,
        (_SLEEPING, Observed): _observe,
        (_SLEEPING, Cancelled): _cancel,
        (_BACKING_OFF, Woke): _wake,
        (_BACKING_OFF, Notified): _hint_in_backoff,
        (_BACKING_OFF, Observed): _observe,
        (_BACKING_OFF, Cancelled): _cancel,
        (_DONE, Began): _settled,
        (_DONE, Responded): _settled,
        (_DONE, Failed): _settled,
        (_DONE, Woke): _settled,
        (_DONE, Notified): _settled,
        (_DONE, Observed): _Machine._ignore,
        (_DONE, Cancelled): _settled,
    }
