"""What both clients do, without the I/O: generators that yield effects (`altcraft.engine.effects`) for a runner."""

from __future__ import annotations

import math
import os
import threading
import weakref
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any, Generic, TypeVar, cast

from altcraft.codecs import make_ready
from altcraft.engine.effects import Effects, Runner, SendRequest, Signal, SleepFor, WaitFor
from altcraft.engine.followed import Followed, Handle, OnProgress, followed_of
from altcraft.engine.submission import (
    check_traceparent,
    checked_key,
    checked_note,
    may_be_processed,
    resumed_submission,
    without_credentials,
)
from altcraft.errors import AltcraftError, BadRequest, ClientClosed, ConnectionLost, NotFound, TransportError
from altcraft.exchange import Exchange
from altcraft.hooks import Hooks, ObservedExchange, ObservedWait, Submission, TaskHandle
from altcraft.operations import TASK_STATUS, Operation, unknown_task
from altcraft.schema import Feedback, Request, TaskStatus, TaskStatusRequest
from altcraft.tasks.budget import TokenBucket
from altcraft.tasks.events import (
    Began,
    Cancelled,
    Command,
    Commands,
    Event,
    Failed,
    Finish,
    Responded,
    Send,
    Sleep,
    Woke,
)
from altcraft.tasks.hints import HintBreaker
from altcraft.tasks.machine import LAST_POLL, CallMachine, Policies, TaskMachine
from altcraft.tasks.polling import History
from altcraft.tasks.resume import Parked, ResumeToken
from altcraft.wire.messages import HttpResponse

__all__ = ["Engine", "Polls"]

R = TypeVar("R")
T = TypeVar("T")

NO_TASK = "00000000-0000-0000-0000-000000000000"
"""The id that a check asks for."""
_LED_ELSEWHERE = 1.0
"""Seconds after which a step looks again at a task that a wait or a group leads."""


class Engine:
    """One client's wire, policies and state.

    `lock` guards the machines, and is never held while an effect is carried out. `changed` is notified when a wait
    stops to lead a task. `handle` makes what users hold of a followed task.
    """

    def __init__(
        self,
        exchange: Exchange,
        hooks: Hooks,
        policies: Policies,
        runner: Runner,
        handle: Callable[[Followed[Any]], Handle[Any]],
    ) -> None:
        self.exchange = exchange
        self.hooks = hooks
        self.policies = policies
        self.runner = runner
        self.now = runner.now
        self.hints = HintBreaker()
        self.budget = TokenBucket(policies.retry.budget)
        self.closed = False
        self._signals: tuple[Signal, ...] = ()
        self._begin_process()
        self._handle = handle
        self._polls: dict[Operation[Any], Polls[Any]] = {}
        self._ready: set[Operation[Any]] = set()
        _engines.add(self)

    def _begin_process(self) -> None:
        """Makes what belongs to one process: locks, and the leader of single waits."""
        self.lock = threading.RLock()
        self.changed = self.runner.signal()
        self.process = object()
        self._single_waits = SingleWaits(self.runner, self.process)

    def after_fork(self) -> None:
        """In a forked child: other threads may have held the locks, and the leaders are the parent's."""
        self._signals = ()
        self.runner.after_fork()
        self._begin_process()

    @property
    def host(self) -> str:
        """The installation's host, for messages."""
        return self.exchange.host

    def close(self) -> None:
        """Ends every wait with ClientClosed: the running ones now, the others when they begin."""
        self.closed = True
        for signal in (self.changed, *self._signals):
            signal.notify()

    def add_signals(self, *signals: Signal) -> None:
        """Has `close` notify these signals too. Under the lock."""
        self._signals += signals

    def remove_signals(self, *signals: Signal) -> None:
        """Takes them back. Under the lock."""
        self._signals = tuple(signal for signal in self._signals if signal not in signals)

    def is_locked_here(self) -> bool:
        """Whether this thread holds the lock."""
        try:
            threading.Condition(self.lock).notify(0)
        except RuntimeError:
            return False
        return True

    def wall(self, at: float) -> datetime:
        """A moment of the engine's clock, on the wall clock."""
        return datetime.fromtimestamp(self.runner.wall(at), timezone.utc)

    # One exchange with its retries.

    def submit(
        self, operation: Operation[R], request: Request[R], key: str | None = None, note: str = ""
    ) -> Effects[Handle[R]]:
        """Starts a task. Returns the handle on it."""
        if operation.status is None:
            raise TypeError(f"{operation.path} starts no task: use client.call")
        request = self.exchange.checked(operation.path, request)
        submission = Submission(
            checked_key(key),
            operation.path,
            without_credentials(request),
            self.wall(self.now()),
            checked_note(note),
            self.host,
        )
        in_doubt = False
        try:
            self.hooks.ask("altcraft_submitting", submission=submission)
            check_traceparent(submission.traceparent)
            in_doubt = True
            task_id = yield from self._repeat(operation, request, lambda reply: self.exchange.task_id(operation, reply))
        except BaseException as error:
            self.hooks.fire(
                "altcraft_submission_failed",
                submission=submission,
                error=error,
                in_doubt=in_doubt and may_be_processed(error),
            )
            raise
        task = self._follow_new(task_id, operation, submission, submitted=True)
        self.hooks.fire("altcraft_task_submitted", task=task, submission=submission)
        return task

    def call(self, operation: Operation[R], request: Request[R]) -> Effects[R]:
        """The answer of a plain operation."""
        if operation.status is not None:
            raise TypeError(f"{operation.path} starts a task: use client.submit")
        return (yield from self._repeat(operation, request, lambda reply: self.exchange.result(operation, reply)))

    def _repeat(self, operation: Operation[R], request: Request[R], read: Callable[[HttpResponse], T]) -> Effects[T]:
        """Sends a request until it is answered, or `Retry` gives up. `read` makes the answer of a reply."""
        self._make_ready(operation)
        machine = CallMachine(self.policies, safe=operation.safe, seed=id(request))

        def feed(event: Event) -> Command:
            command = machine.handle(event)[-1]
            if isinstance(event, Failed) and isinstance(command, Sleep):
                with self.lock:
                    if not self.budget.take(event.at):
                        return Finish(error=event.error)
            return command

        command = feed(Cancelled(self.now()) if self.closed else Began(self.now()))
        while not isinstance(command, Finish):
            if isinstance(command, Send):
                attempt = len(machine.failed) + 1
                command = yield from self._exchange(operation.path, request, read, command.timeout, feed, attempt)
            else:
                command = feed((yield from self._sleep(cast(Sleep, command))))
        if command.error is not None:
            command.error.locate(operation.path, self.host)
            self.add_attempts(command.error, machine.failed)
            raise command.error
        return cast(T, command.result)

    def check(self) -> Effects[None]:
        """Asks for a task that can't exist. That the platform does not know it is the wanted answer."""
        self._make_ready(unknown_task())
        task = self.resume(ResumeToken(task_id=NO_TASK), unknown_task())
        try:
            yield from self._poll(task)
        except (BadRequest, NotFound) as error:
            if error.__cause__ is not None:  # a reply without an envelope: not this API
                raise

    # Tasks.

    def resume(self, token: ResumeToken, operation: Operation[R]) -> Handle[R]:
        """A handle on a task that was submitted elsewhere, or earlier."""
        task = self._follow_new(token.task_id, operation, resumed_submission(token, operation), submitted=False)
        now, parked = self.now(), token.parked
        if parked is None and token.submitted_at is not None:
            started = token.submitted_at
            parked = Parked("idle", 0.0, History.begin(started, True, token.task_id))
        if parked is not None:
            # On a wall clock that is behind the other host's, no time has passed since the saving.
            passed = max(0.0, self.runner.wall(now) - token.saved_at)
            followed_of(task).unpark(parked.shifted(now - passed - token.saved_at))
        return task

    def status(self, task: Handle[R]) -> Effects[TaskStatus[R]]:
        """The status of a task, by exactly one exchange. No watcher and no hook hears of it as progress."""
        return cast("TaskStatus[R]", (yield from self._poll(task)).answer)

    def poll(
        self, task: Handle[R], timeout: float = math.inf, observed: ObservedWait | None = None
    ) -> Effects[TaskStatus[R]]:
        """The same; watchers and hooks hear of it, and it may settle the outcome."""
        event = yield from self._poll(task, timeout, observed)
        followed_of(task).observe(event.at, event.answer, task)
        return cast("TaskStatus[R]", event.answer)

    def step(self, task: Handle[R]) -> Effects[float | None]:
        """At most one exchange about a task. Seconds until the schedule wants the next one; None when it is done."""
        followed = followed_of(task)
        if followed.outcome is not None:
            return None
        self._unless_closed(followed)
        with self.lock:
            now = self.now()
            if followed.leader is not None:
                return max(followed.due - now, _LED_ELSEWHERE)
            if followed.is_parked and followed.due > now and not followed.is_hinted:
                return followed.due - now
            followed.lead(self._single_waits, keep_place=True)
        try:
            command = followed.begin(now)
            if isinstance(command, Send):
                _, command = yield from self.send_poll(task, command.timeout, lambda at: self.closed)
        finally:
            with self.lock:
                followed.park()
            self.changed.notify()
        if isinstance(command, Sleep):
            return max(command.seconds, 0.001)
        error = cast(Finish, command).error
        if error is not None and followed.outcome is None:
            error.locate(None, self.host)
            raise error
        return None

    def wait(self, task: Handle[R], timeout: float | None, on_progress: OnProgress[R] | None) -> Effects[Finish]:
        """The task's outcome, or the error that ends this wait. Of several waits for one task, one polls."""
        followed = followed_of(task)
        finish = followed.outcome
        if finish is not None:
            return finish
        deadline = None if timeout is None else self.now() + timeout
        watcher = None if on_progress is None else followed.watch(on_progress)
        ended_by: BaseException | None = None
        observed = self.begin_wait(task, is_grouped=False)
        try:
            if (yield from self._take_lead(followed, deadline)):
                finish = yield from self._follow(task, followed, deadline, observed)
            else:
                finish = yield from self._poll_at_deadline(task, followed, observed)
            if finish.error is not None:
                finish.error.locate(None, self.host)
                ended_by = None if followed.outcome is finish else finish.error
        except BaseException as error:
            ended_by = error
            raise
        finally:
            if watcher is not None:
                followed.unwatch(watcher)
            self.end_wait(task, observed, ended_by)
        return finish

    def begin_wait(self, task: Handle[Any], *, is_grouped: bool) -> ObservedWait | None:
        """Lets the observers hear that a wait begins. None where none of them observes waits."""
        if not self.hooks.observes_waits:
            return None
        observed = ObservedWait(is_grouped=is_grouped)
        self.hooks.fire("altcraft_wait_started", task=task, wait=observed)
        return observed

    def end_wait(self, task: Handle[Any], observed: ObservedWait | None, error: BaseException | None) -> None:
        """Lets them hear that it has ended."""
        if observed is not None:
            self.hooks.fire("altcraft_wait_ended", task=task, error=error, wait=observed)

    def send_poll(
        self,
        task: Handle[R],
        timeout: float,
        is_over: Callable[[float], bool],
        observed: ObservedWait | None = None,
    ) -> Effects[tuple[Event, Command]]:
        """One exchange about a task that has a leader: the event that its machine got, and the next command.

        A failure counts as the end of the wait where `is_over(at)` holds: the end was near, which may be why it failed.
        """
        followed = followed_of(task)
        fed: Event = Woke(0.0)  # replaced by what the exchange leads to
        commands: Commands = ()

        def feed(event: Event) -> Command:
            nonlocal commands, fed
            fed = Cancelled(event.at) if isinstance(event, Failed) and is_over(event.at) else event
            commands = followed.feed(fed)
            return commands[-1]

        polls = followed.polls
        self._make_ready(polls.operation)
        request = TaskStatusRequest(followed.id)
        command = yield from self._exchange(
            TASK_STATUS, request, polls.read, timeout, feed, followed.failures + 1, task, observed
        )
        followed.announce(commands, task)
        return fed, command

    def add_attempts(self, error: AltcraftError, failed: tuple[tuple[float, str], ...]) -> None:
        """Notes in an error what was tried before."""
        if failed:
            error.attempts = tuple((self.wall(at), reason) for at, reason in failed)

    def _follow_new(
        self, task_id: str, operation: Operation[R], submission: Submission | None, *, submitted: bool
    ) -> Handle[R]:
        polls = self._polls.get(operation)
        if polls is None:
            polls = self._polls[operation] = Polls(self, operation)
        feedback = getattr(submission.request, "feedback", None) if submission is not None and submitted else None
        machine = TaskMachine(
            task_id,
            operation.path,
            self.policies,
            at=self.now(),
            submitted=submitted,
            feedback=feedback if isinstance(feedback, Feedback) else None,
            hints=self.hints,
        )
        return self._handle(Followed(polls, machine, submission))

    def _poll(
        self, task: Handle[R], timeout: float = math.inf, observed: ObservedWait | None = None
    ) -> Effects[Responded]:
        followed = followed_of(task)
        self._unless_closed(followed)
        polls = followed.polls
        self._make_ready(polls.operation)
        request = TaskStatusRequest(followed.id)
        came: list[Event] = []
        timeout = min(timeout, self.policies.request_timeout)
        yield from self._exchange(TASK_STATUS, request, polls.read, timeout, came.append, 1, task, observed)
        (event,) = came
        if isinstance(event, Failed):
            self._unless_closed(followed, event.error)
            raise event.error
        return cast(Responded, event)

    def _take_lead(self, followed: Followed[R], deadline: float | None) -> Effects[bool]:
        """Waits until no other wait leads the task, and leads it; False when the deadline comes first."""
        while True:
            with self.lock:
                seen = self.changed.version
                if followed.leader is None:
                    followed.lead(self._single_waits)
                    return True
                if followed.outcome is not None:
                    return False
            self._unless_closed(followed)  # the leader may be held up in an exchange
            left = None if deadline is None else deadline - self.now()
            if left is not None and left <= 0:
                return False
            yield WaitFor(self.changed, seen, left)

    def _follow(
        self, task: Handle[R], followed: Followed[R], deadline: float | None, observed: ObservedWait | None
    ) -> Effects[Finish]:
        """Leads the task until its machine says that the wait is over."""
        try:
            first: Event = Cancelled(self.now()) if self.closed else Began(self.now(), deadline)
            command = followed.feed(first)[-1]
            while not isinstance(command, Finish):
                if isinstance(command, Send):
                    _, command = yield from self.send_poll(task, command.timeout, lambda at: self.closed, observed)
                else:
                    command = followed.feed((yield from self._sleep(cast(Sleep, command), followed)))[-1]
            return command
        finally:
            with self.lock:
                followed.release()
            self.changed.notify()

    def _poll_at_deadline(
        self, task: Handle[R], followed: Followed[R], observed: ObservedWait | None
    ) -> Effects[Finish]:
        """The deadline of a wait that does not lead: one poll of its own; the leader's next one may be far off."""
        cause: AltcraftError | None = None
        if followed.outcome is None:
            try:
                yield from self.poll(task, LAST_POLL, observed)
            except AltcraftError as error:
                if not followed.may_cure(error):
                    raise
                cause = error
        return followed.expired(cause)

    def _unless_closed(self, followed: Followed[Any], failure: AltcraftError | None = None) -> None:
        """Raises ClientClosed on a closed client, in place of the failure that closing has brought about."""
        if self.closed and (failure is None or isinstance(failure, TransportError)):
            error = ClientClosed("the client was closed while the task went on", followed.resume_token)
            error.locate(followed.operation, self.host, followed.id)
            raise error from failure

    def _make_ready(self, operation: Operation[Any]) -> None:
        if operation not in self._ready:
            self.exchange.check(operation)
            make_ready(*operation.types)
            self._ready.add(operation)

    # Effects.

    def _sleep(self, command: Sleep, key: object = None) -> Effects[Event]:
        if not self.closed:
            yield SleepFor(command.seconds, key)
        return Cancelled(self.now()) if self.closed else Woke(self.now())

    def _exchange(
        self,
        path: str,
        request: Request[Any],
        read: Callable[[HttpResponse], object],
        timeout: float,
        feed: Callable[[Event], T],
        attempt: int = 1,
        task: Handle[Any] | None = None,
        wait: ObservedWait | None = None,
    ) -> Effects[T]:
        """One exchange; what came of it goes to `feed`, whose answer is returned.

        What is raised before anything is sent goes through.
        """
        http = self.exchange.build(path, request)
        task_id = None if task is None else followed_of(task).id
        observed: ObservedExchange | None = None
        if self.hooks.observes_exchanges:
            observed = ObservedExchange(http, path, task_id, attempt, cast("TaskHandle | None", task), wait)
            self.hooks.fire("altcraft_exchange_started", exchange=observed)
            http = observed.to_send()
        began = self.now() if observed is not None else 0.0
        response: HttpResponse | None = None
        ended_by: BaseException | None = None
        event: Event
        try:
            try:
                came: HttpResponse = yield SendRequest(http, timeout)
                response = came
                event = Responded(self.now(), read(came))
            except AltcraftError as error:
                self.exchange.settle(error, path, task_id)
                event = Failed(self.now(), error)
            except OSError as error:  # a transport that does not sort its errors: the request may have been processed
                lost = ConnectionLost(f"the transport failed: {error!r}")
                lost.__cause__ = error
                self.exchange.settle(lost, path, task_id)
                event = Failed(self.now(), lost)
            command = feed(event)
            if isinstance(event, Failed):
                ended_by = event.error
                if observed is not None and isinstance(command, Sleep):
                    observed.retry_in = command.seconds
            return command
        except BaseException as error:
            ended_by = error
            raise
        finally:
            if observed is not None:
                self.hooks.fire(
                    "altcraft_exchange_finished",
                    exchange=observed,
                    response=response,
                    error=None if response is not None else ended_by,
                    elapsed=self.now() - began,
                )


class SingleWaits:
    """The leader of the tasks that are waited for one by one."""

    def __init__(self, runner: Runner, process: object) -> None:
        self.process = process
        self._runner = runner

    def notified(self, followed: Followed[Any]) -> None:
        """Ends the sleep of the wait that leads the task: see `Leader`."""
        self._runner.wake(followed)


_engines: weakref.WeakSet[Engine] = weakref.WeakSet()


def _after_fork() -> None:
    for engine in tuple(_engines):
        engine.after_fork()


if hasattr(os, "register_at_fork"):  # not on Windows, which has no fork
    os.register_at_fork(after_in_child=_after_fork)


class Polls(Generic[R]):
    """How the tasks of one operation are polled: one object for all of them."""

    __slots__ = ("engine", "operation")

    def __init__(self, engine: Engine, operation: Operation[R]) -> None:
        self.engine = engine
        self.operation = operation

    def read(self, response: HttpResponse) -> TaskStatus[R]:
        """What the reply to a poll says. Raises as `Exchange.status` does."""
        engine = self.engine
        polling = engine.policies.polling
        return engine.exchange.status(self.operation, response, polling.done, polling.failed)
