"""Two processes share one journal, and one is killed with -9: everything is finished once.

    python -m tests.plugins.journal.two_processes [--rounds 20] [--seed 1]

Both submit recounts to one served sandbox and follow them. One is killed at a random instant. The other one takes its
tasks over. Each process notes the keys of its submissions, and of the completions that it hears of, after the journal
has written them.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import NamedTuple, NoReturn

from altcraft import Client, Polling, TaskHandle, hookimpl
from altcraft_plugins.journal import Journal
from altcraft_plugins.sandbox import serve

POLLING = Polling(initial=0.05, maximum=0.2)
TASKS = 15


class Counts(NamedTuple):
    """What all rounds together have left behind."""

    rounds: int
    processed: int
    """Submissions that the platform has processed."""
    known: int
    """Tasks whose id the journal knows."""
    in_doubt: int
    """Submissions that the journal reports as in doubt."""
    taken_over: int
    """Tasks of killed processes that the other one has finished."""
    unfinished: int
    """Known tasks without an outcome."""
    twice: int
    """Tasks of whose completion the processes have heard more than once."""
    unexplained: int
    """Tasks that the platform has started, and that the journal neither knows nor doubts."""


class Notes:
    """Notes the submissions and the completions of this process, once the journal has written them."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    @hookimpl(trylast=True)
    def altcraft_task_submitted(self, task: TaskHandle) -> None:
        os.write(self._file, f"submitted {os.getpid()} {task.key}\n".encode())

    @hookimpl(trylast=True)
    def altcraft_task_completed(self, task: TaskHandle) -> None:
        os.write(self._file, f"completed {os.getpid()} {task.key}\n".encode())


def work(url: str, folder: Path, other: int | None) -> NoReturn:
    """Submits and follows. With `other`, goes on until that process has ended and all its tasks are finished."""
    journal = Journal(folder / "journal.sqlite3")
    plugins = [Notes(folder / "notes"), journal]
    with Client(url, "demo", plugins=plugins, polling=POLLING) as client:
        left = []
        submitted = 0
        while True:
            if submitted < TASKS or other is None:
                left.append(client.databases.refresh_counters(5, resource_id=24))
                submitted += 1
            _, not_done = client.tasks.wait(left, timeout=0.02)
            left = list(not_done)
            if other is not None:
                ended = has_ended(other)
                left += journal.resume(client)
                if ended and submitted == TASKS and not left and not journal.outstanding().tasks:
                    os._exit(0)


def has_ended(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    return False


def begun(url: str, folder: Path, other: int | None) -> int:
    """A process that works; its id."""
    process = os.fork()
    if process == 0:
        try:
            work(url, folder, other)
        finally:
            os._exit(1)
    return process


def run_round(url: str, folder: Path, dice: random.Random) -> int:
    """One round; returns the process that was killed."""
    killed = begun(url, folder, None)
    stays = begun(url, folder, killed)
    time.sleep(dice.uniform(0.3, 1.2))
    os.kill(killed, signal.SIGKILL)
    _, status = os.waitpid(killed, 0)
    assert os.WIFSIGNALED(status), f"a process ended by itself: {status}"
    _, status = os.waitpid(stays, 0)
    assert status == 0, f"the other process failed: {status}"
    return killed


def run(rounds: int, seed: int, folder: Path) -> Counts:
    """Plays so many rounds with one journal, and counts."""
    dice = random.Random(seed)
    with serve(port=0, pace=(0.1, 1.0), profiles=50, tokens=["demo"]) as server:
        killed = {run_round(server.url, folder, dice) for _ in range(rounds)}
        with Journal(folder / "journal.sqlite3") as journal:
            entries = journal.entries()
            in_doubt = len(journal.outstanding().in_doubt)
        known = [entry for entry in entries if entry.task_id is not None]
        notes = [line.split() for line in (folder / "notes").read_text().splitlines()]
        of_killed = {key for what, process, key in notes if what == "submitted" and int(process) in killed}
        heard = [(int(process), key) for what, process, key in notes if what == "completed"]
        processed = sum(server.sandbox.submissions().values())
        return Counts(
            rounds,
            processed,
            len(known),
            in_doubt,
            sum(key in of_killed and process not in killed for process, key in heard),
            sum(entry.ended_at is None for entry in known),
            sum(count > 1 for count in Counter(key for _, key in heard).values()),
            max(0, processed - len(known) - in_doubt),
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        counts = run(options.rounds, options.seed, Path(folder))
    for name, count in counts._asdict().items():
        print(f"{name:12} {count:6}")  # noqa: T201
    sys.exit(bool(counts.unfinished or counts.twice or counts.unexplained or not counts.taken_over))


if __name__ == "__main__":
    main()
