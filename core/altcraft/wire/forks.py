"""Locks that a forked child can use, although another thread of its parent held them."""

from __future__ import annotations

import os
from _thread import RLock  # as threading.RLock, without what threading costs to import

__all__ = ["importing", "lock_for_forks"]


def lock_for_forks() -> RLock:
    """A lock for which each fork of this process waits, so that it is free in the child. Hold it for a moment only."""
    lock = RLock()
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(before=lock.acquire, after_in_parent=lock.release, after_in_child=lock.release)
    return lock


importing = lock_for_forks()
"""To be held during an import on first use, which any thread may make.

The interpreter has a lock for each module that is being imported. A child that is forked meanwhile would wait for it
for ever: the thread that holds it is not there.
"""
