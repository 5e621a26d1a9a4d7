"""Carries deliveries out: a few threads, there while something is due, through the library's own transport."""

from __future__ import annotations

import heapq
import logging
import secrets
import sqlite3
import threading
import time
from collections.abc import Callable
from typing import Final
from urllib.parse import urlsplit

from msgspec import Struct

from altcraft import AltcraftError, HttpRequest, Transport
from altcraft.codecs import CodecRegistry
from altcraft.wire.transport import TransportRegistry
from altcraft_plugins.sandbox.deliveries import Deliveries, Parcel
from altcraft_plugins.sandbox.replies import SUCCESS, Entry
from altcraft_plugins.sandbox.store import StoreClosed

__all__ = ["Courier", "logger"]

logger = logging.getLogger("altcraft.sandbox.feedback")

WORKERS: Final = 4
"""So many receivers may be slow at the same time without a delay for the others."""

TIMEOUT: Final = 5.0
"""Seconds for one attempt."""

LINGER: Final = 1.0
"""Seconds for which a thread with nothing to do keeps its connections for the next delivery."""

FRESH_AFTER: Final = 500
"""Attempts by one transport: it remembers every URL, and here each is used once."""


class Delivered(Struct):
    """`data` of a delivery: what tasks/status would say, and of which task."""

    task_id: str
    status: str
    progress: int
    result: list[Entry] | None


class DeliveredReply(Struct):
    """A delivery."""

    data: Delivered
    error: int = 0
    error_text: str = SUCCESS


class Courier:
    """Posts what is owed, in the background, or by step() where `worker` is False. Thread-safe.

    `connect` makes the transports.
    """

    def __init__(
        self,
        deliveries: Deliveries,
        codecs: CodecRegistry,
        *,
        worker: bool = True,
        connect: Callable[[], Transport] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._deliveries = deliveries
        self._codecs = codecs
        self._worker = worker
        self._connect = connect or (lambda: TransportRegistry().create("urllib3", ""))
        self._clock = clock
        self._changed = threading.Condition()
        self._queue: list[tuple[float, str]] = []
        self._threads: set[threading.Thread] = set()
        self._idle = 0
        self._transports: set[Transport] = set()
        self._closed = False

    def look(self, task_id: str) -> None:
        """See to a task's delivery, if one is owed."""
        due = self._deliveries.due(task_id)
        if due is not None:
            self.expect(task_id, due)

    def expect(self, task_id: str, due: float) -> None:
        """See to a delivery at that time (Unix seconds). After close() it stays for a restart."""
        with self._changed:
            if self._closed:
                return
            heapq.heappush(self._queue, (due, task_id))
            if self._worker and len(self._queue) > self._idle and len(self._threads) < WORKERS:
                thread = threading.Thread(target=self._run, name="altcraft-sandbox-feedback", daemon=False)
                self._threads.add(thread)
                thread.start()
            self._changed.notify()

    def step(self) -> bool:
        """Carry out the delivery that is due next, due or not. False when none is owed."""
        with self._changed:
            if self._closed or not self._queue:
                return False
            _, task_id = heapq.heappop(self._queue)
        transport = self._connected()
        try:
            self._deliver(transport, task_id, early=True)
        finally:
            self._disconnect(transport)
        return True

    def close(self) -> None:
        """End the attempts under way, and join the threads. What is owed stays stored. Idempotent."""
        with self._changed:
            self._closed = True
            self._queue.clear()
            self._changed.notify_all()
            transports, threads = tuple(self._transports), tuple(self._threads)
        for transport in transports:
            transport.close()
        for thread in threads:
            if thread is not threading.current_thread():
                thread.join()

    def _run(self) -> None:
        transport, attempts = self._connected(), 0
        try:
            while (task_id := self._next()) is not None:
                attempts += 1
                if attempts % FRESH_AFTER == 0:
                    self._disconnect(transport)
                    transport = self._connected()
                self._deliver(transport, task_id)
        finally:
            self._disconnect(transport)

    def _next(self) -> str | None:
        """The task whose delivery is due; None, and the thread is forgotten, when there is none to wait for."""
        with self._changed:
            self._idle += 1
            while not self._closed:
                delay = self._queue[0][0] - self._clock() if self._queue else LINGER
                if delay <= 0 or (not self._changed.wait(delay) and not self._queue):
                    break
            self._idle -= 1
            if self._queue:
                return heapq.heappop(self._queue)[1]
            # Forgotten under the lock, so that expect() either finds this thread at work or starts another.
            self._threads.discard(threading.current_thread())
            return None

    def _deliver(self, transport: Transport, task_id: str, *, early: bool = False) -> None:
        try:
            parcel = self._deliveries.claim(task_id, early=early)
            if parcel is None:
                return
            outcome, taken = self._post(transport, parcel)
            if taken and parcel.mode == "twice":
                self._post(transport, parcel)
            due = self._deliveries.settle(parcel, outcome, taken=taken)
        except StoreClosed:
            return
        except sqlite3.OperationalError as error:
            # Another process holds the file: the claim runs out, and the row is there.
            logger.warning("feedback of task %s waits for the database: %s", task_id, error)
            due = self._clock() + 1.0
        if due is not None:
            self.expect(task_id, due)

    def _post(self, transport: Transport, parcel: Parcel) -> tuple[str, bool]:
        """One attempt: what came of it, in a few words, and whether it was taken."""
        codec = self._codecs.by_name(parcel.type.lower())
        body = codec.encode(DeliveredReply(Delivered(parcel.task_id, parcel.status, parcel.progress, parcel.result)))
        url = parcel.url
        if parcel.mode == "wrong-body":
            body = body[: len(body) // 2] + b"\x00 and so on"
        elif parcel.mode == "wrong-path":
            url = f"{url.rpartition('/')[0]}/{secrets.token_urlsafe(42)}"
        headers = {"Content-Type": codec.content_types[0], "User-Agent": "altcraft-sandbox"}
        try:
            response = transport.send(HttpRequest("POST", url, headers, body), timeout=TIMEOUT)
            outcome, taken = f"answered with {response.status}", 200 <= response.status < 300
        except AltcraftError as error:
            outcome, taken = f"{type(error).__name__}: {error.message()}", False
        except Exception as error:
            logger.exception("the feedback of task %s broke", parcel.task_id)
            outcome, taken = f"{type(error).__name__}: {error}", False
        parts = urlsplit(parcel.url)  # where to, without the part that only the receiver knows
        log = logger.info if taken or self._closed else logger.warning  # closing breaks off what is under way
        log(
            "feedback of task %s to %s://%s, attempt %d: %s%s",
            parcel.task_id, parts.scheme, parts.netloc, parcel.attempt, outcome,
            f" ({parcel.mode})" if parcel.mode else "",
        )  # fmt: skip
        return outcome, taken

    def _connected(self) -> Transport:
        transport = self._connect()
        with self._changed:
            self._transports.add(transport)
            closed = self._closed
        if closed:
            transport.close()
        return transport

    def _disconnect(self, transport: Transport) -> None:
        with self._changed:
            self._transports.discard(transport)
        transport.close()
