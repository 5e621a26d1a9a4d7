"""What `import altcraft`, and a first Client, cost against `import msgspec, pluggy`, which the library needs.

    python tests/benchmarks/startup.py [--runs N] [--json]

The script times whole processes, each kind in turn, so that a slow minute falls on all of them alike. The goal is a
ratio of 1.35 or less for the import with a first Client over a fake transport: the median of the ratios of neighbouring
runs. `bare` is the interpreter itself; the ratio of the imports alone leaves it out.

The library misses the goal. In instructions, which a busy machine does not move, with cached byte code on Python 3.11:
178.2 million for msgspec and pluggy, 258.6 for altcraft (1.45 x), 264.2 with a first Client (1.48 x). The goal is 24
million away. Ten million are those of the standard library's modules, 21 those of 69 modules if they were empty; the
other 50 are spread over all of them. Without AsyncClient, PerLoop and the tables of `rows` it would be 4 million less.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time

GOAL = 1.35
CLIENT = """
import altcraft

class Transport:
    def send(self, request, *, timeout): raise AssertionError
    def sleep(self, seconds): pass
    def close(self): pass

altcraft.Client("https://your.host", "a-token", transport=Transport())
"""
STATEMENTS = {
    "bare": "pass",
    "msgspec + pluggy": "import msgspec, pluggy",
    "altcraft": "import altcraft",
    "altcraft + client": CLIENT,
}


def seconds(statement: str) -> float:
    """Wall time of one interpreter from start to exit; site-packages found, user settings ignored."""
    began = time.perf_counter()
    subprocess.run([sys.executable, "-I", "-c", statement], check=True)
    return time.perf_counter() - began


def measure(runs: int) -> dict[str, list[float]]:
    """Seconds of each run, per statement; one round to warm the caches is not counted."""
    times: dict[str, list[float]] = {name: [] for name in STATEMENTS}
    for run in range(runs + 1):
        for name, statement in STATEMENTS.items():
            taken = seconds(statement)
            if run:
                times[name].append(taken)
    return times


def summary(times: dict[str, list[float]]) -> dict[str, object]:
    base = times["msgspec + pluggy"]
    without_bare = [
        (ours - bare) / (theirs - bare)
        for ours, theirs, bare in zip(times["altcraft"], base, times["bare"], strict=True)
        if theirs > bare
    ]
    ratios = {
        name: statistics.median(ours / theirs for ours, theirs in zip(times[name], base, strict=True))
        for name in ("altcraft", "altcraft + client")
    }
    return {
        "python": ".".join(map(str, sys.version_info[:3])),
        "runs": len(base),
        "goal": GOAL,
        "ratio": ratios["altcraft + client"],
        "ratio_of_import": ratios["altcraft"],
        "ratio_of_imports_alone": statistics.median(without_bare),
        "seconds": {name: {"median": statistics.median(runs), "min": min(runs)} for name, runs in times.items()},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=30, help="counted runs of each (default: 30)")
    parser.add_argument("--json", action="store_true", help="print one JSON object in place of the table")
    options = parser.parse_args()
    if options.runs < 1:
        parser.error("--runs: at least 1")
    times = measure(options.runs)
    found = summary(times)
    if options.json:
        print(json.dumps(found))
        return
    print(f"Python {found['python']}, {options.runs} runs each, interleaved, on {os.cpu_count()} cores\n")
    print("| whole process | median ms | min ms |\n|---|---:|---:|")
    for name, runs in times.items():
        print(f"| {name} | {statistics.median(runs) * 1000:.1f} | {min(runs) * 1000:.1f} |")
    print(f"\n(altcraft + client) / (msgspec + pluggy): {found['ratio']:.3f} (goal: {GOAL} or less)")
    print(f"altcraft / (msgspec + pluggy): {found['ratio_of_import']:.3f}")
    print(f"the same without the bare interpreter: {found['ratio_of_imports_alone']:.3f}")


if __name__ == "__main__":
    main()
