"""Kills processes that submit and follow tasks with a journal, at random instants, and counts what is lost.

    python -m tests.plugins.journal.kills [--kills 300] [--seed 1]

Each child is a process of its own that submits recounts to one served sandbox and follows them. The sandbox counts the
submissions that it has processed. After the kills, a new process resumes what the journal knows.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from altcraft import Client, Polling
from altcraft_plugins.journal import Journal
from altcraft_plugins.sandbox import serve

POLLING = Polling(initial=0.02, maximum=0.1)


class Counts(NamedTuple):
    """What the kills have left behind."""

    kills: int
    processed: int
    """Submissions that the platform has processed."""
    known: int
    """Tasks whose id the journal knows."""
    in_doubt: int
    """Submissions that the journal reports as in doubt."""
    unfinished: int
    """Known tasks without an outcome, after all was resumed."""
    doubled: int
    """Task ids that the journal has twice."""

    @property
    def unexplained(self) -> int:
        """Tasks that the platform has started, and that the journal neither knows nor doubts."""
        return max(0, self.processed - self.known - self.in_doubt)


def work(url: str, path: Path, ready: int) -> None:
    """What a child does until it is killed: resumes, submits, follows. Writes a byte to `ready` at its first task."""
    journal = Journal(path)
    with Client(url, "demo", plugins=[journal], polling=POLLING) as client:
        left = list(journal.resume(client))
        os.write(ready, b".")
        while True:
            left.append(client.databases.refresh_counters(5, resource_id=24))
            done, not_done = client.tasks.wait(left, timeout=0.01)
            left = list(not_done)
            for task in done:
                assert task.key is not None
                journal.acknowledge(task.key)


def run(kills: int, seed: int, folder: Path) -> Counts:
    """Kills so many children one after the other, then resumes, and counts."""
    dice, path = random.Random(seed), folder / "journal.sqlite3"
    with serve(port=0, pace=0.01, profiles=50, tokens=["demo"]) as server:
        for _ in range(kills):
            read, written = os.pipe()
            child = os.fork()
            if child == 0:
                try:
                    work(server.url, path, written)
                finally:
                    os._exit(1)
            os.close(written)
            if dice.random() < 0.9:  # the others are killed while they begin
                os.read(read, 1)
            os.close(read)
            time.sleep(dice.uniform(0.0, 0.05) if dice.random() < 0.8 else dice.uniform(0.05, 0.3))
            os.kill(child, signal.SIGKILL)
            _, status = os.waitpid(child, 0)
            assert os.WIFSIGNALED(status), f"a child ended by itself: {status}"
        with Journal(path) as journal, Client(server.url, "demo", plugins=[journal], polling=POLLING) as client:
            resumed = journal.resume(client)
            client.tasks.wait(resumed, timeout=60)
            known = [entry for entry in journal.entries() if entry.task_id is not None]
            return Counts(
                kills,
                sum(server.sandbox.submissions().values()),
                len(known),
                len(journal.outstanding().in_doubt),
                sum(entry.ended_at is None for entry in known),
                len(known) - len({entry.task_id for entry in known}),
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        counts = run(options.kills, options.seed, Path(folder))
    for name, count in (*counts._asdict().items(), ("unexplained", counts.unexplained)):
        print(f"{name:12} {count:6}")  # noqa: T201
    sys.exit(bool(counts.unfinished or counts.doubled or counts.unexplained))


if __name__ == "__main__":
    main()
