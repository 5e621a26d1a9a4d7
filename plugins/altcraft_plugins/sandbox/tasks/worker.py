"""The worker: counts the slices of all tasks, each when it is due, in a background thread or on demand.

One thread serves all tasks. It starts when there is work, ends when there is none, and is joined by close(). So an idle
sandbox has no thread, and a sandbox that is never closed doesn't keep its process alive.
"""

from __future__ import annotations

import heapq
import logging
import threading
import time
from collections.abc import Callable
from typing import Final, Literal

from altcraft_plugins.sandbox.counting.conditions import InvalidCondition
from altcraft_plugins.sandbox.data.store import StoreClosed, StoreUnavailable
from altcraft_plugins.sandbox.durations import Pace, pace_of
from altcraft_plugins.sandbox.tasks.table import TaskTable

__all__ = ["TaskWorker"]

logger = logging.getLogger("altcraft.sandbox")

ATTEMPTS: Final = 5
"""How often in a row a slice may find the database unavailable before its task fails."""

RETRY_AFTER: Final = 1.0
"""Seconds between those attempts."""


class TaskWorker:
    """Advances tasks: a task's slices are due at equal intervals, spread over its pace.

    `thread` False starts no thread; only step() then advances tasks. `finished` is called with the id of each task that
    ends here, after its end is committed; an exception from it is logged. Thread-safe.
    """

    def __init__(
        self,
        tasks: TaskTable,
        *,
        pace: Pace,
        thread: bool = True,
        finished: Callable[[str], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._tasks = tasks
        self._pace = pace
        self._starts_thread = thread
        self._finished = finished
        self._clock = clock
        self._changed = threading.Condition()
        self._queue: list[tuple[float, int, str, int]] = []  # due time, order, task id, failed attempts
        self._order = 0
        self._intervals: dict[str, float] = {}
        self._thread: threading.Thread | None = None
        self._closed = False

    def add(self, task_id: str) -> None:
        """Advances an unfinished task from now on. After close() the task is left for the next start."""
        seconds = pace_of(self._pace, task_id)
        interval = seconds / self._tasks.slices(task_id) if seconds else 0.0
        with self._changed:
            if self._closed:
                return
            self._intervals[task_id] = interval
            self._push(self._clock() + interval, task_id, 0)
            self._start_thread()
            self._changed.notify_all()

    def step(self) -> bool:
        """Advances the task that is due next by one slice, without waiting for its time. False where none is left."""
        with self._changed:
            if self._closed or not self._queue:
                return False
            due, _, task_id, attempts = heapq.heappop(self._queue)
        self._advance(task_id, due, attempts)
        return True

    def catch_up(self) -> None:
        """Counts all slices that are due, for a sandbox whose time passes only when a test says so."""
        while True:
            with self._changed:
                if self._closed or not self._queue or self._queue[0][0] > self._clock():
                    return
                due, _, task_id, attempts = heapq.heappop(self._queue)
            self._advance(task_id, due, attempts)

    def close(self) -> None:
        """Stops after the slice being counted, and joins the thread. Unfinished tasks stay stored.

        May be called twice.
        """
        with self._changed:
            self._closed = True
            self._queue.clear()
            thread = self._thread
            self._changed.notify_all()
        if thread is not None and thread is not threading.current_thread():
            thread.join()

    def before_fork(self) -> None:
        """Takes the lock."""
        self._changed.acquire()

    def after_fork_in_parent(self) -> None:
        """Releases the lock."""
        self._changed.release()

    def after_fork_in_child(self) -> None:
        """Replaces the lock, and forgets the thread. resume() starts another one."""
        self._changed = threading.Condition()
        self._thread = None

    def resume(self) -> None:
        """Goes on with the unfinished tasks after a fork."""
        with self._changed:
            self._start_thread()

    def _start_thread(self) -> None:
        if self._starts_thread and self._thread is None and self._queue:
            self._thread = threading.Thread(target=self._run, name="altcraft-sandbox", daemon=False)
            self._thread.start()

    def _push(self, due: float, task_id: str, attempts: int) -> None:
        self._order += 1
        heapq.heappush(self._queue, (due, self._order, task_id, attempts))

    def _run(self) -> None:
        while True:
            with self._changed:
                while self._queue and (delay := self._queue[0][0] - self._clock()) > 0:
                    self._changed.wait(delay)
                if not self._queue:
                    # Reset under the lock: add() either finds this thread at work or starts another.
                    self._thread = None
                    return
                due, _, task_id, attempts = heapq.heappop(self._queue)
            self._advance(task_id, due, attempts)

    def _advance(self, task_id: str, due: float, attempts: int) -> None:
        outcome: Literal["more", "ended", "gone"]
        pause = 0.0
        try:
            outcome, pause = self._tasks.advance(task_id)
            attempts = 0
        except StoreClosed:
            return
        except StoreUnavailable as error:
            outcome, attempts = "more", attempts + 1
            if attempts == ATTEMPTS:
                outcome = self._fail(task_id, str(error))
        except InvalidCondition as error:
            outcome = self._fail(task_id, str(error))
        except Exception as error:
            logger.exception("counting for task %s failed", task_id)
            outcome = self._fail(task_id, f"{type(error).__name__}: {error}")
        with self._changed:
            if outcome == "more":
                if not self._closed:
                    # Counted from when this slice was due, so that a late slice doesn't delay the task's end.
                    after = self._clock() + RETRY_AFTER if attempts else due + self._intervals[task_id] + pause
                    self._push(after, task_id, attempts)
                return
            self._intervals.pop(task_id, None)
        if self._finished is not None and outcome == "ended":
            try:
                self._finished(task_id)
            except Exception:
                logger.exception("the callback `finished` failed for task %s", task_id)

    def _fail(self, task_id: str, reason: str) -> Literal["ended", "gone"]:
        logger.info("task %s failed: %s", task_id, reason)
        try:
            self._tasks.fail(task_id, reason)
        except (StoreClosed, StoreUnavailable) as error:
            # The task stays unfinished, and goes on when the sandbox is started again.
            logger.warning("task %s can't be marked as failed: %s", task_id, error)
            return "gone"
        return "ended"
