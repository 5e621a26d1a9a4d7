"""How many instructions a piece of Python takes: a figure that a busy machine does not move.

    costs = count({"sorted": Case("numbers = list(range(99))", "sorted(numbers)")})
    costs["sorted"].per_call, costs["sorted"].unit

Valgrind's cachegrind counts, without simulating caches (`--cache-sim=no`), in user space. Each case runs n times and
n + k times, and the difference is divided by k: start-up, imports and set-up cancel out. All cases are prepared in one
process, which then forks for each count, so that the imports are paid for once. Hashing is not randomised and the
garbage collector is off, as in `timeit`.

Where there is no valgrind, or no fork, the figure is the median of seven runs by perf_counter instead, in nanoseconds;
`unit` and `method` say so.

    python -m tests.benchmarks.instructions SETUP STATEMENT     counts one case
"""

from __future__ import annotations

import gc
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

__all__ = ["Case", "Cost", "count", "valgrind"]

ROOT = Path(__file__).resolve().parent.parent.parent
FEW, MORE = 20, 100


class Case(NamedTuple):
    """Python source: what is done once, in a namespace of its own, and what is counted.

    `few` and `more` are n and k: what takes long can do with 1 and 1.
    """

    setup: str
    statement: str
    few: int = FEW
    more: int = MORE


class Cost(NamedTuple):
    """What one execution of a case's statement takes; `per_call` is None where its set-up failed, `note` says how."""

    per_call: float | None
    unit: str
    method: str
    note: str = ""


def valgrind() -> str | None:
    """Where valgrind is, or None where it or `fork` is missing."""
    return shutil.which("valgrind") if hasattr(os, "fork") else None


def count(cases: Mapping[str, Case], *, timeout: float = 600.0) -> dict[str, Cost]:
    """The cost of each case, by name."""
    wanted = {name: case._asdict() for name, case in cases.items()}
    tool = valgrind()
    environment = {**os.environ, "PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1"}
    with tempfile.TemporaryDirectory() as directory:
        plan = Path(directory, "plan.json")
        plan.write_text(json.dumps(wanted), encoding="utf-8")
        command = [sys.executable, "-m", "tests.benchmarks.instructions", "--carry-out", str(plan)]
        if tool is not None:
            counts = Path(directory, "counts.%p")
            command = [tool, "--tool=cachegrind", "--cache-sim=no", "-q", f"--cachegrind-out-file={counts}", *command]
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, timeout=timeout, check=False)
        if done.returncode:
            raise RuntimeError(f"counting failed: {done.stderr.decode(errors='replace')[-2000:]}")
        answers: dict[str, Any] = json.loads(plan.with_suffix(".answers").read_text(encoding="utf-8"))
        return {name: _cost(cases[name], answer, Path(directory)) for name, answer in answers.items()}


def _cost(case: Case, answer: dict[str, Any], directory: Path) -> Cost:
    if "failed" in answer:
        return Cost(None, "", "", answer["failed"])
    if "nanoseconds" in answer:
        return Cost(answer["nanoseconds"], "ns", "perf_counter, median")
    few, both = (_instructions(directory / f"counts.{process}") for process in answer["processes"])
    return Cost((both - few) / case.more, "instructions", "valgrind cachegrind, n against n + k")


def _instructions(file: Path) -> int:
    found = re.search(r"^summary: (\d+)", file.read_text(encoding="utf-8", errors="replace"), re.MULTILINE)
    if found is None:
        raise RuntimeError(f"no summary in what cachegrind wrote to {file.name}")
    return int(found[1])


# In the process that is counted


def _carry_out(plan: Path) -> None:
    cases = {name: Case(**case) for name, case in json.loads(plan.read_text(encoding="utf-8")).items()}
    counted = "valgrind" in os.environ.get("LD_PRELOAD", "") or "vgpreload" in os.environ.get("LD_PRELOAD", "")
    answers: dict[str, Any] = {}
    gc.disable()
    for name, case in cases.items():
        namespace: dict[str, Any] = {"__name__": "case"}
        try:
            exec(case.setup, namespace)
            exec(f"def _repeat(times):\n    for _ in range(times):\n        {case.statement}\n", namespace)
            namespace["_repeat"](case.few)  # what is compiled, imported or learnt on first use
        except Exception as error:
            answers[name] = {"failed": f"{type(error).__name__}: {error}"}
            continue
        run = namespace["_repeat"]
        if counted:
            answers[name] = {"processes": [_forked(run, case.few), _forked(run, case.few + case.more)]}
        else:
            answers[name] = {"nanoseconds": statistics.median(_nanoseconds(run, case.more) for _ in range(7))}
    plan.with_suffix(".answers").write_text(json.dumps(answers), encoding="utf-8")


def _forked(run: Any, times: int) -> int:
    """The id of a process that ran so often and ended; cachegrind writes its count under it."""
    process = os.fork()
    if process == 0:
        try:
            run(times)
        finally:
            os._exit(0)
    os.waitpid(process, 0)
    return process


def _nanoseconds(run: Any, times: int) -> float:
    began = time.perf_counter_ns()
    run(times)
    return (time.perf_counter_ns() - began) / times


def main() -> None:
    if sys.argv[1] == "--carry-out":
        _carry_out(Path(sys.argv[2]))
        return
    cost = count({"": Case(sys.argv[1], sys.argv[2])})[""]
    print(cost.note if cost.per_call is None else f"{cost.per_call:,.0f} {cost.unit} ({cost.method})")


if __name__ == "__main__":
    main()
