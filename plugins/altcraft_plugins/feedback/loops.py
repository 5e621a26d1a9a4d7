"""What the receiver needs of an event loop, asyncio's or trio's: a limit of time, and a thread for what may block."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from typing import TypeVar

__all__ = ["aside", "limited"]

T = TypeVar("T")


async def limited(work: Callable[[], Awaitable[T]], seconds: float) -> T:
    """What `work` comes to. TimeoutError when it takes longer."""
    if _under_trio():
        import trio

        with trio.move_on_after(seconds):
            return await work()
        raise TimeoutError
    import asyncio

    try:
        return await asyncio.wait_for(work(), seconds)
    except asyncio.TimeoutError:  # a class of its own before Python 3.11
        raise TimeoutError from None


async def aside(work: Callable[[], object]) -> None:
    """Runs a function in a worker thread, so that the loop goes on meanwhile."""
    if _under_trio():
        import trio

        await trio.to_thread.run_sync(work)
        return
    import asyncio

    await asyncio.to_thread(work)


def _under_trio() -> bool:
    trio = sys.modules.get("trio")
    return trio is not None and bool(trio.lowlevel.in_trio_run())
