"""Kills processes that submit and follow tasks with a journal, and counts what is lost.

    python -m tests.plugins.journal.kills [--kills 300] [--seed 1]

Each child is a process of its own that submits recounts to one served sandbox and follows them. Two fifths of the kills
come at random instants. The others are aimed at each step in turn: in one round at its very beginning, in the next one
up to 3 ms after the child has entered it. The table tells in which step each child has died. The sandbox counts the
submissions that it has processed. Each child notes the key of a submission just before the request is sent, and the
task id as soon as `submit` has returned it. After the kills, a new process resumes what the journal knows.
"""

from __future__ import annotations

import argparse
import mmap
import os
import random
import select
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import NamedTuple, NoReturn

from altcraft import Client, ObservedExchange, Polling, Submission, hookimpl
from altcraft_plugins.journal import Journal
from altcraft_plugins.sandbox import serve

POLLING = Polling(initial=0.02, maximum=0.1)
STEPS = (
    "beginning or resuming",
    "writing the intent",
    "intent written",
    "request under way",
    "answered, id not written",
    "id written",
    "poll under way",
    "between polls",
    "writing the outcome",
    "outcome written",
    "acknowledging",
    "acknowledged",
)
_INTENT, _INTENDED, _SENDING, _ANSWERED, _KNOWN, _POLLING, _POLLED, _ENDING, _ENDED, _CLEARING, _CLEARED = range(1, 12)


class Counts(NamedTuple):
    """What the kills have left behind."""

    kills: int
    processed: int
    """Submissions that the platform has processed."""
    known: int
    """Tasks whose id the journal knows."""
    in_doubt: int
    """Submissions that the journal reports as in doubt."""
    lost: int
    """Task ids that `submit` has returned, and that the journal does not know."""
    unreported: int
    """Known tasks whose outcome was neither acknowledged nor is kept for it, after all was resumed."""
    doubled: int
    """Task ids that the journal has twice."""
    unexplained: int
    """Submissions whose request was sent, and that the journal neither knows nor doubts."""


class Aim(NamedTuple):
    """Where a child is to die: at the `nth` time that it enters the step `step`, at once or a little later."""

    step: int
    nth: int
    at_once: bool


class Steps:
    """Notes the step that a child is in, in memory that the parent sees."""

    def __init__(self, seen: mmap.mmap, sent: Path, ready: int, aim: Aim | None) -> None:
        self._seen = seen
        self._sent = os.open(sent, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        self._ready = ready
        self._aim = aim
        self._entered = 0
        self._key = ""

    def enter(self, step: int) -> None:
        self._seen[0] = step
        if self._aim is not None and step == self._aim.step:
            self._entered += 1
            if self._entered == self._aim.nth:
                if self._aim.at_once:
                    os.kill(os.getpid(), signal.SIGKILL)
                os.write(self._ready, b".")

    @hookimpl(tryfirst=True)
    def altcraft_submitting(self, submission: Submission) -> None:
        self._key = submission.key
        self.enter(_INTENT)

    @hookimpl
    def altcraft_exchange_started(self, exchange: ObservedExchange) -> None:
        if exchange.task_id is None:
            os.write(self._sent, f"{self._key}\n".encode())
        self.enter(_SENDING if exchange.task_id is None else _POLLING)

    @hookimpl
    def altcraft_exchange_finished(self, exchange: ObservedExchange) -> None:
        self.enter(_ANSWERED if exchange.task_id is None else _POLLED)

    @hookimpl(trylast=True)
    def altcraft_task_submitted(self) -> None:
        self.enter(_KNOWN)

    @hookimpl(tryfirst=True)
    def altcraft_task_completed(self) -> None:
        self.enter(_ENDING)


class LaterSteps:
    """Notes the steps that begin when the journal has written."""

    def __init__(self, steps: Steps) -> None:
        self._steps = steps

    @hookimpl(trylast=True)
    def altcraft_submitting(self) -> None:
        self._steps.enter(_INTENDED)

    @hookimpl(trylast=True)
    def altcraft_task_completed(self) -> None:
        self._steps.enter(_ENDED)


def work(url: str, path: Path, ids: Path, steps: Steps) -> NoReturn:
    """What a child does until it is killed: resumes, submits, follows, acknowledges."""
    journal = Journal(path)
    noted = os.open(ids, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    # Of several plugins that want to be first, the last one is.
    with Client(url, "demo", plugins=[LaterSteps(steps), journal, steps], polling=POLLING) as client:
        left = list(journal.resume(client))
        while True:
            task = client.databases.refresh_counters(5, resource_id=24)
            os.write(noted, f"{task.id}\n".encode())
            left.append(task)
            done, not_done = client.tasks.wait(left, timeout=0.01)
            left = list(not_done)
            for ended in done:
                assert ended.key is not None
                steps.enter(_CLEARING)
                journal.acknowledge(ended.key)
                steps.enter(_CLEARED)


def kill_one(url: str, folder: Path, aim: Aim | None, dice: random.Random) -> str:
    """Runs a child, kills it, and returns the step in which it has died."""
    seen = mmap.mmap(-1, 1)
    read, written = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            steps = Steps(seen, folder / "sent", written, aim)
            work(url, folder / "journal.sqlite3", folder / "ids", steps)
        finally:
            os._exit(1)
    os.close(written)
    if aim is None:
        time.sleep(dice.uniform(0.0, 0.4))
    else:
        select.select([read], [], [], 20)  # a child that dies at once closes the pipe
        time.sleep(dice.uniform(0.0, 0.003))
    os.close(read)
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status), f"a child ended by itself: {status}"
    return STEPS[seen[0]]


def run(kills: int, seed: int, folder: Path) -> tuple[Counts, Counter[str]]:
    """Kills so many children one after the other, then resumes, and counts: what is left, and kills by step."""
    dice = random.Random(seed)
    steps: Counter[str] = Counter()
    aimed = 0
    with serve(port=0, pace=0.01, profiles=50, tokens=["demo"]) as server:
        for _ in range(kills):
            aim = None
            if dice.random() < 0.6:
                rounds, step = divmod(aimed, len(STEPS) - 1)
                aim = Aim(1 + step, dice.randint(1, 4), rounds % 2 == 0)
                aimed += 1
            steps[kill_one(server.url, folder, aim, dice)] += 1
        journal = Journal(folder / "journal.sqlite3")
        with journal, Client(server.url, "demo", plugins=[journal], polling=POLLING) as client:
            client.tasks.wait(journal.resume(client), timeout=60)
            entries = journal.entries()
            known = [entry for entry in entries if entry.task_id is not None]
            of_journal = {entry.task_id for entry in known}
            kept = {entry.key for entry in journal.outcomes()}
            doubted = {entry.key for entry in journal.outstanding().in_doubt}
            sent = (folder / "sent").read_text().split()
            processed = sum(server.sandbox.submissions().values())
            assert processed <= len(known) + len(doubted), "the platform knows tasks of which the journal does not"
            return Counts(
                kills,
                processed,
                len(known),
                len(doubted),
                len(set((folder / "ids").read_text().split()) - of_journal),
                sum(not entry.is_acknowledged and entry.key not in kept for entry in known),
                len(known) - len(of_journal),
                len(set(sent) - doubted - {entry.key for entry in known}),
            ), steps


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        counts, steps = run(options.kills, options.seed, Path(folder))
    for step in STEPS:
        print(f"killed, {step:26} {steps[step]:6}")  # noqa: T201
    for name, count in counts._asdict().items():
        print(f"{name:34} {count:6}")  # noqa: T201
    sys.exit(bool(counts.lost or counts.unreported or counts.doubled or counts.unexplained))


if __name__ == "__main__":
    main()
