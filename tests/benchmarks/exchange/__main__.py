"""One exchange, all in: a typed call of this library beside what other libraries take for the bytes alone.

    python -m tests.benchmarks.exchange [--json] [--no-instructions] [--rounds N]

The server is a process of its own on loopback. All contenders take their turn in each of the rounds; CPU time is the
median of the rounds. Instructions, in user space, come from valgrind's cachegrind where there is one: they are what
the goals are about, and the medians where there is none. Needs the extras `pycurl`, `httpx` and `bench`; what is not
installed is a row that says so. Exits with 1 when a goal is missed. About three minutes, most of it valgrind's.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from tests.benchmarks.instructions import ROOT, Cost, count, valgrind

from .contenders import CALLS, Contender, contenders

BARE = "urllib3 urlopen"
OURS, OVER_CURL = "altcraft, urllib3", "altcraft, pycurl"
CALLS_A_ROUND = 100


class Goal(NamedTuple):
    """`ours` takes at most `limit` times what `theirs` takes. One that is a stretch may be missed."""

    ours: str
    theirs: str
    limit: float
    is_stretch: bool = False


GOALS = (
    Goal(OURS, BARE, 1.08),
    Goal(OURS, BARE, 0.9, is_stretch=True),
    Goal(OURS, "urllib3 PoolManager", 0.85),
    Goal(OURS, "elastic-transport", 0.72),
    Goal(OURS, "httpx", 0.43),
    Goal(OURS, "requests", 0.23),
    Goal(OURS, "azure-core", 0.19),
    Goal(OVER_CURL, BARE, 0.45),
)


class Row(NamedTuple):
    """What one contender takes: median microseconds of CPU, thousands of instructions; None where that is unknown."""

    operation: str
    name: str
    is_ours: bool
    us: float | None
    kinstr: float | None
    note: str

    def figure(self, by_instructions: bool) -> float | None:
        return self.kinstr if by_instructions else self.us


@contextlib.contextmanager
def server() -> Iterator[int]:
    """The port of a server in a process of its own."""
    command = [sys.executable, "-m", "tests.benchmarks.exchange.server"]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield int(process.stdout.readline())
    finally:
        process.kill()
        process.communicate()


def timed(everyone: list[Contender], rounds: int) -> dict[Contender, list[float] | str]:
    """Microseconds of CPU a call in each round, or why there are none."""
    ready: dict[Contender, Callable[[int], None]] = {}
    found: dict[Contender, list[float] | str] = {}
    for contender in everyone:
        namespace: dict[str, Any] = {"__name__": "case"}
        try:
            exec(contender.case.setup, namespace)
            exec(f"def repeat(times):\n    for _ in range(times):\n        {contender.case.statement}\n", namespace)
            namespace["repeat"](10)
        except Exception as error:
            found[contender] = f"{type(error).__name__}: {error}"
            continue
        ready[contender], found[contender] = namespace["repeat"], []
    for _ in range(rounds):
        for contender, repeat in ready.items():
            began = time.process_time()
            repeat(CALLS_A_ROUND)
            taken = found[contender]
            assert isinstance(taken, list)
            taken.append((time.process_time() - began) / CALLS_A_ROUND * 1e6)
    return found


def measure(rounds: int, with_instructions: bool) -> list[Row]:
    """A row for each contender."""
    with server() as port:
        everyone = contenders(port)
        times = timed(everyone, rounds)
        costs: dict[str, Cost] = {}
        if with_instructions:
            costs = count({f"{one.operation} {one.name}": one.case for one in everyone})
    rows = []
    for one in everyone:
        taken = times[one]
        cost = costs.get(f"{one.operation} {one.name}")
        us = statistics.median(taken) if isinstance(taken, list) else None
        kinstr = cost.per_call / 1000 if cost is not None and cost.per_call is not None else None
        rows.append(Row(one.operation, one.name, one.is_ours, us, kinstr, taken if isinstance(taken, str) else ""))
    return rows


def ratio(rows: list[Row], operation: str, ours: str, theirs: str, by_instructions: bool) -> float | None:
    figures = {row.name: row.figure(by_instructions) for row in rows if row.operation == operation}
    mine, base = figures.get(ours), figures.get(theirs)
    return mine / base if mine is not None and base else None


def table(rows: list[Row], operation: str, by_instructions: bool) -> str:
    lines = [f"{operation:<36} {'CPU us':>8} {'kinstr':>8}   x urlopen"]
    for row in rows:
        if row.operation == operation:
            us = f"{row.us:.0f}" if row.us is not None else ""
            kinstr = f"{row.kinstr:.0f}" if row.kinstr is not None else ""
            share = ratio(rows, operation, row.name, BARE, by_instructions)
            shown = f"{share:>8.2f}   {'█' * round(share * 10)}" if share is not None else f"         {row.note}"
            lines.append(f"{'* ' if row.is_ours else '  '}{row.name:<34} {us:>8} {kinstr:>8} {shown}")
    return "\n".join(lines)


def judged(rows: list[Row], by_instructions: bool) -> Iterator[tuple[str, Goal, float | None, bool | None]]:
    for operation in CALLS:
        names = {row.name for row in rows if row.operation == operation}
        for goal in GOALS:
            if goal.theirs in names:
                found = ratio(rows, operation, goal.ours, goal.theirs, by_instructions)
                yield operation, goal, found, None if found is None else found <= goal.limit


def main() -> int:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.exchange", description=__doc__, formatter_class=raw
    )
    parser.add_argument("--json", action="store_true", help="a JSON line per row and per goal, no tables")
    parser.add_argument("--no-instructions", action="store_true", help="times alone")
    parser.add_argument("--rounds", type=int, default=15, help=f"rounds of {CALLS_A_ROUND} calls (default: 15)")
    options = parser.parse_args()
    by_instructions = not options.no_instructions and valgrind() is not None
    rows = measure(options.rounds, by_instructions)
    measured = "instructions" if by_instructions else "CPU time, median"
    missed = False
    if not options.json:
        print(f"Python {platform.python_version()}, {options.rounds} rounds of {CALLS_A_ROUND} calls, loopback\n")
        for operation in CALLS:
            print(table(rows, operation, by_instructions), end="\n\n")
        print(f"Goals, by {measured}:")
    else:
        for row in rows:
            print(json.dumps(row._asdict()))
    for operation, goal, found, passed in judged(rows, by_instructions):
        missed = missed or (passed is False and not goal.is_stretch)
        if options.json:
            verdict = {"operation": operation, **goal._asdict(), "measure": measured, "ratio": found, "passed": passed}
            print(json.dumps(verdict))
            continue
        said = "----" if passed is None else "PASS" if passed else "miss" if goal.is_stretch else "FAIL"
        shown = "not measured" if found is None else f"{found:.3f}"
        stretch = ", stretch" if goal.is_stretch else ""
        print(f"{said}  {operation}: {goal.ours} / {goal.theirs}: {shown} (at most {goal.limit:.2f}{stretch})")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
