"""Refreshes of random length in a sandbox that runs in a process of its own, and when a client learns of their ends."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec

from altcraft import Client, DatabaseStatistics, Feedback, Polling, Task, TaskHandle, TaskStatus, hookimpl
from altcraft_plugins.feedback.server import listening

SERVE = """
import sys
from altcraft_plugins.sandbox.server import serve
db, least, most, feedback = sys.argv[1:]
with serve(port=0, db=db, pace=(float(least), float(most)), tokens=["sandbox"], feedback=feedback or None) as server:
    print(server.url, flush=True)
    sys.stdin.read()
"""
PATIENCE = 120.0


class Seen(msgspec.Struct, frozen=True):
    """One task: its polls, and its lag, the seconds from its end until the client has the result.

    `lost`: the sandbox sent no delivery.
    """

    polls: int
    lag: float
    lost: bool


class Polls:
    """A plugin that counts the polls of each task."""

    def __init__(self) -> None:
        self.of: Counter[str] = Counter()

    @hookimpl
    def altcraft_task_progress(self, task: TaskHandle, status: TaskStatus[object]) -> None:
        self.of[task.id] += 1  # one thread follows a task


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the table: a way of polling. `misbehaviour` is the sandbox's setting `feedback`."""

    name: str
    polling: Polling
    feedback: bool = False
    misbehaviour: str = ""


def measure(run: Run, tasks: int, at_once: int, lengths: tuple[float, float]) -> list[Seen]:
    """Refresh database 5 `tasks` times, `at_once` at the same time, in threads that share a client."""
    with TemporaryDirectory() as place, sandbox(Path(place) / "db", run.misbehaviour, lengths) as (url, file):
        ends = follow(run, url, tasks, at_once)
        connection = sqlite3.connect(file)
        finished = dict(connection.execute("SELECT id, finished FROM tasks").fetchall())
        states = dict(connection.execute("SELECT task_id, state FROM deliveries").fetchall())
        connection.close()
    return [Seen(polls, end - stamp(finished[id_]), states.get(id_) == "withheld") for id_, end, polls in ends]


def follow(run: Run, url: str, tasks: int, at_once: int) -> list[tuple[str, float, int]]:
    """Of each task: its id, when the client had its result (Unix seconds), and its polls."""
    polls, ends = Polls(), list[tuple[str, float, int]]()
    listener = listening() if run.feedback else nullcontext()
    with listener as receiver, Client(url, "sandbox", polling=run.polling, plugins=[polls]) as client:
        if receiver is not None:
            client.hooks.register(receiver)

        def refresh(_: int) -> None:
            feedback: Feedback | None = receiver.feedback() if receiver is not None else None
            task: Task[list[DatabaseStatistics]] = client.databases.refresh_counters(
                5, resource_id=24, feedback=feedback
            )
            task.result(PATIENCE)
            ends.append((task.id, time.time(), polls.of[task.id]))

        with ThreadPoolExecutor(at_once) as pool:
            list(pool.map(refresh, range(tasks)))
    return ends


@contextmanager
def sandbox(file: Path, misbehaviour: str, lengths: tuple[float, float]) -> Iterator[tuple[str, Path]]:
    """Serve a sandbox; its URL and its database file."""
    command = [sys.executable, "-c", SERVE, str(file), *map(str, lengths), misbehaviour]
    pipe = subprocess.PIPE
    process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True)
    try:
        assert process.stdout is not None
        yield process.stdout.readline().strip(), file
        process.communicate(timeout=20)  # the end of its input ends it
    finally:
        process.kill()
        process.wait()


def stamp(text: str) -> float:
    """Unix seconds of a time in the sandbox's database."""
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()
