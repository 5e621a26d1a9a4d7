"""Ten thousand outstanding tasks, three polls of each: throughput, CPU, threads and memory, side by side.

    python -m tests.benchmarks.group [--quick] [--json] [--tasks N] [--rounds N]

The server is a process of its own on loopback; it answers after 0 ms, then after 20 ms. Each contender is a process of
its own, over the same number of connections as the one that it is compared with: 4 or 8 where replies come at once, for
more only makes threads wait for one another, 128 where they take 20 ms; `max_in_flight` is that number. All take their
turn in each round. Of the rounds the least CPU and the most polls a second count: other work of the machine can only
add to the CPU. "Bare polls" are the same exchanges in as many threads, or coroutines, without tasks and schedules: once
by urllib3's `urlopen` and json.loads, once by this library's own transports. These take a fraction of the CPU, so that
"x bare" beside them shows the scheduler's share.

What the scheduler takes is judged by instructions in user space, where there is valgrind, for on a busy machine CPU
time tells more of the neighbours: those of 1,000 tasks, less those of 200, for each poll in between.

Memory is counted twice: what Python allocates for a task that is outstanding, byte by byte, and how much the process
grows in the run, results included, its 10,000 ids not. Last, 1,000 to 100,000 tasks in a time of their own, no I/O.

What is not installed is a row that says so. Exits with 1 when a goal is missed. Ten minutes; --quick takes two.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import re
import statistics
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from tests.benchmarks.instructions import valgrind

from .contender import CONTENDERS
from .server import POLLS

ROOT = Path(__file__).resolve().parent.parent.parent.parent
PER_THREAD = ("a thread per task, ours", "a thread per task, urllib3")
PER_COROUTINE = "a coroutine per task, aiohttp"
BARE = "bare polls, urlopen"
QUICK = (
    "group, urllib3", "bare polls, urllib3", BARE, "group, aiohttp", "bare polls, aiohttp", *PER_THREAD, PER_COROUTINE,
)  # fmt: skip
ONCE = (*PER_THREAD, "group, httpx", "bare polls, httpx")
"""They take too long for another round."""
GROWTH = (1_000, 10_000, 100_000)
COUNTED = (200, 1_000)
ENVIRONMENT = {
    **os.environ,
    "PYTHONHASHSEED": "0",
    # asyncio asks for 256 KiB with each recv. Whether glibc maps those pages anew each time, which takes a tenth of an
    # exchange, hangs on what else a process has freed before: here it never does.
    "MALLOC_MMAP_THRESHOLD_": "4194304",
    "MALLOC_TRIM_THRESHOLD_": "16777216",
}
SHARE = {  # what is to take at most 1.15 times the instructions of what
    "group, urllib3": BARE,
    "group, aiohttp": "bare polls, aiohttp",
}


class Row(NamedTuple):
    """What one contender took at best; `polls` a second, CPU in microseconds a poll, KiB a task by RSS."""

    delay_ms: int
    name: str
    connections: int
    polls: float = 0.0
    cpu: float = 0.0
    kib: float = 0.0
    threads: int = 0
    note: str = ""


class Goal(NamedTuple):
    """`figure` is to be at most, or at least, `limit`; None where it could not be measured."""

    text: str
    figure: float | None
    limit: float
    at_least: bool = False

    @property
    def passed(self) -> bool | None:
        if self.figure is None:
            return None
        return self.figure >= self.limit if self.at_least else self.figure <= self.limit


def module(name: str, *arguments: object) -> list[str]:
    return [sys.executable, "-m", f"tests.benchmarks.group.{name}", *map(str, arguments)]


def measured(name: str, *arguments: object) -> Any:
    """What such a process prints, or a string that says why it does not."""
    done = subprocess.run(
        module(name, *arguments), cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, timeout=900, check=False
    )
    if done.returncode:
        return done.stderr.strip().rpartition("\n")[2][:60]
    return json.loads(done.stdout)


@contextlib.contextmanager
def server(delay: float) -> Iterator[int]:
    with subprocess.Popen(module("server", delay), cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline())
        finally:
            process.terminate()


def connections(name: str, delay_ms: int) -> int:
    """As many as bring the most at such a delay: threads need few where replies come at once."""
    if delay_ms:
        return 128
    return 8 if name.endswith(("aiohttp", "httpx")) else 4


def compare(delay_ms: int, tasks: int, rounds: int, names: tuple[str, ...]) -> list[Row]:
    runs: dict[str, list[dict[str, float]]] = {name: [] for name in names}
    notes: dict[str, str] = {}
    with server(delay_ms / 1000) as port:
        for turn in range(rounds):
            for name in names:
                if name in notes or (turn and name in ONCE):
                    continue
                run = measured("contender", name, port, tasks, connections(name, delay_ms))
                if isinstance(run, str):
                    notes[name] = run
                else:
                    runs[name].append(run)
    rows: list[Row] = []
    for name, taken in runs.items():
        row = Row(delay_ms, name, connections(name, delay_ms), note=notes.get(name, ""))
        if taken and not row.note:
            row = row._replace(
                polls=max(run["polls_a_second"] for run in taken),
                cpu=min(run["cpu"] for run in taken) / (POLLS * tasks) * 1e6,
                kib=statistics.median(run["kib"] for run in taken),
                threads=int(max(run["threads"] for run in taken)),
            )
        rows.append(row)
    return rows


def instructions(names: tuple[str, ...]) -> dict[str, float]:
    """Thousands of instructions a poll, of those contenders that are installed; nothing without valgrind."""
    tool = valgrind()
    if tool is None:
        return {}
    few, many = COUNTED
    counted: dict[str, float] = {}
    with server(0) as port:
        for name in names:
            counts = [_counted(tool, name, port, tasks) for tasks in (few, many)]
            if all(counts):
                counted[name] = (counts[1] - counts[0]) / (POLLS * (many - few)) / 1000
    return counted


def _counted(tool: str, name: str, port: int, tasks: int) -> int:
    command = [tool, "--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null"]
    command += module("contender", name, port, tasks, connections(name, 0))
    done = subprocess.run(command, cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, timeout=300, check=False)
    found = re.search(r"I\s+refs:\s+([0-9,]+)", done.stderr)
    return 0 if done.returncode or not found else int(found[1].replace(",", ""))


def table(rows: list[Row]) -> str:
    best = {row.name: row for row in rows}
    heads = f"{'connections':>11} {'polls/s':>8} {'CPU us/poll':>11} {'x bare':>6} {'RSS KiB/task':>12} {'threads':>7}"
    lines = [f"  {'':<30} {heads}"]
    for row in rows:
        if row.note:
            lines.append(f"  {row.name:<30} {row.note}")
            continue
        plain = best.get(row.name.replace("group", "bare polls"))
        ratio = f"{row.cpu / plain.cpu:6.2f}" if plain and plain.cpu else ""
        lines.append(
            f"  {row.name:<30} {row.connections:>11} {row.polls:>8,.0f} {row.cpu:>11.1f} {ratio:>6} {row.kib:>12.2f}"
            f" {row.threads:>7}"
        )
    return "\n".join(lines)


def ratio(above: float, below: float) -> float | None:
    return above / below if above and below else None


def goals(
    rows: list[Row], counted: dict[str, float], memory: dict[str, Any], growth: dict[int, float]
) -> Iterator[Goal]:
    for name, figures in memory.items():
        yield Goal(f"bytes of an outstanding task, {name}", figures["outstanding"], 512)
    for name, plain in SHARE.items():
        if counted:
            above, below = counted.get(name, 0), counted.get(plain, 0)
            yield Goal(f"instructions of {name} over {plain}", ratio(above, below), 1.15)
        else:
            cpu = {row.name: row.cpu for row in rows if not row.delay_ms}
            yield Goal(f"CPU time of {name} over {plain}", ratio(cpu[name], cpu[plain]), 1.15)
    for delay_ms in sorted({row.delay_ms for row in rows}):
        by_name = {row.name: row for row in rows if row.delay_ms == delay_ms}
        ours, ours_async = by_name["group, urllib3"], by_name["group, aiohttp"]
        after = f"{delay_ms} ms"
        yield Goal(f"{after}: threads beyond the consumer and the bound", ours.threads - ours.connections - 1, 0)
        limit = 3.0 if delay_ms else 2.0
        for name in PER_THREAD:
            times = ratio(ours.polls, by_name[name].polls)
            yield Goal(f"{after}: throughput over {name}", times, limit, at_least=True)
        coroutine = by_name[PER_COROUTINE]
        yield Goal(
            f"{after}: throughput over a coroutine per task",
            ratio(ours_async.polls, coroutine.polls),
            0.85,
            at_least=True,
        )
        taken = memory["no progress"]["outstanding"] / 1024
        yield Goal(f"{after}: memory over a coroutine per task", ratio(taken, coroutine.kib), 0.05)
    few, many = min(growth), max(growth)
    yield Goal(f"time a poll, {many:,} tasks over {few:,}", growth[many] / growth[few], 1.25)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a fifth of the tasks, one round, fewer contenders")
    parser.add_argument("--json", action="store_true", help="a JSON line per row and per goal, no tables")
    parser.add_argument("--tasks", type=int, help="outstanding tasks (10000; 2000 with --quick)")
    parser.add_argument("--rounds", type=int, help="how often each contender runs (2; 1 with --quick)")
    options = parser.parse_args()
    tasks = options.tasks or (2_000 if options.quick else 10_000)
    rounds = options.rounds or (1 if options.quick else 2)
    names = QUICK if options.quick else tuple(CONTENDERS)
    if not options.json:
        print(f"{tasks:,} tasks, 3 polls each, best of {rounds}; {platform.python_implementation()}", end=" ")
        print(f"{platform.python_version()}, {os.cpu_count()} cores")

    every: list[Row] = []
    for delay_ms in (0, 20):
        rows = compare(delay_ms, tasks, rounds, names)
        every += rows
        if options.json:
            for row in rows:
                print(json.dumps(row._asdict()))
        else:
            print(f"\nreplies after {delay_ms} ms\n{table(rows)}")
    counted = instructions(tuple(name for pair in SHARE.items() for name in pair))
    memory = {
        name: measured("memory", 10_000, int(with_progress), 3)
        for name, with_progress in (("no progress", False), ("with progress", True))
    }
    sizes = GROWTH[:2] if options.quick else GROWTH
    growth = {size: min(measured("growth", size) for _ in range(rounds)) for size in sizes}
    if options.json:
        print(json.dumps({"instructions": counted, "memory": memory, "growth": growth}))
    else:
        print("\nthousands of instructions a poll, replies after 0 ms" + ("" if counted else ": valgrind is missing"))
        for name, thousands in counted.items():
            print(f"  {name:<36} {thousands:>8.0f}")
        print("\nbytes a task, as Python allocates them   handle  outstanding  with the caller's list  and the ids")
        for name, figures in memory.items():
            print(
                f"  {name:<36} {figures['handle']:>8.0f} {figures['outstanding']:>12.0f} {figures['listed']:>23.0f}"
                f" {figures['with_ids']:>12.0f}"
            )
        print("\nCPU us a poll without I/O: " + ", ".join(f"{size:,} tasks {us:.1f}" for size, us in growth.items()))
        print()

    verdicts = list(goals(every, counted, memory, growth))
    for goal in verdicts:
        if options.json:
            print(json.dumps(goal._asdict() | {"passed": goal.passed}))
        else:
            verdict = {True: "PASS", False: "FAIL", None: "----"}[goal.passed]
            figure = "not measured" if goal.figure is None else f"{goal.figure:.3g}"
            print(f"{verdict}  {goal.text}: {figure} ({'at least' if goal.at_least else 'at most'} {goal.limit:g})")
    return 1 if any(goal.passed is False for goal in verdicts) else 0


if __name__ == "__main__":
    sys.exit(main())
