"""Forked processes: a child must not use the connections, nor the locks, that it has from its parent."""

from __future__ import annotations

import os
from typing import Protocol
from weakref import WeakSet

__all__ = ["FORKED", "detach", "heed_forks"]

FORKED = "this AsyncClient, or its transport, belongs to the process that forked this one: make a new one here"


class _Forkable(Protocol):
    def after_fork(self) -> None:
        """Begins anew, in the child. No other thread runs yet; any lock may be held by a thread that is gone."""


_living: WeakSet[_Forkable] = WeakSet()


def heed_forks(one: _Forkable) -> None:
    """Has `one.after_fork` called in every child that is forked while `one` lives."""
    _living.add(one)


def _in_child() -> None:
    for one in tuple(_living):
        one.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)


def detach(*descriptors: int) -> None:
    """Has descriptors lead nowhere in this process; the parent's side of them is not touched.

    Closing one of them later closes nothing else, and sends nothing to the server.
    """
    nowhere = os.open(os.devnull, os.O_RDWR)
    try:
        for descriptor in descriptors:
            os.dup2(nowhere, descriptor, inheritable=False)
    finally:
        os.close(nowhere)
