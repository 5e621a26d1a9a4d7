"""Forks: a sandbox stays usable in the parent and in the child.

Before a fork, the forking thread takes every lock of every sandbox, so that no other thread is inside sqlite or holds a
lock that the child would wait for. After it, the parent releases the locks, and the child gets new ones.
"""

from __future__ import annotations

import os
import threading
from typing import Protocol
from weakref import WeakSet

__all__ = ["Forkable", "watch"]


class Forkable(Protocol):
    """What takes part in a fork."""

    def before_fork(self) -> None:
        """Takes the locks."""
        ...

    def after_fork_in_parent(self) -> None:
        """Releases the locks."""
        ...

    def after_fork_in_child(self) -> None:
        """Replaces the locks, and forgets the threads, which only the parent has."""
        ...


_lock = threading.Lock()
_watched: WeakSet[Forkable] = WeakSet()
_forking: list[Forkable] = []


def watch(part: Forkable) -> None:
    """Has `part` take part in forks from now on. Keeps no reference to it."""
    with _lock:
        _watched.add(part)


def _before() -> None:
    _lock.acquire()
    _forking.extend(_watched)
    for part in _forking:
        part.before_fork()


def _in_parent() -> None:
    for part in reversed(_forking):
        part.after_fork_in_parent()
    _forking.clear()
    _lock.release()


def _in_child() -> None:
    for part in reversed(_forking):
        part.after_fork_in_child()
    _forking.clear()
    _lock.release()


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(before=_before, after_in_parent=_in_parent, after_in_child=_in_child)
