"""Measures the codecs beside other libraries that read and write the same documents, all in one run.

    python -m tests.benchmarks.codecs [--quick] [--json] [--no-instructions] [--rounds N]

Needs the extra `bench`; a library that is not installed gets a row that says so. A time is the least of many rounds, in
which all libraries take turns. Instructions are counted by valgrind's cachegrind, where it is installed; compare these
on a busy machine. Goals are ratios between rows; the command exits with 1 when one is missed. It takes under ten
minutes. `--quick` measures times only, and takes under one.
"""

from __future__ import annotations

import argparse
import io
import json
import platform
import sys
from collections.abc import Callable

import msgspec
from tests.benchmarks.instructions import valgrind

from .contenders import ENCODED
from .documents import SIZES, document
from .goals import Goal, goals
from .measure import Row, measure

BASE = {"decode": "raw expat, no handlers", "encode": "C ElementTree"}
BAR = 4  # characters for the yardstick itself
LONGEST = 48


def bar(ratio: float) -> str:
    eighths = round(ratio * BAR * 8)
    drawn = "█" * (eighths // 8) + " ▏▎▍▌▋▊▉"[eighths % 8].strip()
    return drawn if len(drawn) <= LONGEST else drawn[: LONGEST - 2] + "▶▶"


def figure(value: float | None, digits: int = 2) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if value >= 1000 else f"{value:.{digits}f}" if value < 100 else f"{value:.1f}"


def table(rows: list[Row]) -> str:
    """The figures for one task and size, and the ratio to the yardstick in the best measure that both have."""
    first = rows[0]
    base = next(row for row in rows if row.name == BASE[first.task])
    key: Callable[[Row], float | None] = (lambda row: row.kinstr) if base.kinstr else (lambda row: row.us)
    memory = ("peak MiB", "RSS MiB") if first.size == "large" else ("", "")
    yardstick = "instructions" if base.kinstr else "time"
    lines = [f"{first.task}, {first.size} document; ratio of {yardstick} to {base.name}", ""]
    lines.append(f"  {'':<36} {'us':>9} {'median':>9} {'kinstr':>9} {memory[0]:>8} {memory[1]:>8} {'ratio':>6}")
    for row in rows:
        mine, theirs = key(row), key(base)
        if mine is None and row.us and base.us:
            mine, theirs = row.us, base.us
        ratio = mine / theirs if mine is not None and theirs else None
        figures = [figure(row.us), figure(row.us_median), figure(row.kinstr, 1), figure(row.peak_mib, 1)]
        figures.append(figure(row.rss_mib, 1))
        aligned = " ".join(f"{text:>{width}}" for text, width in zip(figures, (9, 9, 9, 8, 8), strict=True))
        aligned += f" {figure(ratio):>6}"
        star = "* " if row.ours else "  "
        lines.append(f"{star}{row.name:<36} {aligned} {bar(ratio) if ratio is not None else ''} {row.note}".rstrip())
    return "\n".join(lines)


def verdict(goal: Goal) -> str:
    said = {True: "PASS", False: "miss" if goal.stretch else "FAIL", None: "----"}[goal.passed]
    ratio = "not measured" if goal.ratio is None else f"{goal.ratio:.3f}"
    stretch = ", stretch" if goal.stretch else ""
    return (
        f"{said}  {goal.task} {goal.size}: {goal.ours} / {goal.theirs}, {goal.measure}: {ratio}"
        f" (at most {goal.limit:.3f}{stretch})"
    )


def main() -> int:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("--quick", action="store_true", help="fewer rounds, no instructions")
    parser.add_argument("--json", action="store_true", help="print a JSON line for each row and each goal, no tables")
    parser.add_argument("--no-instructions", action="store_true", help="times and memory alone")
    parser.add_argument(
        "--rounds", type=int, help="turns of each contender (30; quick: 7), a third for the large document"
    )
    options = parser.parse_args()
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal with ASCII only can't show the bars

    counting = not (options.quick or options.no_instructions)
    if counting and valgrind() is None:
        print("no valgrind here: times alone", file=sys.stderr)
    plan = [("decode", size) for size in SIZES] + [("encode", size) for size in ENCODED]
    rounds = options.rounds or (7 if options.quick else 30)
    budget = 0.002 if options.quick else 0.01
    if not options.json:
        lengths = [(size, len(document(size, "xml")), len(document(size, "json"))) for size in SIZES]
        sizes = ", ".join(f"{size} {xml:,} B XML / {text:,} B JSON" for size, xml, text in lengths)
        print(f"CPython {platform.python_version()}; {sizes}; * ours\n")
    rows: list[Row] = []
    for group in measure(plan, rounds, budget, counting and valgrind() is not None):
        rows += group
        if options.json:
            for row in group:
                print(json.dumps(msgspec.to_builtins(row)), flush=True)
        else:
            print(table(group), end="\n\n", flush=True)
    judged = list(goals(rows))
    for goal in judged:
        print(json.dumps(msgspec.to_builtins(goal) | {"passed": goal.passed}) if options.json else verdict(goal))
    return 1 if any(goal.passed is False and not goal.stretch for goal in judged) else 0


if __name__ == "__main__":
    sys.exit(main())
