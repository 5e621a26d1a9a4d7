"""How many polls a task takes, and how late its end is found, for each policy.

    python -m tests.benchmarks.polling [--tasks N] [--seed S] [--sigma X ...] [--json]

Goals, compared with exponential polling with full jitter (1 s x 1.5 up to 20 s): where progress moves, no more polls
and at most a third of the lag; where it says nothing, at most 1.1 times of both. Exits with 1 when it misses a goal.
"""

from __future__ import annotations

import argparse
import io
import json
import sys
from itertools import groupby

import msgspec

if __package__:
    from .simulation import PATTERNS, Goal, Row, goals, simulate
else:  # python tests/benchmarks/polling
    from simulation import PATTERNS, Goal, Row, goals, simulate

BAR = 6  # characters for the figure of the yardstick


def bar(ratio: float) -> str:
    eighths = round(ratio * BAR * 8)
    return "█" * (eighths // 8) + " ▏▎▍▌▋▊▉"[eighths % 8].strip()


def table(rows: list[Row]) -> str:
    lines: list[str] = []
    width = max(round(row.polls_ratio * BAR) for row in rows) + 1
    for pattern, group in groupby(rows, key=lambda row: row.pattern):
        description = (PATTERNS[pattern].__doc__ or "").partition("\n")[0]
        lines += ["", f"{pattern}: {description}", ""]
        lines.append(f"  {'policy':<20} {'polls':>7} {'ratio':>6} {'':<{width}} {'lag, s':>7} {'ratio':>6}")
        for row in group:
            lines.append(
                f"  {row.policy:<20} {row.polls:7.2f} {row.polls_ratio:6.2f} {bar(row.polls_ratio):<{width}} "
                f"{row.lag:7.3f} {row.lag_ratio:6.2f} {bar(row.lag_ratio)}"
            )
    return "\n".join(lines)


def verdict(goal: Goal) -> str:
    row = goal.row
    return (
        f"{'PASS' if goal.passed else 'FAIL'}  sigma {row.sigma:<4g} {row.pattern:<10} {row.policy:<19}"
        f" polls {row.polls_ratio:.3f} (at most {goal.polls_limit:.3f})"
        f" lag {row.lag_ratio:.3f} (at most {goal.lag_limit:.3f})"
    )


def main() -> int:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("--tasks", type=int, default=10_000, help="tasks per pattern (10000)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--sigma", type=float, nargs="+", default=[1.0, 1.5], help="spread of durations (1.0 1.5)")
    parser.add_argument("--json", action="store_true", help="a JSON line per row and per goal, no tables")
    options = parser.parse_args()
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # for the bars, on a terminal that only shows ASCII

    results: list[Goal] = []
    for sigma in options.sigma:
        rows = simulate(options.tasks, options.seed, sigma)
        results += goals(rows)
        if options.json:
            for row in rows:
                settings = {"tasks": options.tasks, "seed": options.seed}
                print(json.dumps(settings | msgspec.structs.asdict(row)))
        else:
            print(f"{options.tasks} tasks, lognormal: median 30 s, sigma {sigma:g}; seed {options.seed}")
            print(table(rows), end="\n\n")
    for goal in results:
        if options.json:
            row = goal.row
            names = {"sigma": row.sigma, "pattern": row.pattern, "policy": row.policy}
            print(json.dumps({"goal": names, "passed": goal.passed}))
        else:
            print(verdict(goal))
    return 0 if all(goal.passed for goal in results) else 1


if __name__ == "__main__":
    sys.exit(main())
