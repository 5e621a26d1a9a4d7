"""Locks for which a fork waits, so that a forked child finds them free."""

from __future__ import annotations

import os
from _thread import RLock  # as threading.RLock, without what threading costs to import
from contextlib import suppress

__all__ = ["importing", "lock_for_forks"]

_PATIENCE = 1.0
"""Seconds that a fork waits for a lock at most. It holds others, for which the other thread may be waiting."""


def lock_for_forks() -> RLock:
    """A lock for which each fork of this process waits. Hold it for a moment only.

    A fork takes such locks in reverse: the one that was made last comes first. So make a lock after those that are
    taken under it.
    """
    lock = RLock()

    def release() -> None:
        with suppress(RuntimeError):  # the fork did not get it in time
            lock.release()

    if hasattr(os, "register_at_fork"):
        os.register_at_fork(
            before=lambda: lock.acquire(timeout=_PATIENCE),
            after_in_parent=release,
            # Free even if the fork did not get it. The standard library does the same; the name is private there.
            after_in_child=getattr(lock, "_at_fork_reinit", release),
        )
    return lock


importing = lock_for_forks()
"""To be held during an import on first use that any thread may make, unless the import takes the lock of logging.

The interpreter has a lock for each module that is being imported. A child that is forked meanwhile would wait for it
for ever: the thread that holds it is not there.
"""
