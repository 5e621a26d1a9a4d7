"""The url table: the URLs that a receiver answers, and the task of each. Bounded in size and in time."""

from __future__ import annotations

import os
import threading
import weakref
from collections import OrderedDict

from altcraft import TaskHandle

__all__ = ["LINGER", "Entry", "UrlTable"]

LINGER = 300.0
"""Seconds for which the URL of an ended task still answers. A delivery often arrives after a poll has found the end."""

_lock = threading.Lock()
"""One for all tables of the process, which hold it for microseconds. The thread that forks takes it first, so that the
child finds it free and the tables whole.
"""

if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(before=_lock.acquire, after_in_parent=_lock.release, after_in_child=_lock.release)


class Entry:
    """One URL.

    `expires` is in Unix seconds, `hinted_at` the monotonic time of the last hint (-inf before the first). `task_id` is
    None until a task is attached. The task itself is held weakly: a delivery can help only a task that others hold.
    """

    __slots__ = ("_task", "ended", "expires", "hinted_at", "task_id")

    def __init__(self, expires: float) -> None:
        self.expires = expires
        self.hinted_at = float("-inf")
        self.ended = False
        self.task_id: str | None = None
        self._task: weakref.ref[TaskHandle] | None = None

    @property
    def task(self) -> TaskHandle | None:
        """The attached task, while something outside the table holds it."""
        return self._task() if self._task is not None else None

    def attach(self, task: TaskHandle) -> None:
        """Tie the URL to its task."""
        self._task = weakref.ref(task)
        self.task_id = task.id

    def end(self, expires: float) -> None:
        """The task has ended: the URL answers until `expires` and hints at nothing."""
        self.ended, self._task, self.expires = True, None, expires


class UrlTable:
    """Entries by key. Thread-safe.

    At most `capacity` entries wait for a task's end, and as many linger after it. The oldest give way to new ones.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._waiting: OrderedDict[str, Entry] = OrderedDict()
        self._ended: OrderedDict[str, Entry] = OrderedDict()

    def add(self, key: str, expires: float, now: float) -> None:
        """A new URL is handed out."""
        with _lock:
            self._open(key, expires, now)

    def find(self, key: str, now: float) -> Entry | None:
        """The entry of a key, unless it has expired."""
        with _lock:
            return self._find(key, now)

    def find_or_add(self, key: str, expires: float, now: float) -> Entry:
        """The entry of a key, for a URL that another process may have handed out."""
        with _lock:
            return self._find(key, now) or self._open(key, expires, now)

    def attach(self, entry: Entry, task: TaskHandle) -> bool:
        """Tie a URL to its task. True when a delivery came before: the task deserves a hint at once."""
        with _lock:
            entry.attach(task)
            return entry.hinted_at > float("-inf")

    def hint(self, entry: Entry, at: float, spacing: float) -> bool:
        """Whether a delivery counts: not after the task's end, and at most once in `spacing` seconds."""
        with _lock:
            if entry.ended or at - entry.hinted_at < spacing:
                return False
            entry.hinted_at = at
            return True

    def end(self, key: str, now: float) -> None:
        """The task of a URL has ended."""
        with _lock:
            entry = self._waiting.pop(key, None)
            if entry is not None:
                entry.end(now + LINGER)
                self._ended[key] = entry
                self._tidy(self._ended, now)

    def task_ids(self) -> list[str]:
        """Ids of the attached tasks that have not ended, in the order of their URLs."""
        with _lock:
            return [entry.task_id for entry in self._waiting.values() if entry.task_id is not None and entry.task]

    def __len__(self) -> int:
        """How many URLs wait for a task's end."""
        with _lock:
            return len(self._waiting)

    def _find(self, key: str, now: float) -> Entry | None:
        entry = self._waiting.get(key) or self._ended.get(key)
        return entry if entry is not None and entry.expires > now else None

    def _open(self, key: str, expires: float, now: float) -> Entry:
        entry = self._waiting[key] = Entry(expires)
        for entries in (self._waiting, self._ended):
            self._tidy(entries, now)
        return entry

    def _tidy(self, entries: OrderedDict[str, Entry], now: float) -> None:
        """Drop what has expired or is too much, from the oldest on. An entry that outlives later ones holds them up."""
        while entries and (len(entries) > self._capacity or next(iter(entries.values())).expires <= now):
            entries.popitem(last=False)
