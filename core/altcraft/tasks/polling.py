"""When to poll a task again: `Polling` decides, and `History` is all that it knows. Pure: no clock, no dice.

The rules of `Polling.next_delay`, in the order in which they apply:

1. Nothing tells when the task will end: geometric steps, `initial * factor**k` up to `maximum`, with jitter.
2. Progress has moved: the task is expected to end within an interval (`History.forecast`). No poll before the interval
   can find the task done, so poll when it opens. Within the interval, poll after a third of the time that is left of
   it. Once it is narrow, poll when it closes.
3. The interval has closed and the task still runs: geometric steps again, from the grain. The steps of a task never
   become shorter again, so a task whose progress creeps (99, 99.1, 99.2 ...) is not polled too often.
4. No delay is shorter than the grain, a small share of the task's age, nor longer than `maximum`.
5. A hint is to announce the end: wait for it, until it is late. It is late after the interval of rule 2, or, where
   progress has not moved, after `hint_patience`; then geometric steps from there. Once it is late, rules 1 to 4 hold.
6. While the client waits for a hint, it reviews whether to go on waiting, each time the task's age has grown by an
   eighth (`next_review`): the circuit breaker for hints may have opened.

Seconds everywhere. Page: docs/explanation/polling.md.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from math import inf
from sys import intern

import msgspec

from altcraft.tasks.jitter import fraction, seed_of

__all__ = ["History", "Polling"]

# Jitter draws a delay from the middle third of a step. The mean delay, half a step, decides how many polls a task
# takes. A wider spread would add lag, since a task is likelier to end within a long delay than within a short one.
_SHORTEST, _LONGEST = 1 / 3, 2 / 3
# How precisely the end is found, as a share of the task's age; kept within [initial / 4, initial].
_GRAIN = 1 / 32
# How soon a wait for a hint is reviewed, as a share of the task's age; at least `initial` / 2.
_REVIEW = 1 / 8
# A forecast puts the next poll at most so many ages of the task ahead: a pace may change.
_REACH = 1.5


class History(msgspec.Struct, frozen=True, gc=False):
    """What the polls of one task have shown so far, in constant memory.

    Times are seconds on the caller's monotonic clock. Safe to share: `observed` returns a new value.
    """

    started: float
    """When the task was submitted here, or first polled."""
    submitted: bool
    """True: the work began at `started`, at 0 per cent. False: a resumed task, whose beginning is unknown."""
    task_id: str
    """The seed of the jitter: tasks that were submitted together get different schedules."""
    at: float
    """When the last poll was answered."""
    moved_at: float
    """When a poll last showed a change of status or progress; `started` before the first."""
    before: float
    """The last poll before `moved_at`. The change itself happened between the two."""
    origin: float | None
    """The moment from which the pace is measured: progress was `base` then. None while there is none."""
    base: float = 0
    polls: int = 0
    status: str = ""
    progress: float = 0
    """The last valid progress, within 0..100; 0 before the first."""
    quantum: float = 100
    """The smallest step of progress so far."""
    late: int = 0
    """How many polls found the task still running after its expected end."""
    announced: bool = False
    """True: a hint is to announce the end."""

    @classmethod
    def begin(cls, started: float, submitted: bool, task_id: str, *, announced: bool = False) -> History:
        """The history of a task before its first poll."""
        origin = started if submitted else None
        return cls(started, submitted, task_id, started, started, started, origin, announced=announced)

    @property
    def seed(self) -> int:
        """The seed of the jitter."""
        return seed_of(self.task_id)

    def observed(self, at: float, status: str, progress: float | None) -> History:
        """This history with one more answered poll. Takes any progress, and ignores one that is not a number."""
        at = at if at >= self.at else self.at
        seen = self.progress
        if progress is not None and progress == progress:  # NaN is unequal to itself
            seen = 0 if progress < 0 else 100 if progress > 100 else progress
        late = self.late
        if self.origin is not None and (forecast := self.forecast()) is not None and at >= forecast[1]:
            late += 1
        first = self.polls == 0
        status = self.status if status == self.status else intern(status)  # thousands of tasks share a few words
        origin, base, quantum = self.origin, self.base, self.quantum
        moved_at, before = at, self.at
        if seen == self.progress and (status == self.status or first):
            moved_at, before = self.moved_at, self.before
        elif first and not self.submitted:
            pass  # the progress of a resumed task does not tell when the task reached it
        elif seen < self.progress:
            origin, base, quantum = at, seen, 100  # the work began anew
        elif seen > self.progress:
            quantum = min(quantum, seen - self.progress)
            if origin is None:
                origin, base = at, seen
        elif origin is not None and seen == base:
            origin = at  # "queued" became "running": the time in the queue says nothing about the pace
        return History(
            self.started, self.submitted, self.task_id, at, moved_at, before, origin, base,
            self.polls + 1, status, seen, quantum, late, self.announced,
        )  # fmt: skip

    def forecast(self) -> tuple[float, float] | None:
        """The earliest and the latest time at which the task ends if its pace is even; None where nothing tells.

        Progress comes in steps, so it is known within an interval when the task reached a certain progress. It reached
        the present one between `before` and `moved_at`, and had not reached the next one, a quantum further, at `at`.
        """
        if self.origin is None or self.progress <= self.base:
            return None
        done, whole = self.progress - self.base, 100 - self.base
        high = (self.moved_at - self.origin) / done * whole
        low = (self.before - self.origin) / done * whole
        low = max(low, (self.at - self.origin) / min(done + self.quantum, whole) * whole)
        return self.origin + low, self.origin + max(low, high)


class Polling(msgspec.Struct, frozen=True, kw_only=True):
    """How often to poll a task that is not done, and which statuses end it.

    An immutable value, safe to share. Raises ValueError for settings that make no sense.
    """

    initial: float = 1.0
    """The first step, in seconds."""
    maximum: float = 30.0
    """No delay is longer, in seconds."""
    factor: float = 1.5
    """Each step is so many times as long as the one before it."""
    jitter: bool = True
    """Spread the delays, so that tasks that were submitted together are not polled together."""
    predict: bool = True
    """Poll when the task is expected to end, where its progress tells."""
    hint_patience: float = 10.0
    """Seconds for which the client waits for the hint of a task with feedback; 0: polled like any other task."""
    hint_checks: int = 8
    """How many tasks with feedback a client polls once while it waits for a hint, to notice missing hints sooner."""
    stall_after: float | None = None
    """Seconds without a change of status or progress after which a task counts as stalled; None: never."""
    deadline: float | None = None
    """Seconds from its submission that a task may take; None: any number."""
    grace: float = 5.0
    """Seconds after its submission in which a NotFound about a task means "not there yet", since replicas lag."""
    done: Collection[str] = frozenset({"completed", "success"})
    """Statuses of a task that has ended well. Any iterable of strings; kept as a frozenset."""
    failed: Collection[str] = frozenset({"failed", "error", "canceled", "cancelled"})
    """Statuses of a task that has ended badly. Any iterable of strings; kept as a frozenset."""

    def __post_init__(self) -> None:
        if not 0 < self.initial / 4 < inf:  # a quarter of it is the shortest delay there is
            raise ValueError(f"Polling(initial={self.initial!r}): give the first step as seconds above 0")
        if not self.initial <= self.maximum < inf:
            raise ValueError(f"Polling(maximum={self.maximum!r}): give at least initial, {self.initial!r} s")
        if not 1 <= self.factor < inf:
            raise ValueError(f"Polling(factor={self.factor!r}): give 1 for equal steps, more for growing")
        if not 0 <= self.hint_patience < inf:
            raise ValueError(f"Polling(hint_patience={self.hint_patience!r}): give seconds, 0 for no patience")
        if not self.hint_checks >= 0:
            raise ValueError(f"Polling(hint_checks={self.hint_checks!r}): give a number of tasks, 0 for none")
        if not 0 <= self.grace < inf:
            raise ValueError(f"Polling(grace={self.grace!r}): give seconds, 0 for none")
        for name, seconds in (("stall_after", self.stall_after), ("deadline", self.deadline)):
            if seconds is not None and not 0 < seconds < inf:
                raise ValueError(f"Polling({name}={seconds!r}): give seconds above 0, or None for no limit")
        done, failed = _statuses("done", self.done), _statuses("failed", self.failed)
        if both := done & failed:
            raise ValueError(f"Polling: {sorted(both)} in both done and failed; leave each in one of them")
        msgspec.structs.force_setattr(self, "done", done)
        msgspec.structs.force_setattr(self, "failed", failed)

    def replace(self, **changes: object) -> Polling:
        """A copy with changes. Raises ValueError as the constructor does."""
        changed = msgspec.structs.replace(self, **changes)
        changed.__post_init__()  # msgspec 0.19 does not call it
        return changed

    def next_delay(self, history: History) -> float:
        """Seconds from `history.at` to the next poll: above 0, at most `maximum` (or `hint_patience`). Pure."""
        step = _step(self.initial, self.factor, history.polls - 1 if history.polls else 0, self.maximum)
        chance = 0.5
        if self.jitter:
            chance = fraction(seed_of(history.task_id), history.polls)
            step *= _SHORTEST + (_LONGEST - _SHORTEST) * chance
        forecast = history.forecast() if self.predict else None
        if history.announced and self.awaits_hint(history):
            return self._patient_delay(history, forecast, chance)
        if forecast is None:
            return step

        low, high = forecast
        at, age = history.at, history.at - history.started
        grain = self._grain(age)
        if history.late:
            grain = _step(grain, self.factor, history.late, step)
        if at >= high:
            delay = grain
        elif high - max(low, at) <= 2 * grain:
            delay = high - at + grain * chance  # a little later, since the task may end a little late
        elif low - at > grain:
            delay = low - at
        else:
            delay = (high - at) / 3
        return min(max(grain, min(delay, age * _REACH)), self.maximum)

    def awaits_hint(self, history: History) -> bool:
        """Whether the client waits for a hint: one is to announce the end, and it is not late yet."""
        return history.announced and not history.late and self.hint_patience > 0

    def next_review(self, history: History, at: float) -> float:
        """Seconds from `at` until the wait for a hint is reviewed: above 0, at most `maximum`."""
        chance = fraction(history.seed, history.polls) if self.jitter else 0.5
        age = at - history.started
        return min(max(age * _REVIEW, self.initial / 2) * (0.75 + chance / 2), self.maximum)

    def _patient_delay(self, history: History, forecast: tuple[float, float] | None, chance: float) -> float:
        at, age, patience = history.at, history.at - history.started, self.hint_patience
        grain, longest = self._grain(age), max(self.maximum, patience)
        if forecast is not None:
            return min(max(forecast[1] - at, 0.0) + grain * (0.5 + chance), longest)
        if age < patience:
            step = max(patience - age, grain)
        else:
            step = _step(patience, self.factor, history.polls - 1, longest)
        return min(step + patience * chance / 4, longest) if self.jitter else step

    def _grain(self, age: float) -> float:
        return min(max(age * _GRAIN, self.initial / 4), self.initial)


def _step(first: float, factor: float, k: int, most: float) -> float:
    try:
        step = first * factor**k
    except OverflowError:
        return most
    return step if step < most else most


def _statuses(name: str, given: Iterable[object]) -> frozenset[str]:
    items = () if isinstance(given, str) else tuple(given)
    statuses = frozenset(item for item in items if isinstance(item, str))
    if isinstance(given, str) or not all(isinstance(item, str) for item in items):
        raise ValueError(f"Polling({name}={given!r}): give a set of strings, such as {{'completed'}}")
    return statuses
