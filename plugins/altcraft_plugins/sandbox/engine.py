"""Whose turn it is: hands out slices of the tasks' counts, paced, in a background thread or by hand.

One worker thread serves all the tasks. It is started when there is work, ends by itself when there is none,
and is joined by close(). So a sandbox that nobody uses has no thread, and one that nobody closes does not
keep its process.
"""

from __future__ import annotations

import heapq
import logging
import sqlite3
import threading
import time
from collections.abc import Callable
from typing import Final, Literal

from altcraft_plugins.sandbox.conditions import BrokenCondition
from altcraft_plugins.sandbox.pace import Pace, seconds_of
from altcraft_plugins.sandbox.store import StoreClosed
from altcraft_plugins.sandbox.tasks import Tasks

__all__ = ["Engine"]

logger = logging.getLogger("altcraft.sandbox")

ATTEMPTS: Final = 5
"""Times in a row that a slice may find the database busy before its task fails."""

RETRY_AFTER: Final = 1.0
"""Seconds between those attempts."""


class Engine:
    """Advances tasks, each slice `pace` / (number of its slices) seconds after the one before.

    `worker` False starts no thread: step() is then the only way on. `finished` is called with the id of each
    task that has ended here, after that is committed; what it raises is logged. Thread-safe.
    """

    def __init__(
        self,
        tasks: Tasks,
        *,
        pace: Pace,
        worker: bool = True,
        finished: Callable[[str], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._tasks = tasks
        self._pace = pace
        self._worker = worker
        self._finished = finished
        self._clock = clock
        self._changed = threading.Condition()
        self._queue: list[tuple[float, int, str, int]] = []  # due, order, task, attempts
        self._order = 0
        self._intervals: dict[str, float] = {}
        self._thread: threading.Thread | None = None
        self._closed = False

    def submit(self, task_id: str) -> None:
        """See to a queued or unfinished task from now on. After close() it stays for a restart."""
        seconds = seconds_of(self._pace, task_id)
        interval = seconds / self._tasks.slices(task_id) if seconds else 0.0
        with self._changed:
            if self._closed:
                return
            self._intervals[task_id] = interval
            self._push(task_id, interval, 0)
            if self._worker and self._thread is None:
                self._thread = threading.Thread(target=self._run, name="altcraft-sandbox", daemon=False)
                self._thread.start()
            self._changed.notify_all()

    def step(self) -> bool:
        """Advance the task whose turn is next by one slice, due or not. False when no task is unfinished."""
        with self._changed:
            if self._closed or not self._queue:
                return False
            _, _, task_id, attempts = heapq.heappop(self._queue)
        self._advance(task_id, attempts)
        return True

    def close(self) -> None:
        """Stop after the slice under way, and join the thread. Unfinished tasks stay stored. Idempotent."""
        with self._changed:
            self._closed = True
            self._queue.clear()
            thread = self._thread
            self._changed.notify_all()
        if thread is not None and thread is not threading.current_thread():
            thread.join()

    def _push(self, task_id: str, delay: float, attempts: int) -> None:
        self._order += 1
        heapq.heappush(self._queue, (self._clock() + delay, self._order, task_id, attempts))

    def _run(self) -> None:
        while True:
            with self._changed:
                while self._queue and (delay := self._queue[0][0] - self._clock()) > 0:
                    self._changed.wait(delay)
                if not self._queue:
                    # Forgotten under the lock, so that a submit() either finds this thread at work or starts
                    # another.
                    self._thread = None
                    return
                _, _, task_id, attempts = heapq.heappop(self._queue)
            self._advance(task_id, attempts)

    def _advance(self, task_id: str, attempts: int) -> None:
        outcome: Literal["more", "ended", "gone"]
        try:
            outcome, attempts = self._tasks.advance(task_id), 0
        except StoreClosed:
            return
        except sqlite3.OperationalError as error:
            # Another process holds the file, or the disk is full: what may pass is tried again.
            outcome, attempts = "more", attempts + 1
            if attempts == ATTEMPTS:
                outcome = self._fail(task_id, error)
        except BrokenCondition as error:
            outcome = self._fail(task_id, error)
        except Exception as error:
            logger.exception("counting for task %s broke", task_id)
            outcome = self._fail(task_id, error)
        with self._changed:
            if outcome == "more":
                if not self._closed:
                    self._push(task_id, RETRY_AFTER if attempts else self._intervals[task_id], attempts)
                return
            self._intervals.pop(task_id, None)
        if self._finished is not None and outcome == "ended":
            try:
                self._finished(task_id)
            except Exception:
                logger.exception("what waits for the end of task %s failed", task_id)

    def _fail(self, task_id: str, error: Exception) -> Literal["ended", "gone"]:
        logger.info("task %s failed: %s", task_id, error)
        try:
            self._tasks.fail(task_id, f"{type(error).__name__}: {error}")
        except (sqlite3.Error, StoreClosed) as second:
            # It stays unfinished, and goes on when the sandbox is started again.
            logger.warning("task %s could not be marked as failed: %s", task_id, second)
            return "gone"
        return "ended"
