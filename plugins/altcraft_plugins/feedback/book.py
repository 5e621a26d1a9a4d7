"""Which URLs are out, and whose tasks they belong to: in bounded memory, for a bounded time."""

from __future__ import annotations

import threading
import weakref
from collections import OrderedDict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from altcraft import TaskHandle

__all__ = ["Book", "Page"]

LINGER = 300.0
"""Seconds for which the URL of a finished task still answers, as to a delivery that a poll has overtaken."""


class Page:
    """One URL. `task_id` is None until its task is known here; `heard` says that a delivery has come meanwhile."""

    __slots__ = ("_task", "expires", "heard", "heard_at", "spent", "task_id")

    def __init__(self, expires: float) -> None:
        self.expires = expires
        self.task_id: str | None = None
        self.heard = False
        self.heard_at = float("-inf")
        self.spent = False
        self._task: weakref.ref[TaskHandle] | None = None

    @property
    def task(self) -> TaskHandle | None:
        """The task, as long as somebody else holds it: nobody waits for a task that nobody holds."""
        return self._task() if self._task is not None else None

    @task.setter
    def task(self, task: TaskHandle | None) -> None:
        self._task = weakref.ref(task) if task is not None else None
        if task is not None:
            self.task_id = task.id


class Book:
    """Pages by key, the oldest first, at most `capacity` of them. Hold `lock` while using it and its pages."""

    def __init__(self, capacity: int) -> None:
        self.lock = threading.Lock()
        self._capacity = capacity
        self._pages: OrderedDict[str, Page] = OrderedDict()
        self._spent: OrderedDict[str, Page] = OrderedDict()

    def open(self, key: str, expires: float, now: float) -> Page:
        """A new page. The oldest ones go, where there is no room for it."""
        self._tidy(now)
        page = self._pages[key] = Page(expires)
        while len(self._pages) > self._capacity:
            self._pages.popitem(last=False)
        return page

    def find(self, key: str, now: float) -> Page | None:
        """The page of a key, if there is one, and it is still good."""
        page = self._pages.get(key) or self._spent.get(key)
        return page if page is not None and page.expires > now else None

    def close(self, key: str, now: float) -> None:
        """The task has ended: its page is kept for a little while, and hints at nothing any more."""
        page = self._pages.pop(key, None)
        if page is None:
            return
        page.spent, page.task = True, None
        page.expires = min(page.expires, now + LINGER)
        self._spent[key] = page
        self._tidy(now)

    def waiting(self) -> list[str]:
        """Ids of the tasks that are known and have not ended, oldest first."""
        return [page.task_id for page in self._pages.values() if page.task_id is not None and page.task is not None]

    def __len__(self) -> int:
        return len(self._pages)

    def _tidy(self, now: float) -> None:
        """Both run out in their order, as far as their lifetimes are equal: what is behind a good one waits for it."""
        for pages in (self._pages, self._spent):
            while pages and (next(iter(pages.values())).expires <= now or len(pages) > self._capacity):
                pages.popitem(last=False)
