"""What both clients do, without the I/O: generators that yield effects (`altcraft.engine.effects`) for a runner."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from typing import Any, Generic, TypeVar, cast

from altcraft.codecs import make_ready
from altcraft.engine.effects import Effects, Runner, SendRequest, Signal, SleepFor, WaitFor
from altcraft.engine.followed import Followed, Handle, OnProgress, followed_of
from altcraft.errors import AltcraftError, ClientClosed, ConnectionLost, RequestTimeout, TransportError
from altcraft.exchange import Exchange
from altcraft.hooks import Hooks
from altcraft.operations import TASK_STATUS, Operation
from altcraft.schema import Feedback, Request, TaskStatus, TaskStatusRequest
from altcraft.tasks.events import Began, Cancelled, Event, Failed, Finish, Responded, Send, Sleep, Woke
from altcraft.tasks.hints import HintBreaker
from altcraft.tasks.machine import LAST_POLL, CallMachine, Policies, TaskMachine
from altcraft.wire.messages import HttpResponse

__all__ = ["Engine", "Polls"]

R = TypeVar("R")
T = TypeVar("T")


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
        self.lock = threading.RLock()
        self.closed = False
        self.changed = runner.signal()
        self._signals: tuple[Signal, ...] = ()
        self._handle = handle
        self._polls: dict[Operation[Any], Polls[Any]] = {}
        self._ready: set[Operation[Any]] = set()

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

    # One exchange with its retries.

    def submit(self, operation: Operation[R], request: Request[R]) -> Effects[Handle[R]]:
        """Starts a task. Returns the handle on it."""
        if operation.status is None:
            raise TypeError(f"{operation.path} starts no task: use client.call")
        task_id = yield from self._repeat(operation, request, lambda reply: self.exchange.task_id(operation, reply))
        feedback = getattr(request, "feedback", None)
        task = self._follow_new(
            task_id, operation, submitted=True, feedback=feedback if isinstance(feedback, Feedback) else None
        )
        if "altcraft_task_submitted" in self.hooks.heard:
            self.hooks.fire("altcraft_task_submitted", task=task)
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
        event: Event = Cancelled(self.now()) if self.closed else Began(self.now())
        while True:
            command = machine.handle(event)[-1]
            if isinstance(command, Finish):
                if command.error is not None:
                    command.error.locate(operation.path, self.host)
                    raise command.error
                return cast(T, command.result)
            if isinstance(command, Send):
                event = yield from self._exchange(operation.path, request, read, command.timeout)
            else:
                event = yield from self._sleep(cast(Sleep, command))

    # Tasks.

    def resume(self, task_id: str, operation: Operation[R]) -> Handle[R]:
        """A handle on a task that was submitted elsewhere, or earlier."""
        return self._follow_new(task_id, operation, submitted=False)

    def status(self, task: Handle[R]) -> Effects[TaskStatus[R]]:
        """The status of a task, by exactly one exchange. No watcher and no hook hears of it."""
        return cast("TaskStatus[R]", (yield from self._poll(followed_of(task))).answer)

    def poll(self, task: Handle[R], timeout: float = math.inf) -> Effects[TaskStatus[R]]:
        """The same; watchers and hooks hear of it, and it may settle the outcome."""
        followed = followed_of(task)
        event = yield from self._poll(followed, timeout)
        followed.observe(event.at, event.answer, task)
        return cast("TaskStatus[R]", event.answer)

    def wait(self, task: Handle[R], timeout: float | None, on_progress: OnProgress[R] | None) -> Effects[Finish]:
        """The task's outcome, or the error that ends this wait. Of several waits for one task, one polls."""
        followed = followed_of(task)
        deadline = None if timeout is None else self.now() + timeout
        watcher = None if on_progress is None else followed.watch(on_progress)
        try:
            finish = followed.outcome
            if finish is None:
                if (yield from self._take_lead(followed, deadline)):
                    finish = yield from self._follow(task, followed, deadline)
                else:
                    finish = yield from self._poll_at_deadline(task, followed)
        finally:
            if watcher is not None:
                followed.unwatch(watcher)
        if finish.error is not None:
            finish.error.locate(None, self.host)
        return finish

    def notified(self, followed: Followed[Any]) -> None:
        """Ends the sleep of the wait that leads the task: see `Leader`."""
        self.runner.wake(followed)

    def send_poll(self, followed: Followed[R], timeout: float) -> Effects[Responded | Failed]:
        """One exchange about a task, and what came of it."""
        polls = followed.polls
        self._make_ready(polls.operation)
        request = TaskStatusRequest(followed.id)
        return self._exchange(TASK_STATUS, request, polls.read, timeout, followed.id)

    def _follow_new(
        self, task_id: str, operation: Operation[R], *, submitted: bool, feedback: Feedback | None = None
    ) -> Handle[R]:
        polls = self._polls.get(operation)
        if polls is None:
            polls = self._polls[operation] = Polls(self, operation)
        machine = TaskMachine(
            task_id,
            operation.path,
            self.policies,
            at=self.now(),
            submitted=submitted,
            feedback=feedback,
            hints=self.hints,
        )
        return self._handle(Followed(polls, machine))

    def _poll(self, followed: Followed[R], timeout: float = math.inf) -> Effects[Responded]:
        if self.closed:
            raise ClientClosed(resume_token=followed.resume_token)
        event = yield from self.send_poll(followed, min(timeout, self.policies.request_timeout))
        if isinstance(event, Failed):
            self._unless_closed(followed, event.error)
            raise event.error
        return event

    def _take_lead(self, followed: Followed[R], deadline: float | None) -> Effects[bool]:
        """Waits until no other wait leads the task, and leads it; False when the deadline comes first."""
        while True:
            with self.lock:
                seen = self.changed.version
                if followed.leader is None:
                    followed.lead(self)
                    return True
                if followed.outcome is not None:
                    return False
            self._unless_closed(followed)  # the leader may be held up in an exchange
            left = None if deadline is None else deadline - self.now()
            if left is not None and left <= 0:
                return False
            yield WaitFor(self.changed, seen, left)

    def _follow(self, task: Handle[R], followed: Followed[R], deadline: float | None) -> Effects[Finish]:
        """Leads the task until its machine says that the wait is over."""
        event: Event = Cancelled(self.now()) if self.closed else Began(self.now(), deadline)
        try:
            while True:
                command = followed.feed(event, task)
                if isinstance(command, Finish):
                    return command
                if isinstance(command, Send):
                    event = yield from self.send_poll(followed, command.timeout)
                    if self.closed and isinstance(event, Failed):
                        event = Cancelled(event.at)
                else:
                    event = yield from self._sleep(cast(Sleep, command), followed)
        finally:
            with self.lock:
                followed.release()
            self.changed.notify()

    def _poll_at_deadline(self, task: Handle[R], followed: Followed[R]) -> Effects[Finish]:
        """The deadline of a wait that does not lead: one poll of its own; the leader's next one may be far off."""
        cause: AltcraftError | None = None
        if followed.outcome is None:
            try:
                yield from self.poll(task, LAST_POLL)
            except AltcraftError as error:
                if self.policies.retry.next_delay(1, error, safe=True) is None and not isinstance(
                    error, RequestTimeout
                ):
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
        task_id: str | None = None,
    ) -> Effects[Responded | Failed]:
        """One exchange, and what came of it. What is raised before anything is sent goes through."""
        http = self.exchange.build(path, request)
        heard = self.hooks.heard
        if "altcraft_request" in heard:
            self.hooks.fire("altcraft_request", request=http)
        is_heard = "altcraft_response" in heard
        began = self.now() if is_heard else 0.0
        try:
            response = yield SendRequest(http, timeout)
            if is_heard:
                elapsed = self.now() - began
                self.hooks.fire("altcraft_response", request=http, response=response, elapsed=elapsed)
            return Responded(self.now(), read(response))
        except AltcraftError as error:
            self.exchange.settle(error, path, task_id)
            return Failed(self.now(), error)
        except OSError as error:  # a transport that does not sort its errors: the request may have been processed
            lost = ConnectionLost(f"the transport failed: {error!r}")
            lost.__cause__ = error
            self.exchange.settle(lost, path, task_id)
            return Failed(self.now(), lost)


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
