"""The three measures: time with all contenders in turn, instructions under valgrind, and the peak of traced memory."""

from __future__ import annotations

import gc
import statistics
import time
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
from tests.benchmarks.instructions import Case, count

from .contenders import Contender, contenders, prepare

__all__ = ["Row", "measure"]


class Row(msgspec.Struct, kw_only=True):
    """What is known of one contender; None where it was not measured, `note` where it could not be.

    `us` and `us_median` are the least and the median of the rounds, in microseconds a call. `kinstr` is thousands of
    instructions a call. `peak_mib` is the most memory that Python allocated during a call; what a C library takes from
    the system itself is not seen.
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
    note: str = ""


def measure(plan: list[tuple[str, str]], rounds: int, budget: float, instructions: bool) -> Iterator[list[Row]]:
    """The rows of each task and size of the plan, as they become known; instructions are counted last, all at once."""
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
    """Rounds in which every contender has its turn, so that the machine's moods fall on all alike."""
    ready: list[tuple[Row, Callable[[Any], Any], Any, int]] = []
    for contender, row in zip(taking_part, rows, strict=True):
        try:
            run, given = prepare(contender.key)
        except ImportError as error:
            row.note = f"not installed: {error.name}"
            continue
        if row.size == "large":
            row.peak_mib = _peak(run, given)
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


def _count(measured: list[tuple[list[Contender], list[Row]]]) -> None:
    cases: dict[str, Case] = {}
    rows_by_key: dict[str, Row] = {}
    for taking_part, rows in measured:
        for contender, row in zip(taking_part, rows, strict=True):
            if row.us is None or (row.size == "large" and row.us > 60_000):
                continue  # what is slow on the small document is not counted on the large one: it would take minutes
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
