"""Polls per task, for tasks that one client follows and for tasks that are taken up by a new client after every poll.

    python -m tests.benchmarks.parked [--tasks 400]

The tasks are made up; 12 % of the polls fail. "from a bare id" is a job queue that keeps nothing but the id.
"""

from __future__ import annotations

import argparse
import pathlib
import statistics
import sys

from altcraft import Polling

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from engine.test_steps import in_one_wait, parked


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, default=400)
    seeds = range(parser.parse_args().tasks)
    stayed = [in_one_wait(seed, Polling())[0] for seed in seeds]
    moved = [parked(seed, Polling())[0] for seed in seeds]
    forgot = [parked(seed, Polling(), forgetful=True)[0] for seed in seeds[: len(seeds) // 10]]
    same = sum(
        len(one) == len(other) and all(abs(a - b) < 0.002 for a, b in zip(one, other, strict=True))
        for one, other in zip(stayed, moved, strict=True)
    )
    print("| | polls per task |\n|---|---:|")
    for name, polls in (("one wait", stayed), ("from the token, after every poll", moved), ("from a bare id", forgot)):
        print(f"| {name} | {statistics.mean(len(times) - 1 for times in polls):.1f} |")
    print(f"\n{same} of {len(stayed)} tasks were polled at the same times in both of the first two.")


if __name__ == "__main__":
    main()
