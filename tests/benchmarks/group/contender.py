"""One way to follow many tasks, in a process of its own: run by the benchmark, prints a line of JSON.

    python -m tests.benchmarks.group.contender NAME PORT TASKS CONNECTIONS

Every contender makes the same exchanges over at most so many connections, and every task is outstanding before the
first is done. What it measures lies between two moments: the ids exist and the connections are open, and the last task
is done. Only a thread per task is granted more: the clock starts when all the threads have, which takes seconds.
"""

from __future__ import annotations

import asyncio
import gc
import itertools
import json
import resource
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, NamedTuple

from altcraft import AsyncClient, Client, Polling, TransportSettings
from altcraft.operations import TASK_STATUS, unknown_task
from altcraft.schema import TaskStatusRequest
from altcraft.wire.transport import TransportRegistry

from .server import POLLS

TASKS = int(sys.argv[3]) if len(sys.argv) > 3 else 10_000
PAUSE = TASKS / 10_000
"""Seconds between two polls of a task: long enough for all tasks to be outstanding at once, short enough to keep every
worker busy."""
PATIENCE = 300.0
"""Seconds that an exchange may take: with thousands of threads on a few connections, ten would not do."""
POLLING = Polling(initial=2 * PAUSE, maximum=2 * PAUSE, predict=False)  # the mean delay is half a step


class Run(NamedTuple):
    """What it took: seconds, of the wall's clock and of the processor; KiB of memory a task; threads at the most."""

    seconds: float
    cpu: float
    kib: float
    threads: int
    tasks: int

    @property
    def polls_a_second(self) -> float:
        return POLLS * self.tasks / self.seconds


class Watch:
    """Measures from its making on."""

    def __init__(self, tasks: int) -> None:
        gc.collect()
        self.tasks = tasks
        self.threads = self.polls = 0
        self.memory = _kib("VmRSS")
        self.cpu = _cpu()
        self.began = time.perf_counter()

    def restart(self) -> None:
        """Leaves out the time that has passed, though not the memory that was taken."""
        self.cpu = _cpu()
        self.began = time.perf_counter()

    def poll(self) -> None:
        self.polls += 1
        if self.polls % 50 == 1:  # counting threads must not slow the contender down
            self.threads = max(self.threads, threading.active_count())

    def stop(self) -> Run:
        seconds = time.perf_counter() - self.began
        kib = (_kib("VmHWM") - self.memory) / self.tasks
        return Run(seconds, _cpu() - self.cpu, kib, self.threads, self.tasks)


def _kib(what: str) -> float:
    with open("/proc/self/status", encoding="ascii") as status:
        return next(float(line.split()[1]) for line in status if line.startswith(what))


def _cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def _url(port: int) -> str:
    return f"http://127.0.0.1:{port}"


def _client(port: int, name: str, connections: int) -> Client:
    transport = TransportRegistry().create(name, _url(port), TransportSettings(connections=connections))
    return Client(_url(port), token="t", transport=transport, polling=POLLING, request_timeout=PATIENCE)


def _async_client(port: int, name: str, connections: int) -> AsyncClient:
    transport = TransportRegistry().create_async(name, _url(port), TransportSettings(connections=connections))
    return AsyncClient(_url(port), token="t", transport=transport, polling=POLLING, request_timeout=PATIENCE)


# Ours


def group(name: str, port: int, ids: list[str], connections: int) -> Run:
    """`client.tasks.as_completed`."""
    with _client(port, name, connections) as client:
        for _ in range(connections):
            client.tasks.status("warm")
        watch = Watch(len(ids))
        tasks = [client.tasks.resume(task_id) for task_id in ids]
        for _ in client.tasks.as_completed(tasks, max_in_flight=connections):
            watch.poll()
        return watch.stop()


async def async_group(name: str, port: int, ids: list[str], connections: int) -> Run:
    """The same over AsyncClient."""
    async with _async_client(port, name, connections) as client:
        await asyncio.gather(*(client.tasks.status("warm") for _ in range(connections)))
        watch = Watch(len(ids))
        tasks = [client.tasks.resume(task_id) for task_id in ids]
        async for _ in client.tasks.as_completed(tasks, max_in_flight=connections):
            watch.poll()
        return watch.stop()


# The same exchanges, and nothing else: requests built, sent, replies read by their type. No task is kept.


def bare(name: str, port: int, ids: list[str], connections: int) -> Run:
    """As many threads as connections, which take one id after the other, three times round."""
    client = _client(port, name, connections)
    exchange, transport, operation = client._engine.exchange, client._runner._transport, unknown_task()
    done = POLLING.done
    for _ in range(connections):
        client.tasks.status("warm")

    def work(queue: Iterator[str]) -> None:
        for task_id in queue:
            request = exchange.build(TASK_STATUS, TaskStatusRequest(task_id))
            exchange.status(operation, transport.send(request, timeout=PATIENCE), done)

    with client:
        return _round_and_round(work, ids, connections)


def bare_urlopen(name: str, port: int, ids: list[str], connections: int) -> Run:
    """As `bare`, but over urllib3's own `urlopen` and with json.loads: the least that polls in Python take."""
    poll = _plain_poll(port, connections)

    def work(queue: Iterator[str]) -> None:
        for task_id in queue:
            poll(task_id)

    return _round_and_round(work, ids, connections)


def _round_and_round(work: Callable[[Iterator[str]], None], ids: list[str], connections: int) -> Run:
    watch = Watch(len(ids))
    queue = itertools.chain.from_iterable(itertools.repeat(ids, POLLS))
    threads = [threading.Thread(target=work, args=(queue,)) for _ in range(connections)]
    for thread in threads:
        thread.start()
    watch.poll()
    for thread in threads:
        thread.join()
    return watch.stop()


async def async_bare(name: str, port: int, ids: list[str], connections: int) -> Run:
    """As many coroutines as connections."""
    client = _async_client(port, name, connections)
    exchange, transport, operation = client._engine.exchange, client._runner._transport, unknown_task()
    done = POLLING.done

    async def work(queue: Iterator[str]) -> None:
        for task_id in queue:
            request = exchange.build(TASK_STATUS, TaskStatusRequest(task_id))
            exchange.status(operation, await transport.send(request, timeout=PATIENCE), done)

    async with client:
        await asyncio.gather(*(client.tasks.status("warm") for _ in range(connections)))
        watch = Watch(len(ids))
        watch.poll()
        queue = itertools.chain.from_iterable(itertools.repeat(ids, POLLS))
        await asyncio.gather(*(work(queue) for _ in range(connections)))
        return watch.stop()


# What people write instead


def thread_per_task(name: str, port: int, ids: list[str], connections: int) -> Run:
    """A thread for each task, which asks, over this library's transport, until its task is done."""
    client = _client(port, name, connections)
    for _ in range(connections):
        client.tasks.status("warm")

    def follow(task_id: str) -> None:
        while client.tasks.status(task_id).status != "completed":
            time.sleep(PAUSE)

    with client:
        return _in_threads(follow, ids)


def plain_thread_per_task(name: str, port: int, ids: list[str], connections: int) -> Run:
    """The same with urllib3's pool and json.loads, as one would write it without a library."""
    poll = _plain_poll(port, connections)

    def follow(task_id: str) -> None:
        while poll(task_id) != "completed":
            time.sleep(PAUSE)

    return _in_threads(follow, ids)


def _plain_poll(port: int, connections: int) -> Callable[[str], str]:
    import urllib3

    pool = urllib3.HTTPConnectionPool("127.0.0.1", port, maxsize=connections, block=True)
    headers = {"Content-Type": "application/json"}

    def poll(task_id: str) -> str:
        body = json.dumps({"token": "t", "format": "json", "task_id": task_id}, separators=(",", ":")).encode()
        reply = pool.urlopen("POST", "/api/v1.1/tasks/status", body=body, headers=headers)
        return str(json.loads(reply.data)["data"]["status"])

    for _ in range(connections):
        poll("warm")
    return poll


def _in_threads(follow: Callable[[str], None], ids: list[str]) -> Run:
    threading.stack_size(128 * 1024)  # the least that a careful author would set
    all_there = threading.Event()

    def begin(task_id: str) -> None:
        all_there.wait()
        follow(task_id)

    watch = Watch(len(ids))
    threads = [threading.Thread(target=begin, args=(task_id,)) for task_id in ids]
    for thread in threads:
        thread.start()
    watch.poll()
    watch.restart()
    all_there.set()
    for thread in threads:
        thread.join()
    return watch.stop()


async def coroutine_per_task(name: str, port: int, ids: list[str], connections: int) -> Run:
    """A coroutine for each task, with aiohttp and json.loads, over as many connections."""
    import aiohttp

    connector = aiohttp.TCPConnector(limit=connections)
    async with aiohttp.ClientSession(connector=connector) as session:
        url = f"{_url(port)}/api/v1.1/tasks/status"

        async def poll(task_id: str) -> str:
            body = json.dumps({"token": "t", "format": "json", "task_id": task_id}, separators=(",", ":")).encode()
            async with session.post(url, data=body, headers={"Content-Type": "application/json"}) as reply:
                return str(json.loads(await reply.read())["data"]["status"])

        async def follow(task_id: str) -> None:
            while await poll(task_id) != "completed":  # noqa: ASYNC110  # it is not ours to signal
                await asyncio.sleep(PAUSE)

        await asyncio.gather(*(poll("warm") for _ in range(connections)))
        watch = Watch(len(ids))
        watch.poll()
        await asyncio.gather(*(follow(task_id) for task_id in ids))
        return watch.stop()


Contender = Callable[[str, int, list[str], int], "Run | Awaitable[Run]"]

CONTENDERS: dict[str, tuple[Contender, str]] = {
    "group, urllib3": (group, "urllib3"),
    "group, http_client": (group, "http_client"),
    "group, pycurl": (group, "pycurl"),
    "group, aiohttp": (async_group, "aiohttp"),
    "group, httpx": (async_group, "httpx"),
    "bare polls, urllib3": (bare, "urllib3"),
    "bare polls, urlopen": (bare_urlopen, "urllib3"),
    "bare polls, http_client": (bare, "http_client"),
    "bare polls, pycurl": (bare, "pycurl"),
    "bare polls, aiohttp": (async_bare, "aiohttp"),
    "bare polls, httpx": (async_bare, "httpx"),
    "a thread per task, ours": (thread_per_task, "urllib3"),
    "a thread per task, urllib3": (plain_thread_per_task, "urllib3"),
    "a coroutine per task, aiohttp": (coroutine_per_task, "aiohttp"),
}


def main() -> None:
    name, port, connections = sys.argv[1], int(sys.argv[2]), int(sys.argv[4])
    ids = [f"task-{time.time_ns() % 10**12}-{number:06}" for number in range(TASKS)]
    contender, transport = CONTENDERS[name]
    outcome: Any = contender(transport, port, ids, connections)
    run = asyncio.run(outcome) if asyncio.iscoroutine(outcome) else outcome
    print(json.dumps(run._asdict() | {"polls_a_second": run.polls_a_second}))


if __name__ == "__main__":
    main()
