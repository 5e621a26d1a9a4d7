"""Platform, receiver and client together: the task ends once and with its result, however the delivery goes."""

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
from altcraft_transports.threads import ThreadsTransport
from plugins.feedback.test_server import post
from plugins.feedback.world import BASE, Platform

SOMEWHERE, TOKEN = "https://me.example", "token-of-tests"
PATIENT = Polling(hint_patience=600.0, hint_checks=0)
EAGER = Polling(initial=0.1, hint_patience=1.0)


class Watch:
    """A plugin that keeps the ids of the tasks that were polled, and of those that ended."""

    def __init__(self) -> None:
        self.polls: list[str] = []
        self.ends: list[str] = []

    @hookimpl
    def altcraft_task_progress(self, task: TaskHandle) -> None:
        self.polls.append(task.id)

    @hookimpl
    def altcraft_task_completed(self, task: TaskHandle) -> None:
        self.ends.append(task.id)


def end_and_deliver(platform, tasks):
    """Once each task has been polled, each ends, and the platform posts to its URL."""
    platform.until_polled(task.id for task in tasks)
    for task in tasks:
        platform.end(task.id)
        assert post(task.feedback.url) == (200, b"")


@pytest.mark.parametrize("type", ["JSON", "XML"])
def test_a_delivery_of_the_sandbox_ends_the_task_however_long_the_patience(type):
    watch = Watch()
    with listening() as receiver, Client("sandbox:?pace=0.5", plugins=[receiver, watch], polling=PATIENT) as client:
        task = client.databases.refresh_counters(5, resource_id=24, feedback=receiver.feedback(type))
        (statistics,) = task.result(timeout=60)
        assert statistics.total_count == 1336
        assert watch.ends == [task.id]
        assert len(receiver) == 0


def test_a_delivery_of_the_sandbox_ends_an_awaited_task_too():
    async def main() -> None:
        watch = Watch()
        with listening() as receiver:
            async with AsyncClient("sandbox:?pace=0.5", plugins=[receiver, watch], polling=PATIENT) as client:
                tasks = [
                    await client.resources.refresh_counters(24, list_id=5, feedback=receiver.feedback())
                    for _ in range(3)
                ]
                results = await asyncio.wait_for(asyncio.gather(*tasks), 60)
        assert [len(result) for result in results] == [1, 1, 1]
        assert sorted(watch.ends) == sorted(task.id for task in tasks)

    asyncio.run(main())


def test_many_at_once_take_two_polls_each():
    platform = Platform()
    with (
        listening() as receiver,
        Client(SOMEWHERE, TOKEN, transport=platform, plugins=[receiver], polling=PATIENT) as client,
        ThreadPoolExecutor(1) as pool,
    ):
        tasks = [client.databases.refresh_counters(5, resource_id=24, feedback=receiver.feedback()) for _ in range(20)]
        delivered = pool.submit(end_and_deliver, platform, tasks)
        assert set(client.tasks.as_completed(tasks, timeout=300)) == set(tasks)
        delivered.result()
    assert platform.polls == {task.id: 2 for task in tasks}


def test_many_at_once_in_one_loop_do_too():
    platform = Platform()

    async def main():
        with listening() as receiver:
            transport = ThreadsTransport(platform)
            async with AsyncClient(
                SOMEWHERE, TOKEN, transport=transport, plugins=[receiver], polling=PATIENT
            ) as client:
                requests = [DatabasesRefreshCounters(5, 24, receiver.feedback()) for _ in range(20)]
                tasks = await client.submit_many(requests)
                delivered = asyncio.create_task(asyncio.to_thread(end_and_deliver, platform, tasks))
                assert {task async for task in client.tasks.as_completed(tasks, timeout=300)} == set(tasks)
                await delivered
        return tasks

    tasks = asyncio.run(main())
    assert platform.polls == {task.id: 2 for task in tasks}


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_however_the_delivery_goes_wrong_the_task_ends_once(kind):
    watch = Watch()
    url = f"sandbox:?pace=0.4&feedback={kind}&feedback_delay=0.3"
    with listening() as receiver, Client(url, plugins=[receiver, watch], polling=EAGER) as client:
        task = client.databases.refresh_counters(5, resource_id=24, feedback=receiver.feedback())
        assert len(task.result(timeout=60)) == 1
        assert watch.ends == [task.id]


def test_with_a_fifth_of_the_deliveries_lost_no_task_is():
    watch = Watch()
    url = "sandbox:?pace=0.1..0.6&feedback=never:0.2"
    with listening() as receiver, Client(url, plugins=[receiver, watch], polling=EAGER) as client:
        tasks = [client.databases.refresh_counters(5, resource_id=24, feedback=receiver.feedback()) for _ in range(40)]
        done = list(client.tasks.as_completed(tasks, timeout=60))
        assert len(done) == len(set(watch.ends)) == len(watch.ends) == 40


@pytest.mark.parametrize("first", ["delivery", "poll"])
def test_the_first_of_delivery_and_poll_wins_and_completed_fires_once(first):
    """Deliveries come before the poll, while it is under way, and after it."""
    watch = Watch()
    receiver = FeedbackReceiver(BASE, spacing=0.0)
    feedback = receiver.feedback()

    def deliver() -> None:
        assert receiver.deliver(feedback.url, {}, b"{}").status == 200

    def answer(_request: object) -> object:
        if first == "delivery":
            deliver()
        return reply({"status": "completed", "result": []})

    script = [reply({"task_id": "t-1"}), answer]
    with Client(SOMEWHERE, TOKEN, transport=FakeTransport(script), plugins=[receiver, watch]) as client:
        task = client.databases.refresh_counters(5, resource_id=24, feedback=feedback)
        if first == "delivery":
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
            waiters = [pool.submit(task.result, 60) for _ in range(3)]
            results = [waiter.result() for waiter in waiters]
            over.set()
            for one in hammers:
                one.result()
        assert results[0] == results[1] == results[2]
        assert watch.ends == [task.id]
