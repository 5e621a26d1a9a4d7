"""Measures detection lag and polls per task, with feedback and without.

    python -m tests.benchmarks.feedback [--tasks N] [--at-once N] [--shortest S] [--longest S] [--json]

It refreshes databases of a sandbox that runs on loopback in a process of its own. A refresh takes a random time of 0.5
to 5 s. Each line of the table is one way of polling; what its name does not say has the defaults of `Polling`. The lag
of a task is the time from its end, by the sandbox's clock, until the waiting thread has the result. All tasks of a
client count, its first ones too. Exits with 1 when a goal is missed. Takes about four minutes with the defaults.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence

from altcraft import Polling

from .field import Run, Seen, measure

LOST = "never:0.2"
RUNS = [
    Run(name="feedback", polling=Polling(), feedback=True),
    Run(name="feedback, hint_checks=0", polling=Polling(hint_checks=0), feedback=True),
    Run(name="prediction", polling=Polling()),
    Run(name="exponential", polling=Polling(predict=False, maximum=20.0)),
    Run(name="fixed 1 s", polling=Polling(predict=False, factor=1.0, jitter=False)),
    Run(name="20 % lost", polling=Polling(), feedback=True, misbehaviour=LOST),
    Run(name="20 % lost, hint_checks=40", polling=Polling(hint_checks=40), feedback=True, misbehaviour=LOST),
    Run(name="20 % lost, hint_patience=0", polling=Polling(hint_patience=0.0), feedback=True, misbehaviour=LOST),
]
LOSSY = [run.name for run in RUNS if run.misbehaviour]


def main() -> int:
    """Print the table and the goals. Returns 1 when a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, default=200)
    parser.add_argument("--at-once", type=int, default=20)
    parser.add_argument("--shortest", type=float, default=0.5)
    parser.add_argument("--longest", type=float, default=5.0)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()

    rows: dict[str, list[Seen]] = {}
    for run in RUNS:
        seen = measure(run, asked.tasks, asked.at_once, (asked.shortest, asked.longest))
        if run.misbehaviour:
            rows[f"{run.name}: delivered"] = [one for one in seen if not one.lost]
            rows[f"{run.name}: lost"] = [one for one in seen if one.lost]
        else:
            rows[run.name] = seen
    table = [{"policy": name, **figures(seen)} for name, seen in rows.items()]
    met = goals(rows, asked.tasks)
    if asked.json:
        print(json.dumps({"table": table, "goals": met}, indent=2))
    else:
        print(f"{'':44}{'tasks':>7}{'lag mean':>10}{'p50':>10}{'p99':>10}{'worst':>10}{'polls':>8}")
        for row in table:
            print("{policy:44}{tasks:7}{mean:10.3f}{p50:10.3f}{p99:10.3f}{worst:10.3f}{polls:8.3f}".format(**row))
        print("lag in seconds, polls per task with the first one\n")
        for goal in met:
            print(f"{'PASS' if goal['passed'] else 'FAIL'}  {goal['goal']}: {goal['found']}")
    return 0 if all(goal["passed"] for goal in met) else 1


def figures(seen: Sequence[Seen]) -> dict[str, float | int]:
    """The figures of a line of the table; lags in seconds."""
    lags = sorted(one.lag for one in seen)
    polls = sum(one.polls for one in seen) / len(seen) if seen else 0.0
    return {
        "tasks": len(seen),
        "mean": round(sum(lags) / len(lags), 4) if lags else 0.0,
        "p50": round(share(lags, 0.5), 4),
        "p99": round(share(lags, 0.99), 4),
        "worst": round(share(lags, 1.0), 4),
        "polls": round(polls, 3),
    }


def share(ordered: Sequence[float], part: float) -> float:
    """The nearest-rank quantile."""
    return ordered[max(0, -int(-len(ordered) * part // 1) - 1)] if ordered else 0.0


def goals(rows: dict[str, list[Seen]], tasks: int) -> list[dict[str, object]]:
    """The goals, each with what was found. The lost tasks are few, so a test of significance compares their lags."""
    prediction = [one.lag for one in rows["prediction"]]
    made: list[dict[str, object]] = []
    for name, most in (("feedback", 2.05), ("feedback, hint_checks=0", 2.0)):
        row = figures(rows[name])
        made += [
            goal(f"{name}: p99 of the lag under 50 ms", f"{row['p99'] * 1000:.1f} ms", row["p99"] < 0.05),
            goal(f"{name}: at most {most:g} polls per task", f"{row['polls']:.3f}", row["polls"] <= most),
        ]
    for name in LOSSY:
        lost = sorted(one.lag for one in rows[f"{name}: lost"])
        known = len(lost) + len(rows[f"{name}: delivered"])
        z = worse(lost, prediction)
        later = sum(lag > max(prediction) for lag in lost)
        found = (
            f"{share(lost, 0.5):.3f} s against {share(sorted(prediction), 0.5):.3f} s in the middle, z {z:.1f}; "
            f"{later} of {len(lost)} later than the latest"
        )
        made += [
            goal(f"{name}: no task lost", f"{known} of {tasks}", known == tasks),
            goal(f"{name}: lag of the lost no worse than by prediction", found, z < 2.33 and len(lost) > 0),
        ]
    return made


def goal(text: str, found: str, passed: bool) -> dict[str, object]:
    """One line of the verdict."""
    return {"goal": text, "found": found, "passed": bool(passed)}


def worse(lags: Sequence[float], others: Sequence[float]) -> float:
    """By how many standard deviations `lags` are larger than `others` (Mann-Whitney). Above 2.33 it is no chance."""
    n, m = len(lags), len(others)
    above = sum((lag > other) + 0.5 * (lag == other) for lag in lags for other in others)
    return (above - n * m / 2) / max((n * m * (n + m + 1) / 12) ** 0.5, 1e-9)


if __name__ == "__main__":
    sys.exit(main())
