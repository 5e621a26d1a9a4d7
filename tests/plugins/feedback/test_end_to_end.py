"""Platform, receiver and client together: whatever becomes of the delivery, the task ends once and with its result."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from altcraft import AsyncClient, Client, Polling, TaskHandle, hookimpl
from altcraft.schema import DatabasesRefreshCounters
from altcraft.testing import FakeTransport, reply
from altcraft_plugins.feedback import FeedbackReceiver
from altcraft_plugins.feedback.server import listening
from altcraft_plugins.sandbox.feedback.faults import KINDS
from plugins.feedback.world import BASE

PATIENT = Polling(hint_patience=60.0, hint_checks=0)
EAGER = Polling(initial=0.1, hint_patience=1.0)
UNHURRIED = "sandbox:?pace=1.5..2.5"  # no task ends before all are submitted and looked at once, on a busy machine too


class Watch:
    """What the hooks say, and how many threads say it at once."""

    def __init__(self) -> None:
        self.polls: list[str] = []
        self.ends: list[str] = []

    @hookimpl
    def altcraft_task_progress(self, task: TaskHandle) -> None:
        self.polls.append(task.id)

    @hookimpl
    def altcraft_task_completed(self, task: TaskHandle) -> None:
        self.ends.append(task.id)


@pytest.mark.parametrize("type", ["JSON", "XML"])
def test_a_delivery_ends_the_task_with_two_polls_however_long_the_patience(type):
    watch = Watch()
    with listening() as receiver, Client("sandbox:?pace=0.5", plugins=[receiver, watch], polling=PATIENT) as client:
        task = client.databases.refresh_counters(5, resource_id=24, feedback=receiver.feedback(type))
        (statistics,) = task.result(timeout=30)
        assert statistics.total_count == 1336
        assert (len(watch.polls), watch.ends) == (2, [task.id])
        assert len(receiver) == 0


def test_awaited_it_is_the_same():
    async def main() -> None:
        watch = Watch()
        with listening() as receiver:
            async with AsyncClient("sandbox:?pace=0.5", plugins=[receiver, watch], polling=PATIENT) as client:
                tasks = [
                    await client.resources.refresh_counters(24, list_id=5, feedback=receiver.feedback())
                    for _ in range(3)
                ]
                results = await asyncio.wait_for(asyncio.gather(*tasks), 30)
        assert [len(result) for result in results] == [1, 1, 1]
        assert len(watch.polls) == 6
        assert sorted(watch.ends) == sorted(task.id for task in tasks)

    asyncio.run(main())


def test_many_at_once_take_two_polls_each():
    watch = Watch()
    with listening() as receiver, Client(UNHURRIED, plugins=[receiver, watch], polling=PATIENT) as client:
        tasks = [client.databases.refresh_counters(5, resource_id=24, feedback=receiver.feedback()) for _ in range(20)]
        done = list(client.tasks.as_completed(tasks, timeout=30))
        assert set(done) == set(tasks)
        assert len(watch.polls) <= 2 * len(tasks)
        assert sorted(watch.ends) == sorted(task.id for task in tasks)


def test_many_at_once_in_one_loop_do_too():
    async def main() -> None:
        watch = Watch()
        with listening() as receiver:
            async with AsyncClient(UNHURRIED, plugins=[receiver, watch], polling=PATIENT) as client:
                requests = [DatabasesRefreshCounters(5, 24, receiver.feedback()) for _ in range(20)]
                tasks = await client.submit_many(requests)
                done = [task async for task in client.tasks.as_completed(tasks, timeout=30)]
        assert set(done) == set(tasks)
        assert len(watch.polls) <= 2 * len(tasks)

    asyncio.run(main())


@pytest.mark.parametrize("mode", KINDS)
def test_however_the_delivery_goes_wrong_the_task_ends_once(mode):
    watch = Watch()
    url = f"sandbox:?pace=0.4&feedback={mode}&feedback_delay=0.3"
    with listening() as receiver, Client(url, plugins=[receiver, watch], polling=EAGER) as client:
        task = client.databases.refresh_counters(5, resource_id=24, feedback=receiver.feedback())
        assert len(task.result(timeout=30)) == 1
        assert watch.ends == [task.id]


def test_with_a_fifth_of_the_deliveries_lost_no_task_is():
    watch = Watch()
    url = "sandbox:?pace=0.1..0.6&feedback=never:0.2"
    with listening() as receiver, Client(url, plugins=[receiver, watch], polling=EAGER) as client:
        tasks = [client.databases.refresh_counters(5, resource_id=24, feedback=receiver.feedback()) for _ in range(40)]
        done = list(client.tasks.as_completed(tasks, timeout=40))
        assert len(done) == len(set(watch.ends)) == len(watch.ends) == 40


@pytest.mark.parametrize("first", ["delivery", "poll", "both"])
def test_the_first_of_delivery_and_poll_wins_and_completed_fires_once(first):
    """The poll is under way while deliveries come: from before it, in the midst of it, and after it."""
    watch = Watch()
    receiver = FeedbackReceiver(BASE, spacing=0.0)
    feedback = receiver.feedback()

    def deliver() -> None:
        assert receiver.deliver(feedback.url, {}, b"{}").status == 200

    def answer(_request: object) -> object:
        if first != "poll":
            deliver()
        return reply({"status": "completed", "result": []})

    script = [reply({"task_id": "t-1"}), answer]
    with Client(
        "https://me.example", "token-of-tests", transport=FakeTransport(script), plugins=[receiver, watch]
    ) as client:
        task = client.databases.refresh_counters(5, resource_id=24, feedback=feedback)
        if first != "poll":
            deliver()
        assert task.result() == []
        deliver()
        assert task.result() == []
    assert (watch.polls, watch.ends) == (["t-1"], ["t-1"])


def test_a_task_may_be_notified_from_any_thread_while_others_wait_for_it():
    watch = Watch()
    with Client("sandbox:?pace=0.6", plugins=[watch], polling=Polling(hint_patience=1.0)) as client:
        task = client.databases.refresh_counters(5, resource_id=24)
        over = threading.Event()

        def hammer() -> None:
            while not over.wait(0.005):
                task.notify()

        with ThreadPoolExecutor(6) as pool:
            hammers = [pool.submit(hammer) for _ in range(3)]
            waiters = [pool.submit(task.result, 30) for _ in range(3)]
            results = [waiter.result() for waiter in waiters]
            over.set()
            for one in hammers:
                one.result()
        assert results[0] == results[1] == results[2]
        assert watch.ends == [task.id]
