"""What both clients do, with the I/O left out: generators that yield steps (`altcraft.engine.effects`) for a driver.

Whatever the machines are fed and whatever is done with what they command stands here, once.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeVar, cast

from altcraft.codecs import make_ready
from altcraft.engine.effects import Effects, SendRequest, SleepFor, WaitFor
from altcraft.engine.followed import Context, OnProgress, TaskBase
from altcraft.engine.signals import Signal
from altcraft.errors import AltcraftError, ClientClosed, ConnectionLost, RequestTimeout, TransportError
from altcraft.exchange import Exchange
from altcraft.hooks import Hooks
from altcraft.operations import TASK_STATUS, Operation
from altcraft.schema import Feedback, Request, TaskStatus
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
from altcraft.tasks.machine import LAST_LOOK, CallMachine, Policies, State, TaskMachine
from altcraft.tasks.polling import Polling
from altcraft.tasks.retry import Retry
from altcraft.wire.messages import HttpResponse

__all__ = ["Engine", "tell"]

R = TypeVar("R")
T = TypeVar("T")


def tell(task: TaskBase[Any], commands: tuple[Command, ...]) -> None:
    """Has the task pass on what its machine emits. Never under the lock: strangers are called."""
    for command in commands:
        if isinstance(command, Emit):
            task._tell(command.what, command.value)


class Engine:
    """One client's wire, policies and state. The lock guards the machines, and is never held while a step is out.

    A driver sets `gate`, which makes a Signal of its kind, and `wake`, which ends the sleep over a thing. `changed` is
    the gate for followers, which opens when a wait ends; `gates` are all the others in use. `longest_sleep` is how many
    seconds somebody may sleep who is to hear of an end, where sleeps can't be cut short.
    """

    gate: Callable[[], Signal]
    wake: Callable[[object], None]
    changed: Signal
    longest_sleep: float = math.inf

    def __init__(
        self,
        exchange: Exchange,
        hooks: Hooks,
        polling: Polling,
        retry: Retry,
        request_timeout: float,
        now: Callable[[], float],
    ) -> None:
        self.exchange = exchange
        self.hooks = hooks
        if not request_timeout > 0:
            raise ValueError(f"request_timeout={request_timeout!r}: seconds, more than 0")
        self.policies = Policies(polling, retry, float(request_timeout))
        self.now = now
        import threading  # here, as in the drivers: it comes with the first client

        self.lock = threading.RLock()
        self.context = Context(self.lock, hooks, exchange.host)
        self.closed = False
        self.gates: tuple[Signal, ...] = ()
        self._ready: set[Operation[Any]] = set()

    def close(self) -> None:
        """From now on every step leads to ClientClosed, and nobody waits at a gate."""
        self.closed = True
        for gate in (self.changed, *self.gates):
            gate.open()

    def notified(self, task: TaskBase[Any]) -> None:
        """Ends the sleep over a task that a single waiter follows: see `Leader`."""
        self.wake(task)

    def machine(self, task_id: str, operation: str, request: Request[Any] | None = None) -> TaskMachine:
        """The machine of a task that was submitted just now with that request, or is taken up again."""
        at = self.now()
        if request is None:
            return TaskMachine(task_id, operation, self.policies, at=at, submitted=False)
        feedback = getattr(request, "feedback", None)
        if not isinstance(feedback, Feedback):
            feedback = None
        return TaskMachine(task_id, operation, self.policies, at=at, submitted=True, feedback=feedback)

    # One exchange with its retries.

    def submit(self, operation: Operation[R], request: Request[R]) -> Effects[str]:
        """The id of the task that the request has started."""
        if operation.status is None:
            raise TypeError(f"{operation.path} starts no task: use client.call")
        return (yield from self.call(operation, request, lambda reply: self.exchange.task_id(operation, reply)))

    def plain(self, operation: Operation[R], request: Request[R]) -> Effects[R]:
        """The answer of a plain operation."""
        if operation.status is not None:
            raise TypeError(f"{operation.path} starts a task: use client.submit")
        return (yield from self.call(operation, request, lambda reply: self.exchange.result(operation, reply)))

    def submitted(self, task: TaskBase[Any]) -> None:
        """Lets the plugins know of a new task."""
        if "altcraft_task_submitted" in self.hooks.heard:
            self.hooks.fire("altcraft_task_submitted", task=task)

    def call(self, operation: Operation[R], request: Request[R], read: Callable[[HttpResponse], T]) -> Effects[T]:
        """The answer to a request, as `read` makes it of the reply; or the error that the last attempt ended with."""
        if operation not in self._ready:
            self._make_ready(operation)
        machine = CallMachine(self.policies, safe=operation.safe, seed=id(request))
        event: Event = Cancelled(self.now()) if self.closed else Began(self.now())
        while True:
            command = machine.handle(event)[-1]
            if isinstance(command, Finish):
                if command.error is not None:
                    command.error.locate(operation.path, self.exchange.host)
                    raise command.error
                return cast(T, command.result)
            if isinstance(command, Send):
                event = yield from self._exchange(operation.path, request, read, command.timeout)
            else:
                event = yield from self._sleep(command)

    # Tasks.

    def look(self, task: TaskBase[R], timeout: float = math.inf) -> Effects[Responded]:
        """Exactly one exchange about a task; nobody is told."""
        if self.closed:
            raise ClientClosed(resume_token=task.resume_token)
        event = yield from self.ask(task, Send(min(timeout, self.policies.request_timeout)))
        if isinstance(event, Failed):
            self._unless_closed(task, event.error)
            raise event.error
        return event

    def poll(self, task: TaskBase[R], timeout: float = math.inf) -> Effects[TaskStatus[R]]:
        """Exactly one exchange about a task, whatever is known already."""
        event = yield from self.look(task, timeout)
        with self.lock:
            commands = task._machine.handle(Observed(event.at, event.answer))
        tell(task, commands)
        if task.done():
            task.notify()  # whoever sleeps over it may wake up
        return cast("TaskStatus[R]", event.answer)

    def wait(self, task: TaskBase[R], timeout: float | None, on_progress: OnProgress[R] | None) -> Effects[Finish]:
        """The task's outcome, or the error that ends this wait. One waiter polls for all who wait for the same task."""
        deadline = None if timeout is None else self.now() + timeout
        if on_progress is not None:
            with self.lock:
                task._watchers += (on_progress,)
        try:
            leads = yield from self._take_lead(task, deadline)
            if leads:
                try:
                    finish = yield from self._follow(task, deadline)
                finally:
                    task._leader = None
                    self.changed.open()
            else:
                finish = yield from self._look_last(task)
        finally:
            if on_progress is not None:
                with self.lock:
                    watchers = list(task._watchers)
                    watchers.remove(on_progress)
                    task._watchers = tuple(watchers)
        if finish.error is not None:
            finish.error.locate(None, self.exchange.host)
        return finish

    def ask(self, task: TaskBase[R], command: Send) -> Effects[Responded | Failed]:
        """One exchange about a task."""
        operation, machine, exchange = task._declared, task._machine, self.exchange
        if operation not in self._ready:
            self._make_ready(operation)

        def read(response: HttpResponse) -> TaskStatus[R]:
            return exchange.status(operation, response, machine.policies.polling.done)

        return self._exchange(TASK_STATUS, machine.request, read, command.timeout, machine.history.task_id)

    def _take_lead(self, task: TaskBase[R], deadline: float | None) -> Effects[bool]:
        """Waits until nobody else polls for the task, and takes that over; False when the deadline comes first."""
        while True:
            with self.lock:
                seen = self.changed.version
                if task.done() or task._leader is None:
                    task._leader = self
                    return True
            self._unless_closed(task)  # whoever polls for the task may be held up in an exchange
            left = None if deadline is None else deadline - self.now()
            if left is not None and left <= 0:
                return False
            yield WaitFor(self.changed, seen, left)

    def _follow(self, task: TaskBase[R], deadline: float | None) -> Effects[Finish]:
        """Feeds the task's machine until it says that the wait is over."""
        machine = task._machine
        self.hint_ahead(task)
        event: Event = Cancelled(self.now()) if self.closed else Began(self.now(), deadline)
        try:
            while True:
                with self.lock:
                    commands = machine.handle(event)
                tell(task, commands)
                command = commands[-1]
                if isinstance(command, Finish):
                    return command
                if isinstance(command, Send):
                    event = yield from self.ask(task, command)
                    if self.closed and isinstance(event, Failed):
                        event = Cancelled(event.at)
                else:
                    event = yield from self._sleep(command, task)
                event = self._hint(task, event)
        finally:
            with self.lock:
                if machine.state not in (State.IDLE, State.DONE):  # an interrupt went through: nobody waits any more
                    machine.handle(Cancelled(self.now()))

    def _hint(self, task: TaskBase[R], event: Event) -> Event:
        """Lets the machine know of a hint: in place of the end of a sleep, or ahead of whatever else has happened."""
        if not task._take_hint():
            return event
        hint = Notified(event.at)
        if isinstance(event, Woke):
            return hint
        if isinstance(event, (Responded, Failed)):
            with self.lock:
                task._machine.handle(hint)
        return event

    def hint_ahead(self, task: TaskBase[Any]) -> None:
        """A hint that came while nobody waited: the first poll, which is immediate, is all that it can ask for."""
        with self.lock:
            if task._machine.state is State.IDLE and task._take_hint():
                task._machine.handle(Notified(self.now()))

    def _look_last(self, task: TaskBase[R]) -> Effects[Finish]:
        """The time is up, and the next poll of whoever polls for the task may be far off: one look of our own."""
        cause: AltcraftError | None = None
        try:
            yield from self.poll(task, LAST_LOOK)
        except AltcraftError as error:
            if self.policies.retry.next_delay(1, error, safe=True) is None and not isinstance(error, RequestTimeout):
                raise
            cause = error
        return task._machine.outcome or Finish(error=task._machine.expired(cause))

    def _unless_closed(self, task: TaskBase[Any], failure: AltcraftError | None = None) -> None:
        """ClientClosed on a closed client, in place of the failure that closing has brought about."""
        if self.closed and (failure is None or isinstance(failure, TransportError)):
            error = ClientClosed("the client was closed while the task went on", task.resume_token)
            error.locate(task.operation, self.exchange.host, task.id)
            raise error from failure

    def _make_ready(self, operation: Operation[Any]) -> None:
        make_ready(*operation.types)
        self._ready.add(operation)

    # Effects.

    def _sleep(self, command: Command, task: TaskBase[R] | None = None) -> Effects[Event]:
        assert isinstance(command, Sleep)
        if not self.closed:
            yield SleepFor(command.seconds, task)
        return Cancelled(self.now()) if self.closed else Woke(self.now())

    def _exchange(
        self,
        path: str,
        request: Request[Any],
        read: Callable[[HttpResponse], object],
        timeout: float,
        task_id: str = "",
    ) -> Effects[Responded | Failed]:
        """One exchange, and what became of it. What is raised before anything is sent goes through."""
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
            error.locate(path, self.exchange.host, task_id or None)
            return Failed(self.now(), error)
        except OSError as error:  # from a transport that does not sort its errors: the careful reading
            lost = ConnectionLost(f"the transport failed: {error!r}")
            lost.__cause__ = error
            lost.locate(path, self.exchange.host, task_id or None)
            return Failed(self.now(), lost)
