"""Carries out the machines' commands through a transport, for the threads of one client. It decides nothing."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar, cast

from altcraft.errors import AltcraftError, ClientClosed, ConnectionLost, TransportError
from altcraft.exchange import Exchange
from altcraft.hooks import Hooks
from altcraft.machine import (
    Began,
    CallMachine,
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
    State,
    Woke,
)
from altcraft.messages import HttpResponse
from altcraft.operations import TASK_STATUS, Operation
from altcraft.polling import Polling
from altcraft.ports import Clock, Transport, Wakeable
from altcraft.retry import Retry
from altcraft.schema import Request, TaskStatus

if TYPE_CHECKING:
    from altcraft.task import Task

__all__ = ["Driver"]

R = TypeVar("R")
T = TypeVar("T")
OnProgress = Callable[[TaskStatus[R]], object]


def _monotonic() -> float:
    return time.monotonic()


class Driver:
    """What the tasks of a client share: the transport, the policies, one lock. Thread-safe."""

    def __init__(
        self,
        transport: Transport,
        exchange: Exchange,
        hooks: Hooks,
        polling: Polling,
        retry: Retry,
        request_timeout: float,
    ) -> None:
        self.exchange = exchange
        self.hooks = hooks
        self.polling = polling
        self.retry = retry
        self.request_timeout = request_timeout
        self.closed = False
        self.now: Callable[[], float] = transport.monotonic if isinstance(transport, Clock) else _monotonic
        self.changed = threading.Condition()  # guards the machines; notified when a wait ends
        self._transport = transport
        self._wake: Callable[[], None] = transport.wake if isinstance(transport, Wakeable) else lambda: None

    # One exchange with its retries.

    def call(self, operation: Operation[R], request: Request[R], read: Callable[[HttpResponse], T]) -> T:
        """The answer to a request, as `read` makes it of the reply; or the error that the last attempt ended with."""
        machine = CallMachine(self.retry, self.request_timeout, safe=operation.safe, seed=id(request))

        def perform(command: Send) -> Event:
            return self._send(operation.path, request, read, command.timeout)

        event: Event = Cancelled(self.now()) if self.closed else Began(self.now())
        while True:
            command = machine.handle(event)[-1]
            if isinstance(command, Finish):
                if command.error is not None:
                    command.error.locate(operation.path, self.exchange.host)
                    raise command.error
                return cast(T, command.result)
            event = self._carry_out(command, perform)

    # Tasks.

    def poll(self, task: Task[R]) -> TaskStatus[R]:
        """Exactly one exchange about a task, whatever is known already."""
        if self.closed:
            raise ClientClosed(resume_token=task.resume_token)
        event = self._ask(task, Send(self.request_timeout))
        if isinstance(event, Failed):
            event.error.locate(None, self.exchange.host, task.id)
            raise event.error
        assert isinstance(event, Responded)
        with self.changed:
            commands = task._machine.handle(Observed(event.at, event.answer))
        self._emit(task, commands)
        if task._machine.outcome is not None:
            self.wake(task)
        return event.answer  # type: ignore[return-value]  # _ask reads the answer by the task's operation

    def wait(self, task: Task[R], timeout: float | None, on_progress: OnProgress[R] | None) -> Finish:
        """The task's outcome, or the error that ends this wait. One thread polls for all who wait for the same task."""
        deadline = None if timeout is None else self.now() + timeout
        if on_progress is not None:
            task._watchers.append(on_progress)
        try:
            finish = self._follow(task, deadline) or self._drive_as_leader(task, deadline)
        finally:
            if on_progress is not None:
                task._watchers.remove(on_progress)
        if finish.error is not None:
            finish.error.locate(None, self.exchange.host)
        return finish

    def wake(self, task: Task[R]) -> None:
        """Has whoever sleeps over a task look at it again."""
        if task._has_leader:
            self._wake()

    def close(self) -> None:
        """Ends every wait with ClientClosed, and closes the transport."""
        with self.changed:
            self.closed = True
            self.changed.notify_all()
        self._transport.close()

    def _follow(self, task: Task[R], deadline: float | None) -> Finish | None:
        """Waits while another thread polls for the task. None when nobody does any more: then the caller is to."""
        with self.changed:
            while task._has_leader and not task.done():
                left = None if deadline is None else deadline - self.now()
                if left is not None and left <= 0:
                    break
                self.changed.wait(left)
            else:
                task._has_leader = True
                return None
        try:
            self.poll(task)  # the time is up, the other thread's poll may be far off: one look of our own
        except TransportError as error:
            return Finish(error=task._machine.expired(error))
        return task._machine.outcome or Finish(error=task._machine.expired())

    def _drive_as_leader(self, task: Task[R], deadline: float | None) -> Finish:
        try:
            return self._drive(task, deadline)
        finally:
            with self.changed:
                task._has_leader = False
                self.changed.notify_all()

    def _drive(self, task: Task[R], deadline: float | None) -> Finish:
        machine = task._machine
        task._take_hint()  # the first poll, which is immediate, is all that an earlier hint can ask for
        event: Event = Cancelled(self.now()) if self.closed else Began(self.now(), deadline)
        try:
            while True:
                with self.changed:
                    commands = machine.handle(event)
                self._emit(task, commands)
                command = commands[-1]
                if isinstance(command, Finish):
                    return command
                event = self._carry_out(command, lambda send: self._ask(task, send))
                if task._take_hint():
                    event = self._hint(task, event)
        finally:
            with self.changed:
                if machine.state not in (
                    State.IDLE,
                    State.DONE,
                ):  # an interrupt went through: nobody waits any more
                    machine.handle(Cancelled(self.now()))

    def _hint(self, task: Task[R], event: Event) -> Event:
        """Lets the machine know of a hint: in place of the end of a sleep, or ahead of whatever else has happened."""
        hint = Notified(event.at)
        if isinstance(event, Woke):
            return hint
        if isinstance(event, (Responded, Failed)):
            with self.changed:
                task._machine.handle(hint)
        return event

    def _ask(self, task: Task[R], command: Send) -> Event:
        def read(response: HttpResponse) -> object:
            return self.exchange.status(task._declared, response, self.polling.done)

        return self._send(TASK_STATUS, task._machine.request, read, command.timeout)

    # Commands.

    def _carry_out(self, command: Command, perform: Callable[[Send], Event]) -> Event:
        if isinstance(command, Send):
            event = perform(command)
            return Cancelled(event.at) if self.closed and isinstance(event, Failed) else event
        assert isinstance(command, Sleep)
        if not self.closed:
            self._transport.sleep(command.seconds)
        return Cancelled(self.now()) if self.closed else Woke(self.now())

    def _send(
        self, path: str, request: Request[R], read: Callable[[HttpResponse], object], timeout: float
    ) -> Responded | Failed:
        """One exchange, and what became of it. What is raised before anything is sent goes through."""
        http = self.exchange.build(path, request)
        heard = self.hooks.heard
        if "altcraft_request" in heard:
            self.hooks.fire("altcraft_request", request=http)
        began = self.now()
        try:
            response = self._transport.send(http, timeout=timeout)
            if "altcraft_response" in heard:
                elapsed = self.now() - began
                self.hooks.fire("altcraft_response", request=http, response=response, elapsed=elapsed)
            return Responded(self.now(), read(response))
        except AltcraftError as error:
            error.locate(path, self.exchange.host)
            return Failed(self.now(), error)
        except OSError as error:  # from a transport that does not sort its errors: the careful reading
            lost = ConnectionLost(f"the transport failed: {error!r}")
            lost.__cause__ = error
            lost.locate(path, self.exchange.host)
            return Failed(self.now(), lost)

    def _emit(self, task: Task[R], commands: tuple[Command, ...]) -> None:
        for command in commands:
            if isinstance(command, Emit):
                task._tell(command)
