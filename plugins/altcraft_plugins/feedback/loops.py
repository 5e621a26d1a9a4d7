"""What the receiver needs of an event loop, under asyncio or trio: a time limit, and a thread for calls that block."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from typing import TypeVar

__all__ = ["in_thread", "limited"]

T = TypeVar("T")


async def limited(work: Callable[[], Awaitable[T]], seconds: float) -> T:
    """The result of `work`. TimeoutError when it takes longer than `seconds`."""
    if _under_trio():
        import trio

        with trio.move_on_after(seconds):
            return await work()
        raise TimeoutError
    import asyncio

    try:
        return await asyncio.wait_for(work(), seconds)
    except asyncio.TimeoutError:  # before Python 3.11 it is not the built-in TimeoutError
        raise TimeoutError from None


async def in_thread(work: Callable[[], object]) -> None:
    """Call a function in a worker thread; the event loop goes on meanwhile."""
    if _under_trio():
        import trio

        await trio.to_thread.run_sync(work)
        return
    import asyncio

    await asyncio.to_thread(work)


def _under_trio() -> bool:
    trio = sys.modules.get("trio")
    return trio is not None and bool(trio.lowlevel.in_trio_run())
