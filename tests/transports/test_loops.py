"""Waiting under asyncio and trio: bounds in time, slots and flags, with a cancellation at any turn."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from altcraft_transports._common.loops import AsyncSleeper, Bound, Flag, Slots

trio = pytest.importorskip("trio")


def run_asyncio(main: Callable[[], Awaitable[Any]]) -> Any:
    async def awaited() -> Any:
        return await main()

    return asyncio.run(awaited(), debug=True)


every_loop = pytest.mark.parametrize("run", [run_asyncio, trio.run], ids=["asyncio", "trio"])


async def turn() -> None:
    """Lets the other tasks have a turn."""
    await Flag().wait(0)


@every_loop
def test_a_bound_ends_what_takes_too_long_and_nothing_else(run: Callable[..., Any]) -> None:
    async def main() -> None:
        async with Bound(5):
            await turn()
        began = time.monotonic()
        with pytest.raises(TimeoutError):
            async with Bound(0.05):
                await Flag().wait(30)
        with pytest.raises(TimeoutError):
            async with Bound(0):
                await Flag().wait(30)
        with pytest.raises(LookupError):
            async with Bound(5):
                raise LookupError
        assert time.monotonic() - began < 5
        await turn()  # no cancellation is left over

    run(main)


def test_a_cancellation_from_outside_passes_through_a_bound() -> None:
    async def main() -> str:
        entered = asyncio.Event()

        async def work() -> None:
            async with Bound(30):
                entered.set()
                await asyncio.sleep(30)

        task = asyncio.ensure_future(work())
        await entered.wait()
        task.cancel()
        try:
            await task
        except asyncio.CancelledError:
            return "cancelled"
        return "not cancelled"

    assert asyncio.run(main()) == "cancelled"


def test_a_bound_can_be_ended_and_leaves_the_task_whole() -> None:
    async def main() -> list[str]:
        bound = Bound(30)
        happened = []

        async def work() -> None:
            try:
                async with bound:
                    await asyncio.sleep(30)
            except TimeoutError:
                happened.append("ended")
            await asyncio.sleep(0)
            happened.append("went on")

        task = asyncio.ensure_future(work())
        await asyncio.sleep(0.01)
        bound.end()
        bound.end()
        await task
        return happened

    assert asyncio.run(main()) == ["ended", "went on"]


def test_a_slot_that_is_handed_to_a_task_in_the_turn_of_its_cancellation_is_not_lost() -> None:
    async def main() -> None:
        slots = Slots(1)
        release = asyncio.Event()

        async def hold() -> None:
            async with slots:
                await release.wait()

        async def want() -> None:
            async with slots:
                pass

        holder = asyncio.ensure_future(hold())
        await asyncio.sleep(0)
        first, second = asyncio.ensure_future(want()), asyncio.ensure_future(want())
        await asyncio.sleep(0)
        release.set()
        await holder
        first.cancel()  # by now the slot is its own, and it has not had a turn
        second.cancel()
        await asyncio.wait((first, second))
        await asyncio.wait_for(want(), 1)

    asyncio.run(main())


@every_loop
def test_slots_admit_so_many_at_once_in_their_order(run: Callable[..., Any]) -> None:
    inside: list[int] = []
    order: list[int] = []

    async def main() -> None:
        slots = Slots(2)

        async def work(number: int) -> None:
            async with slots:
                inside.append(number)
                order.append(number)
                assert len(inside) <= 2
                await turn()
                inside.remove(number)

        if run is run_asyncio:
            await asyncio.gather(*(work(number) for number in range(7)))
            return
        async with trio.open_nursery() as nursery:
            for number in range(7):
                nursery.start_soon(work, number)
                await trio.testing.wait_all_tasks_blocked()

    run(main)
    assert sorted(order) == list(range(7))


@every_loop
def test_a_flag_is_set_from_a_thread_and_one_of_a_loop_that_has_ended_is_passed_over(run: Callable[..., Any]) -> None:
    flags = []

    async def main() -> None:
        flag = Flag()
        flags.append(Flag())
        thread = threading.Thread(target=flag.set_from_thread)
        thread.start()
        await flag.wait(5)
        assert flag.is_set
        thread.join()

    run(main)
    flags[0].set_from_thread()


@every_loop
def test_sleeps_end_in_time_or_when_the_sleeper_is_closed(run: Callable[..., Any]) -> None:
    async def main() -> None:
        sleeper = AsyncSleeper()
        began = time.monotonic()
        await sleeper.sleep(0.05)
        assert time.monotonic() - began >= 0.045
        await sleeper.sleep(-1)
        sleeper.close()
        await sleeper.sleep(30)
        assert time.monotonic() - began < 5

    run(main)
