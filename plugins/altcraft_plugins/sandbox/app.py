"""The sandbox: a WSGI application that behaves like a small Altcraft platform."""

from __future__ import annotations

import logging
import math
import os
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from functools import partial
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from altcraft import DecodeError, TransportError
from altcraft.codecs import Codec, CodecRegistry, default_registry, make_ready
from altcraft_plugins.sandbox.clock import Clock, SystemClock
from altcraft_plugins.sandbox.counting.statistics import ENTRIES
from altcraft_plugins.sandbox.data.store import Store, StoreClosed, StoreUnavailable
from altcraft_plugins.sandbox.durations import DEFAULT_PACE, Pace
from altcraft_plugins.sandbox.faults.connection import Connection, ConnectionAborted, connection_of
from altcraft_plugins.sandbox.faults.injection import Faults, Reply, begin, finish
from altcraft_plugins.sandbox.faults.plan import AnyExchangeFault, FaultPlan
from altcraft_plugins.sandbox.feedback.faults import DeliveryFaults
from altcraft_plugins.sandbox.feedback.sender import DeliverySender
from altcraft_plugins.sandbox.feedback.table import DeliveryTable
from altcraft_plugins.sandbox.forking import watch
from altcraft_plugins.sandbox.http import (
    body_codec,
    is_known,
    printable,
    read_body,
    reply_codec,
    token_of,
)
from altcraft_plugins.sandbox.methods import Call, Methods
from altcraft_plugins.sandbox.refusal import Refusal
from altcraft_plugins.sandbox.schema.replies import Failure
from altcraft_plugins.sandbox.schema.requests import FormatOnly, Status, TokenOnly
from altcraft_plugins.sandbox.settings import DEFAULT_TOKENS, check_settings, served_tokens
from altcraft_plugins.sandbox.tasks.table import CountState, Submission, TaskTable
from altcraft_plugins.sandbox.tasks.worker import TaskWorker
from altcraft_plugins.sandbox.taught import File, SandboxPlatform, Taught, Teacher

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

__all__ = ["Sandbox", "create_app"]

logger = logging.getLogger("altcraft.sandbox")

ROOT: Final = "/api/v1.1/"


class Sandbox:
    """The sandbox as a WSGI application. Thread-safe. Close it, or use it as a context manager.

    * `db` is a file that keeps all data; without it the data is in memory.
    * `profiles` is the size of database 9.
    * `pace` is the number of seconds that a refresh takes, or a range of them; 0 is as fast as possible.
    * `tokens` are the accepted API tokens.
    * `faults` is a plan of faults, or the path of its file: see docs/how-to/testing-against-faults.md.
    * `feedback` names the faults of deliveries, `feedback_delay` is by how many seconds late deliveries are late, and
      `feedback_anywhere` allows deliveries to other machines.
    * `worker` False starts no thread: step() then advances the tasks, and deliver() makes the deliveries.
    * `clock`, such as `altcraft.testing.FakeClock`, replaces the machine's time. No thread starts then: each request
      first counts what is due, and deliver() makes the deliveries.
    * `finished` is called with the id of each task that has ended.
    * `teachers` teach the sandbox further methods: see docs/how-to/extending.md.

    Raises ValueError for invalid settings, and for a file that is not a sandbox's. See docs/reference/sandbox.md.
    """

    def __init__(
        self,
        *,
        db: str | None = None,
        profiles: int | None = None,
        pace: Pace = DEFAULT_PACE,
        tokens: Sequence[str] = DEFAULT_TOKENS,
        feedback: str | None = None,
        feedback_delay: float = 3.0,
        feedback_anywhere: bool = False,
        faults: FaultPlan | str | os.PathLike[str] | None = None,
        worker: bool = True,
        clock: Clock | None = None,
        finished: Callable[[str], None] | None = None,
        codecs: CodecRegistry | None = None,
        teachers: Sequence[Teacher] = (),
    ) -> None:
        check_settings(profiles, pace, tokens)
        make_ready(FormatOnly, TokenOnly, CountState, *ENTRIES.values())  # before several threads decode them
        self._tokens = tuple(tokens)
        self._codecs = codecs if codecs is not None else default_registry()
        delivery_faults = DeliveryFaults(feedback, feedback_delay)
        if faults is not None and not isinstance(faults, FaultPlan):
            faults = FaultPlan.read(faults)
        self._finished = finished
        self._system_clock = SystemClock()
        self._clock: Clock = clock or self._system_clock
        self._has_own_time = clock is not None
        self._faults = None if faults is None else Faults(faults, self._clock)
        worker = worker and clock is None
        self._is_ending = False
        self._store = Store(db, profiles)
        deliveries = DeliveryTable(self._store, delivery_faults, pace, anywhere=feedback_anywhere)
        self._sender = DeliverySender(deliveries, self._codecs, thread=worker)
        tasks = self._tasks = TaskTable(self._store, deliveries, faults=self._faults)
        self._worker = TaskWorker(
            tasks, pace=pace, thread=worker, finished=self._task_ended, clock=self._clock.monotonic
        )
        self._taught = Taught(partial(SandboxPlatform, self._store, tasks, self._worker), teachers)
        own = Methods(self._store, tasks, self._worker, self._sender).by_path()
        self._methods = own | self._taught.methods
        self._deliveries = deliveries
        self._forked = False
        watch(self)
        for task_id in tasks.unfinished():
            self._worker.add(task_id)
        for task_id, due in deliveries.pending():
            self._sender.schedule_at(due, task_id)
        if self._faults is not None:
            self._faults.restart()  # creating a large population takes seconds

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        exchange = _Exchange(environ, reply_codec(environ, self._codecs), self._connection_of(environ))
        headers: Sequence[tuple[str, str]] = ()
        code = 200
        envelope: Struct
        try:
            self._resume_in_child()
            if self._has_own_time:
                self._worker.catch_up()
            answer = self._answer(exchange)
            if isinstance(answer, File):
                return Reply(200, (("Content-Type", answer.content_type),), answer.body).send(start_response)
            envelope = answer
        except (ConnectionAborted, TransportError):
            raise  # a fault of the plan ends the exchange without a reply
        except Refusal as refusal:
            code, headers, envelope = refusal.code, refusal.headers, Failure(refusal.code, printable(refusal.text))
        except StoreClosed:
            code, envelope = 503, Failure(503, "the sandbox has been closed")
        except StoreUnavailable as error:
            logger.warning("a request is refused with 503: %s", error)
            code, envelope = 503, Failure(503, str(error))
        except Exception:
            logger.exception("the sandbox failed to answer a request")
            code, envelope = 500, Failure(500, "the sandbox failed; its log says why")
        body = exchange.codec.encode(envelope)
        reply = Reply(code, (("Content-Type", exchange.codec.content_types[0]), *headers), body)
        if exchange.fault is not None:
            return finish(exchange.fault, reply, exchange.codec, exchange.connection, start_response)
        sent = reply.send(start_response)
        return [] if environ.get("REQUEST_METHOD") == "HEAD" else sent

    def step(self) -> bool:
        """Advances the next unfinished task by one slice, without waiting for its time. False where none is left."""
        self._resume_in_child()
        return self._worker.step()

    def deliver(self) -> bool:
        """Makes the next pending delivery, without waiting for its time. False where none is pending."""
        self._resume_in_child()
        return self._sender.step()

    def rows(self) -> AbstractContextManager[sqlite3.Connection]:
        """The tables, to read and to change, in a transaction that is committed at the end of the `with` block."""
        return self._store.transaction()

    def submissions(self) -> Counter[Submission]:
        """How often each submission was processed: by its operation, and its parameters as JSON.

        A count above 1 is a submission that was made twice, even if a reply to it was lost.
        """
        return self._tasks.submissions()

    def injected(self) -> Counter[str]:
        """How many exchanges and tasks had which fault of the plan so far, by the fault's name in a plan's file."""
        return Counter() if self._faults is None else self._faults.injected()

    def outage(self) -> tuple[bool, float]:
        """Whether the plan has an outage now, and after how many seconds that changes (infinity: never)."""
        return (False, math.inf) if self._faults is None else (self._faults.is_away(), self._faults.until_change())

    def end_waits(self) -> None:
        """Ends what the plan delays or hangs, now and later. Called when a server closes, before its threads end."""
        self._is_ending = True
        self._system_clock.close()

    def close(self) -> None:
        """Stops counting and delivering, and closes the database. Later requests get 503. May be called twice."""
        self.end_waits()
        self._worker.close()
        self._sender.close()
        self._store.close()

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def before_fork(self) -> None:
        """Takes all locks, in the order in which a request takes them. Called by `forking`."""
        for part in (self._store, self._worker, self._sender):
            part.before_fork()

    def after_fork_in_parent(self) -> None:
        """Releases the locks. Called by `forking`."""
        for part in (self._sender, self._worker, self._store):
            part.after_fork_in_parent()

    def after_fork_in_child(self) -> None:
        """Replaces the locks. Called by `forking`.

        A child with data in memory has a sandbox of its own from now on, with the tasks so far. A child with a file
        shares it with the parent. Threads start with the first request: most children never use the sandbox.
        """
        for part in (self._store, self._worker, self._sender):
            part.after_fork_in_child()
        self._system_clock.after_fork_in_child()
        if self._faults is not None:
            self._faults.after_fork_in_child()
        self._forked = True

    def _resume_in_child(self) -> None:
        if not self._forked:
            return
        self._forked = False
        if self._store.in_memory:
            self._deliveries.leave_to_parent()
        self._worker.resume()

    def _task_ended(self, task_id: str) -> None:
        self._sender.schedule(task_id)
        if self._finished is not None:
            self._finished(task_id)

    def _connection_of(self, environ: WSGIEnvironment) -> Connection:
        return connection_of(environ, self._clock, lambda: self._is_ending)

    def _answer(self, exchange: _Exchange) -> Struct | File:
        """The reply's envelope, or a file. Sets the format once that is known, so that a Refusal is written in it."""
        if self._faults is not None and self._faults.is_away():
            exchange.connection.refuse()
        environ = exchange.environ
        path = str(environ.get("PATH_INFO") or "")
        name = path[len(ROOT) :].removesuffix("/") if path.startswith(ROOT) else ""
        read = self._methods.get(name) or (self._taught.method(name) if name else None)
        if read is None:
            return self._file(environ, path)
        if environ.get("REQUEST_METHOD") != "POST":
            raise Refusal(405, "the method is POST", [("Allow", "POST")])
        body = read_body(environ)
        codec = body_codec(environ, body, self._codecs)
        try:
            call = read(codec, body)
        except RecursionError:
            raise Refusal(400, "the body is nested too deeply") from None
        except DecodeError as error:
            # The token is checked first: only a client that has one learns which parameters are wrong.
            self._set_format(exchange, _format_alone(codec, body))
            self._check_token(environ, _token_alone(codec, body))
            raise Refusal(400, error.message()) from None
        self._set_format(exchange, call.parameters.format)
        self._check_token(environ, call.parameters.token)
        exchange.fault = self._fault_of(name, call)
        if exchange.fault is not None and not begin(exchange.fault, exchange.connection):
            return Failure(0, "")  # replaced by the fault
        return call.run()

    def _file(self, environ: WSGIEnvironment, path: str) -> File:
        """A file that a teacher has. Raises Refusal."""
        read = self._taught.file(path) if environ.get("REQUEST_METHOD") == "GET" else None
        if read is None:
            raise Refusal(404, "no such method")
        self._check_token(environ, None)
        file = read(path)
        if file is None:
            raise Refusal(404, "no such file")
        return file

    def _fault_of(self, operation: str, call: Call) -> AnyExchangeFault | None:
        if self._faults is None:
            return None
        asked = call.parameters
        # A task's id is random. Its faults follow from the request that has started it.
        request = self._tasks.request_of(asked.task_id) if isinstance(asked, Status) else asked.as_json()
        return self._faults.exchange(operation, request)

    def _set_format(self, exchange: _Exchange, name: str | None) -> None:
        if name:
            try:
                exchange.codec = self._codecs.by_name(name.lower())
            except LookupError:
                raise Refusal(400, "no such format") from None

    def _check_token(self, environ: WSGIEnvironment, in_body: str | None) -> None:
        token = token_of(environ, in_body)
        if not token:
            raise Refusal(401, "API token required", [("WWW-Authenticate", "Bearer")])
        if not is_known(token, self._tokens):
            raise Refusal(401, "the API token is wrong", [("WWW-Authenticate", 'Bearer error="invalid_token"')])


class _Exchange:
    """A request, and what is known of its reply: the codec, and a fault of the plan."""

    def __init__(self, environ: WSGIEnvironment, codec: Codec, connection: Connection) -> None:
        self.environ = environ
        self.codec = codec
        self.connection = connection
        self.fault: AnyExchangeFault | None = None


def _format_alone(codec: Codec, body: bytes) -> str | None:
    """The format in a body whose other parameters can't be read."""
    try:
        return codec.decode(body, FormatOnly).format
    except DecodeError:
        return None


def _token_alone(codec: Codec, body: bytes) -> str | None:
    """The token in such a body. Raises Refusal 400 where the body is no document or the token no string."""
    try:
        return codec.decode(body, TokenOnly).token
    except DecodeError as error:
        raise Refusal(400, error.message()) from None


def create_app() -> Sandbox:
    """A sandbox with default settings, for servers that call a factory, such as `waitress-serve --call`.

    Its tokens come from the environment, as those of `altcraft sandbox serve` do. Raises ValueError.
    """
    return Sandbox(tokens=served_tokens(os.environ).tokens)
