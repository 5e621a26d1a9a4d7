"""The task machine under a driver that meets anything, in any order."""

from __future__ import annotations

import math

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from altcraft import (
    AltcraftError,
    ApiError,
    ClientClosed,
    ConnectError,
    ConnectionLost,
    DecodeError,
    NotFound,
    Polling,
    RateLimited,
    RequestTimeout,
    Retry,
    TaskFailed,
    TaskStalled,
    TaskStatus,
    WaitTimeout,
)
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
    Send,
    Sleep,
    Woke,
)
from altcraft.tasks.machine import LAST_POLL, State
from tasks.machines import DONE, FAILED, REQUEST_TIMEOUT, task

errors = st.sampled_from(
    [
        ConnectError("c"),
        ConnectionLost("l"),
        RequestTimeout("r"),
        RateLimited(429, "", 429, 7.0),
        ApiError(503, "", 503),
        NotFound(404),
        DecodeError("d"),
    ]
)
open_states = st.builds(
    TaskStatus,
    st.sampled_from(["queued", "running", "", "finishing"]),
    st.none() | st.integers(-1, 101) | st.floats(),
    st.sampled_from([None, ["partial"]]),
)
end_states = st.sampled_from([DONE, FAILED, TaskStatus("success", None, []), TaskStatus("cancelled", 1)])
states = open_states | open_states | open_states | end_states
moments = st.sampled_from([0.0, 0.001, 0.3, 1.0, 5.0, 40.0]) | st.floats(0, 100)
timeouts = st.none() | st.sampled_from([0.0, 0.5, 20.0]) | st.floats(0, 300)


class Driving(RuleBasedStateMachine):
    """A driver that meets late answers, early wakes, hints, other exchanges and a client that closes."""

    @initialize(
        polling=st.builds(
            Polling,
            initial=st.sampled_from([0.1, 1.0]),
            factor=st.sampled_from([1.0, 2.0]),
            jitter=st.booleans(),
            predict=st.booleans(),
            stall_after=st.none() | st.just(25.0),
            deadline=st.none() | st.just(120.0),
        ),
        attempts=st.integers(1, 3),
        submitted=st.booleans(),
    )
    def begin(self, polling: Polling, attempts: int, submitted: bool) -> None:
        self.polling = polling
        self.machine = task(polling, Retry(attempts=attempts), at=0.0, submitted=submitted)
        self.now = 0.0
        self.pending: Command | None = None  # None: no wait is under way
        self.deadline = math.inf
        self.ends: list[Emit] = []
        self.seen: list[object] = []
        self.hinted = False  # during the exchange that is under way

    def feed(self, event: Event) -> None:
        waited = self.pending
        commands = self.machine.handle(event)
        for command in commands:
            if isinstance(command, Emit):
                (self.seen if command.what == "progress" else self.ends).append(command)
        rest = [command for command in commands if not isinstance(command, Emit)]
        assert len(rest) <= 1
        assert all(isinstance(command, Emit) for command in commands[: len(commands) - len(rest)])
        if not rest:
            assert isinstance(event, (Notified, Observed))
            return
        (self.pending,) = rest
        self.check(self.pending, event, waited)

    def check(self, command: Command, event: Event, waited: Command | None) -> None:
        left = self.deadline - event.at
        if isinstance(command, Send):
            assert self.machine.outcome is None
            assert 0 < command.timeout <= REQUEST_TIMEOUT
            assert command.timeout <= (left if left > 0 else LAST_POLL)
            # Past the deadline a poll only begins a wait, or ends a sleep: no second last poll.
            assert left > 0 or isinstance(event, (Began, Woke, Notified))
            self.hinted = False
        elif isinstance(command, Sleep):
            assert self.machine.outcome is None
            assert command.seconds >= 0
            assert event.at + command.seconds <= self.deadline + 1e-9
            assert command.seconds <= max(self.polling.maximum, 30.0)
        else:
            assert isinstance(command, Finish)
            self.finished(command, event, left)
            self.pending = None

    def finished(self, finish: Finish, event: Event, left: float) -> None:
        if finish.error is None:
            assert self.machine.status is not None
            assert self.machine.status.status in self.polling.done
            assert finish.result == self.machine.status.result
        elif isinstance(finish.error, TaskFailed):
            assert finish.error.status.status in self.polling.failed
        elif isinstance(finish.error, TaskStalled):
            assert self.polling.stall_after is not None
            assert event.at - self.machine.history.moved_at >= self.polling.stall_after
        elif isinstance(finish.error, WaitTimeout):
            assert left <= 0
            assert isinstance(event, (Responded, Failed))  # after a last poll, never out of a sleep
        elif isinstance(finish.error, ClientClosed):
            assert isinstance(event, Cancelled)
        else:
            assert isinstance(event, Failed)
            assert finish.error is event.error

    @precondition(lambda self: self.pending is None)
    @rule(timeout=timeouts, later=moments)
    def a_wait_begins(self, timeout: float | None, later: float) -> None:
        self.now += later
        given = None if timeout is None else self.now + timeout
        own = math.inf if self.polling.deadline is None else self.polling.deadline
        self.deadline = min(own, math.inf if given is None else given)
        known = self.machine.outcome
        self.feed(Began(self.now, given))
        assert self.pending is None if known is not None else isinstance(self.pending, Send)

    @precondition(lambda self: isinstance(self.pending, Send))
    @rule(state=states, later=moments)
    def the_exchange_is_answered(self, state: TaskStatus[object], later: float) -> None:
        self.now += later
        hinted, known, shown = self.hinted, self.machine.outcome, len(self.seen)
        self.feed(Responded(self.now, state))
        assert len(self.seen) == shown + (known is None)
        if isinstance(self.pending, Send):
            assert hinted  # nothing else follows a poll with a poll

    @precondition(lambda self: isinstance(self.pending, Send))
    @rule(error=errors, later=moments)
    def the_exchange_fails(self, error: AltcraftError, later: float) -> None:
        self.now += later
        self.feed(Failed(self.now, error))
        assert not isinstance(self.pending, Send)

    @precondition(lambda self: isinstance(self.pending, Sleep))
    @rule(share=st.sampled_from([0.0, 0.5, 1.0, 1.0, 1.0, 3.0]))
    def the_sleep_ends_early_in_time_or_late(self, share: float) -> None:
        assert isinstance(self.pending, Sleep)
        due = self.now + self.pending.seconds
        self.now = max(due, self.machine.due) if share == 1.0 else self.now + self.pending.seconds * share
        self.feed(Woke(self.now))
        if share >= 1.0:
            assert not isinstance(self.pending, Sleep)

    @rule(hints=st.integers(1, 5))
    def hints_come(self, hints: int) -> None:
        for _ in range(hints):
            self.hinted = isinstance(self.pending, Send)
            self.feed(Notified(self.now))

    @rule(state=states, later=moments)
    def another_exchange_is_answered(self, state: TaskStatus[object], later: float) -> None:
        if isinstance(self.pending, Sleep):
            later = min(later, self.pending.seconds)
            self.pending = Sleep(self.pending.seconds - later)
        self.now += later
        self.feed(Observed(self.now, state))

    @rule()
    def the_client_closes(self) -> None:
        known = self.machine.outcome
        self.feed(Cancelled(self.now))
        assert self.pending is None
        assert self.machine.outcome is known

    @invariant()
    def one_end_is_emitted_and_only_when_it_is_known(self) -> None:
        if not hasattr(self, "machine"):
            return
        assert len(self.ends) == (self.machine.outcome is not None)
        assert (self.machine.state is State.DONE) == (self.machine.outcome is not None)


Driving.TestCase.settings = settings(max_examples=settings.default.max_examples * 3 // 5, stateful_step_count=30)
TestDrivingInAnyOrder = Driving.TestCase
