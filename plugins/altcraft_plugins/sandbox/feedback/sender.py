"""Sends deliveries: a few threads, which run only while deliveries are pending, use the library's own transport."""

from __future__ import annotations

import heapq
import logging
import secrets
import threading
import time
from collections.abc import Callable
from typing import Final
from urllib.parse import urlsplit

from altcraft import AltcraftError, HttpRequest, Transport
from altcraft.codecs import CodecRegistry
from altcraft.wire.transport import TransportRegistry
from altcraft_plugins.sandbox.data.store import StoreClosed, StoreUnavailable
from altcraft_plugins.sandbox.feedback.table import Delivery, DeliveryTable
from altcraft_plugins.sandbox.schema.replies import Delivered, DeliveredReply

__all__ = ["DeliverySender", "logger"]

logger = logging.getLogger("altcraft.sandbox.feedback")

THREADS: Final = 4
"""How many slow receivers leave the other deliveries on time."""

TIMEOUT: Final = 5.0
"""Seconds for one attempt."""

LINGER: Final = 1.0
"""Seconds for which an idle thread keeps its connections for the next delivery."""

FRESH_AFTER: Final = 500
"""Attempts per transport. A transport remembers every URL it has used, and each delivery has a URL of its own."""


class DeliverySender:
    """Sends pending deliveries in the background, or by step() where `thread` is False. Thread-safe.

    `connect` makes the transports.
    """

    def __init__(
        self,
        deliveries: DeliveryTable,
        codecs: CodecRegistry,
        *,
        thread: bool = True,
        connect: Callable[[], Transport] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._deliveries = deliveries
        self._codecs = codecs
        self._starts_threads = thread
        self._connect = connect or (lambda: TransportRegistry().create("urllib3", ""))
        self._clock = clock
        self._changed = threading.Condition()
        self._queue: list[tuple[float, str]] = []  # due time, task id
        self._threads: set[threading.Thread] = set()
        self._idle = 0
        self._transports: set[Transport] = set()
        self._closed = False

    def schedule(self, task_id: str) -> None:
        """Schedules a task's delivery, if one is pending."""
        due = self._deliveries.due(task_id)
        if due is not None:
            self.schedule_at(due, task_id)

    def schedule_at(self, due: float, task_id: str) -> None:
        """Schedules a delivery for that time (Unix seconds). After close() it is left for the next start."""
        with self._changed:
            if self._closed:
                return
            heapq.heappush(self._queue, (due, task_id))
            if self._starts_threads and len(self._queue) > self._idle and len(self._threads) < THREADS:
                thread = threading.Thread(target=self._run, name="altcraft-sandbox-feedback", daemon=False)
                self._threads.add(thread)
                thread.start()
            self._changed.notify()

    def step(self) -> bool:
        """Makes the delivery that is due next, without waiting for its time. False where none is pending."""
        with self._changed:
            if self._closed or not self._queue:
                return False
            _, task_id = heapq.heappop(self._queue)
        transport = self._open_transport()
        try:
            self._deliver(transport, task_id, early=True)
        finally:
            self._close_transport(transport)
        return True

    def close(self) -> None:
        """Ends the attempts under way, and joins the threads. Pending deliveries stay stored. May be called twice."""
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

    def before_fork(self) -> None:
        """Takes the lock."""
        self._changed.acquire()

    def after_fork_in_parent(self) -> None:
        """Releases the lock."""
        self._changed.release()

    def after_fork_in_child(self) -> None:
        """Replaces the lock, and forgets the deliveries, threads and transports: the parent goes on with them."""
        self._changed = threading.Condition()
        self._queue.clear()
        self._threads.clear()
        self._transports.clear()
        self._idle = 0

    def _run(self) -> None:
        transport, attempts = self._open_transport(), 0
        try:
            while (task_id := self._next()) is not None:
                attempts += 1
                if attempts % FRESH_AFTER == 0:
                    self._close_transport(transport)
                    transport = self._open_transport()
                self._deliver(transport, task_id)
        finally:
            self._close_transport(transport)

    def _next(self) -> str | None:
        """Waits for the next delivery and returns its task. None, and the thread is removed, where none is pending."""
        with self._changed:
            self._idle += 1
            while not self._closed:
                delay = self._queue[0][0] - self._clock() if self._queue else LINGER
                if delay <= 0 or (not self._changed.wait(delay) and not self._queue):
                    break
            self._idle -= 1
            if self._queue:
                return heapq.heappop(self._queue)[1]
            # Removed under the lock: schedule_at() either finds this thread at work or starts another.
            self._threads.discard(threading.current_thread())
            return None

    def _deliver(self, transport: Transport, task_id: str, *, early: bool = False) -> None:
        try:
            delivery = self._deliveries.claim(task_id, early=early)
            if delivery is None:
                return
            outcome, accepted = self._post(transport, delivery)
            if accepted and delivery.fault == "twice":
                self._post(transport, delivery)
            due = self._deliveries.record(delivery, outcome, accepted=accepted)
        except StoreClosed:
            return
        except StoreUnavailable as error:
            # The row stays pending, and its claim expires.
            logger.warning("feedback of task %s is delayed: %s", task_id, error)
            due = self._clock() + 1.0
        if due is not None:
            self.schedule_at(due, task_id)

    def _post(self, transport: Transport, delivery: Delivery) -> tuple[str, bool]:
        """Makes one attempt. Returns its outcome in a few words, and whether the receiver accepted it."""
        codec = self._codecs.by_name(delivery.type.lower())
        data = Delivered(delivery.task_id, delivery.status, delivery.progress, delivery.result)
        body, url = codec.encode(DeliveredReply(data)), delivery.url
        if delivery.fault == "wrong-body":
            body = body[: len(body) // 2] + b"\x00 and so on"
        elif delivery.fault == "wrong-path":
            url = f"{url.rpartition('/')[0]}/{secrets.token_urlsafe(42)}"
        headers = {"Content-Type": codec.content_types[0], "User-Agent": "altcraft-sandbox"}
        try:
            response = transport.send(HttpRequest("POST", url, headers, body), timeout=TIMEOUT)
            outcome, accepted = f"answered with {response.status}", 200 <= response.status < 300
        except AltcraftError as error:
            outcome, accepted = f"{type(error).__name__}: {error.message()}", False
        except Exception as error:
            logger.exception("sending the feedback of task %s failed", delivery.task_id)
            outcome, accepted = f"{type(error).__name__}: {error}", False
        parts = urlsplit(delivery.url)
        address = parts.netloc.rpartition("@")[2]  # without the path and the password, which are the receiver's secrets
        log = logger.info if accepted or self._closed else logger.warning  # close() ends attempts under way
        log(
            "feedback of task %s to %s://%s, attempt %d: %s%s",
            delivery.task_id, parts.scheme, address, delivery.attempt, outcome,
            f" ({delivery.fault})" if delivery.fault else "",
        )  # fmt: skip
        return outcome, accepted

    def _open_transport(self) -> Transport:
        transport = self._connect()
        with self._changed:
            self._transports.add(transport)
            closed = self._closed
        if closed:
            transport.close()
        return transport

    def _close_transport(self, transport: Transport) -> None:
        with self._changed:
            self._transports.discard(transport)
        transport.close()
