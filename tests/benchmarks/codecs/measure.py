"""Takes the measures: time, in which all contenders take turns; instructions, under valgrind; and two peaks of memory.

python -m tests.benchmarks.codecs.measure KEY     prints the resident peak of one contender, from a new process
"""

from __future__ import annotations

import gc
import statistics
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
from tests.benchmarks.instructions import ROOT, Case, count

from .contenders import Contender, contenders, given_to, prepare

__all__ = ["Row", "measure"]


class Row(msgspec.Struct, kw_only=True):
    """The figures of one contender. None stands for a figure that was not measured; `note` says why.

    `us` and `us_median` are the least and the median of the rounds, in microseconds a call. `kinstr` is thousands of
    instructions a call. `peak_mib` is the most memory that Python's allocators gave out during a call; it includes
    the interpreter's own expat, but not what lxml takes from the system. `rss_mib` is what the resident set of a new
    process grew by at its peak, and includes all memory; only Linux has this figure.
    """

    task: str
    format: str
    size: str
    name: str
    ours: bool = False
    us: float | None = None
    us_median: float | None = None
    kinstr: float | None = None
    peak_mib: float | None = None
    rss_mib: float | None = None
    note: str = ""


def measure(plan: list[tuple[str, str]], rounds: int, budget: float, instructions: bool) -> Iterator[list[Row]]:
    """The rows of each task and size of the plan, once they are complete. Instructions are counted at the end."""
    measured: list[tuple[list[Contender], list[Row]]] = []
    for task, size in plan:
        taking_part = contenders(task, size)
        rows = [Row(task=c.task, format=c.format, size=c.size, name=c.name, ours=c.ours) for c in taking_part]
        _time(taking_part, rows, max(3, rounds // 3) if size == "large" else rounds, budget)
        measured.append((taking_part, rows))
        if not instructions:
            yield rows
    if instructions:
        _count(measured)
        yield from (rows for _, rows in measured)


def _time(taking_part: list[Contender], rows: list[Row], rounds: int, budget: float) -> None:
    """Time in rounds in which all contenders take turns, so that a slow moment of the machine affects all alike."""
    ready: list[tuple[Row, Callable[[Any], Any], Any, int]] = []
    for contender, row in zip(taking_part, rows, strict=True):
        try:
            run, given = prepare(contender.key)
        except ImportError as error:
            row.note = f"not installed: {error.name}"
            continue
        if row.size == "large":
            row.peak_mib = _peak(run, given)
            row.rss_mib = _resident_elsewhere(contender.key)
        once = min(_seconds(run, given, 1) for _ in range(2))
        ready.append((row, run, given, max(1, int(budget / max(once, 1e-7)))))
    times: list[list[float]] = [[] for _ in ready]
    gc.collect()
    gc.disable()
    try:
        for _ in range(rounds):
            for taken, (_row, run, given, often) in zip(times, ready, strict=True):
                taken.append(_seconds(run, given, often) / often * 1e6)
            gc.collect()
    finally:
        gc.enable()
    for taken, (row, *_rest) in zip(times, ready, strict=True):
        row.us, row.us_median = min(taken), statistics.median(taken)


def _seconds(run: Callable[[Any], Any], given: Any, often: int) -> float:
    began = time.perf_counter()
    for _ in range(often):
        run(given)
    return time.perf_counter() - began


def _peak(run: Callable[[Any], Any], given: Any) -> float:
    gc.collect()
    tracemalloc.start()
    try:
        result = run(given)
        peak = tracemalloc.get_traced_memory()[1]
        del result
    finally:
        tracemalloc.stop()
    return peak / 2**20


def _resident_elsewhere(key: str) -> float | None:
    if sys.platform != "linux":
        return None
    command = [sys.executable, "-m", "tests.benchmarks.codecs.measure", key]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return float(done.stdout) if done.returncode == 0 else None


def _resident(key: str) -> float:
    """What this process's resident set grows by at its peak in a call, in MiB, without the imports."""
    task, format_, _, name = key.split("/")
    run, _ = prepare("/".join((task, format_, "small", name)))  # the function is the same for both sizes
    given = given_to(key)
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # resets the peak
    before = _status("VmRSS")
    run(given)
    return (_status("VmHWM") - before) / 1024


def _status(field: str) -> int:
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field))


def _count(measured: list[tuple[list[Contender], list[Row]]]) -> None:
    cases: dict[str, Case] = {}
    rows_by_key: dict[str, Row] = {}
    for taking_part, rows in measured:
        for contender, row in zip(taking_part, rows, strict=True):
            if row.us is None or (row.size == "large" and row.us > 60_000):
                continue  # under valgrind this would take minutes
            setup = f"from tests.benchmarks.codecs.contenders import prepare\nrun, given = prepare({contender.key!r})"
            few, more = (1, 1) if row.size == "large" else (20, 100)
            cases[contender.key] = Case(setup, "run(given)", few, more)
            rows_by_key[contender.key] = row
    for key, cost in count(cases).items():
        row = rows_by_key[key]
        if cost.per_call is None:
            row.note = cost.note
        elif cost.unit == "instructions":
            row.kinstr = cost.per_call / 1000
        else:
            row.note = "no valgrind: times alone"


if __name__ == "__main__":
    print(_resident(sys.argv[1]))
