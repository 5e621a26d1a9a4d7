"""The sandbox: a WSGI application that is a small Altcraft platform."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from altcraft import DecodeError
from altcraft.codecs import Codec, CodecRegistry, default_registry, make_ready
from altcraft_plugins.sandbox.courier import Courier
from altcraft_plugins.sandbox.deliveries import Deliveries
from altcraft_plugins.sandbox.engine import Engine
from altcraft_plugins.sandbox.faults import Fault
from altcraft_plugins.sandbox.http import (
    body_codec,
    is_known,
    printable,
    read_body,
    reply_codec,
    status_line,
    token_of,
)
from altcraft_plugins.sandbox.methods import Methods
from altcraft_plugins.sandbox.misbehaviour import Misbehaviour
from altcraft_plugins.sandbox.pace import DEFAULT_PACE, Pace
from altcraft_plugins.sandbox.replies import ENTRIES, Failure
from altcraft_plugins.sandbox.requests import FormatOnly, TokenOnly
from altcraft_plugins.sandbox.settings import DEFAULT_TOKENS, check_settings
from altcraft_plugins.sandbox.store import Store, StoreBusy, StoreClosed
from altcraft_plugins.sandbox.tasks import Tasks, Work

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

__all__ = ["Sandbox", "create_app"]

logger = logging.getLogger("altcraft.sandbox")

ROOT: Final = "/api/v1.1/"


class Sandbox:
    """The service, as a WSGI application. Thread-safe. Close it, or use it as a context manager.

    `db` is a file that keeps everything (None: memory). `profiles` is the size of database 9. `pace` is the
    number of seconds over which a refresh is spread, 0 for as fast as it goes, or the least and the most of
    them. `tokens` are those that are let in. `feedback` says how deliveries go wrong, `feedback_delay` by how
    many seconds late ones are late, `feedback_anywhere` lets them leave this machine. `worker` False starts no
    thread: tasks then move by step() alone, and deliveries by deliver(). `finished` is called with a task's id
    when the task has ended. Raises ValueError for settings that make no sense, and for a file that is no
    sandbox's.
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
        worker: bool = True,
        finished: Callable[[str], None] | None = None,
        codecs: CodecRegistry | None = None,
    ) -> None:
        check_settings(profiles, pace, tokens)
        make_ready(FormatOnly, TokenOnly, Work, *ENTRIES.values())  # many threads will read into them
        self._tokens = tuple(tokens)
        self._codecs = codecs if codecs is not None else default_registry()
        misbehaviour = Misbehaviour(feedback, feedback_delay)
        self._finished = finished
        self._store = Store(db, profiles)
        deliveries = Deliveries(self._store, misbehaviour, pace, anywhere=feedback_anywhere)
        self._courier = Courier(deliveries, self._codecs, worker=worker)
        tasks = Tasks(self._store, deliveries)
        self._engine = Engine(tasks, pace=pace, worker=worker, finished=self._ended)
        self._methods = Methods(self._store, tasks, self._engine, self._courier).by_path()
        for task_id in tasks.unfinished():
            self._engine.submit(task_id)
        for task_id, due in deliveries.owed():
            self._courier.expect(task_id, due)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        reply = _Reply(reply_codec(environ, self._codecs))
        headers: Sequence[tuple[str, str]] = ()
        code = 200
        envelope: Struct
        try:
            envelope = self._answer(environ, reply)
        except Fault as fault:
            code, headers, envelope = fault.code, fault.headers, Failure(fault.code, printable(fault.text))
        except StoreClosed:
            code, envelope = 503, Failure(503, "the service has been closed")
        except StoreBusy:
            code, envelope = 503, Failure(503, "another process holds the database: try again")
        except Exception:
            logger.exception("a request broke the sandbox")
            code, envelope = 500, Failure(500, "the service failed; its log says where")
        body = reply.codec.encode(envelope)
        fixed = [("Content-Type", reply.codec.content_types[0]), ("Content-Length", str(len(body)))]
        start_response(status_line(code), [*fixed, *headers])
        return [] if environ.get("REQUEST_METHOD") == "HEAD" else [body]

    def step(self) -> bool:
        """Advance the next unfinished task by one slice, due or not. False when there is none."""
        return self._engine.step()

    def deliver(self) -> bool:
        """Carry out the next delivery that is owed, due or not. False when there is none."""
        return self._courier.step()

    def rows(self) -> AbstractContextManager[sqlite3.Connection]:
        """The tables, to look into and to change: a transaction, committed at the end of the `with`."""
        return self._store.transaction()

    def close(self) -> None:
        """Stop counting and delivering, close the database. Every later request is refused with 503. Idempotent."""
        self._engine.close()
        self._courier.close()
        self._store.close()

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _ended(self, task_id: str) -> None:
        self._courier.look(task_id)
        if self._finished is not None:
            self._finished(task_id)

    def _answer(self, environ: WSGIEnvironment, reply: _Reply) -> Struct:
        """The reply's envelope. Settles the reply's format on the way, so that a Fault too goes out in it."""
        path = str(environ.get("PATH_INFO") or "")
        name = path[len(ROOT) :] if path.startswith(ROOT) else ""
        read = self._methods.get(name.removesuffix("/"))
        if read is None:
            raise Fault(404, "no such method")
        if environ.get("REQUEST_METHOD") != "POST":
            raise Fault(405, "the method is POST", [("Allow", "POST")])
        body = read_body(environ)
        codec = body_codec(environ, body, self._codecs)
        try:
            call = read(codec, body)
        except DecodeError as error:
            # Which parameters are wrong is told to those who may come in, and in the format they asked for.
            self._settle(reply, _format_alone(codec, body))
            self._let_in(environ, _token_alone(codec, body))
            raise Fault(400, error.message()) from None
        self._settle(reply, call.format)
        self._let_in(environ, call.token)
        return call.run()

    def _settle(self, reply: _Reply, name: str | None) -> None:
        if name:
            try:
                reply.codec = self._codecs.by_name(name.lower())
            except LookupError:
                raise Fault(400, "no such format") from None

    def _let_in(self, environ: WSGIEnvironment, in_body: str | None) -> None:
        if not is_known(token_of(environ, in_body), self._tokens):
            raise Fault(401, "API token required", [("WWW-Authenticate", "Bearer")])


class _Reply:
    """The reply's format, as far as it is known."""

    def __init__(self, codec: Codec) -> None:
        self.codec = codec


def _format_alone(codec: Codec, body: bytes) -> str | None:
    """The format out of a body whose other parameters could not be read."""
    try:
        return codec.decode(body, FormatOnly).format
    except DecodeError:
        return None


def _token_alone(codec: Codec, body: bytes) -> str | None:
    """The token out of such a body. Raises Fault 400 where it is no document, or the token no string."""
    try:
        return codec.decode(body, TokenOnly).token
    except DecodeError as error:
        raise Fault(400, error.message()) from None


def create_app() -> Sandbox:
    """A sandbox with default settings: for servers that call a factory, as `waitress-serve --call` does."""
    return Sandbox()
