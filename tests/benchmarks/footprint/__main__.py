"""Measures what a program pays for a client before its first request, beside other clients' libraries.

    python -m tests.benchmarks.footprint [--runs N] [--only NAME ...] [--json]

Each package is installed into an environment of its own, from the index that pip uses, this project from its sources.
Then a whole process imports what the package's first example imports:

* packages, and MB on disk: what the installation added to an empty environment, byte code included;
* instructions: of that process, less those of a bare interpreter, by cachegrind; a busy machine does not move them;
* ms: wall time, the median of the runs, less a bare interpreter's;
* MB of memory: the growth of the peak resident set over a bare interpreter's.

The command line is measured in the same way, against `import click`.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path
from typing import NamedTuple

from tests.benchmarks.instructions import ROOT, valgrind

PEAK = (
    "print(open('/proc/self/status').read().partition('VmHWM:')[2].split()[0])"  # not ru_maxrss: it knows the parent's
)


class Subject(NamedTuple):
    """What is installed, and what a program imports of it."""

    requirement: str
    statement: str


SUBJECTS = {
    "altcraft-client": Subject(str(ROOT), "import altcraft"),
    "requests": Subject("requests", "import requests"),
    "httpx": Subject("httpx", "import httpx"),
    "elastic-transport": Subject("elastic-transport", "import elastic_transport"),
    "azure-core": Subject("azure-core", "from azure.core import PipelineClient"),
    "google-api-core": Subject("google-api-core", "from google.api_core import retry, operation"),
    "zeep": Subject("zeep", "import zeep"),
    "boto3": Subject("boto3", "import boto3"),
}
COMMANDS = {
    "import click": ["-c", "import click"],
    "altcraft --help": ["-m", "altcraft_plugins.cli", "--help"],
    "altcraft --version": ["-m", "altcraft_plugins.cli", "--version"],
}


class Figures(NamedTuple):
    """`instructions` is in millions; None without valgrind."""

    packages: int
    disk_mb: float
    instructions: float | None
    ms: float
    memory_mb: float


def run(python: Path, arguments: list[str], **more: str) -> str:
    environment = {**os.environ, "PYTHONHASHSEED": "0", **more}
    done = subprocess.run([str(python), *arguments], check=True, capture_output=True, text=True, env=environment)
    return done.stdout


def instructions(python: Path, arguments: list[str]) -> float | None:
    """Millions of instructions of one process."""
    tool = valgrind()
    if tool is None:
        return None
    command = [tool, "--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null", str(python), *arguments]
    environment = {**os.environ, "PYTHONHASHSEED": "0"}
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    (counted,) = re.findall(r"I +refs: +([\d,]+)", done.stderr)
    return int(counted.replace(",", "")) / 1e6


def milliseconds(python: Path, arguments: list[str], runs: int) -> float:
    taken = []
    for _ in range(runs):
        began = time.perf_counter()
        run(python, arguments)
        taken.append((time.perf_counter() - began) * 1000)
    return statistics.median(taken)


def peak_mb(python: Path, statement: str) -> float:
    return int(run(python, ["-c", f"{statement}\n{PEAK}"]).strip()) / 1024


def installed(python: Path) -> tuple[int, float]:
    """Distributions but pip and setuptools, and the megabytes of site-packages."""
    listed = json.loads(run(python, ["-m", "pip", "list", "--format=json", "--disable-pip-version-check"]))
    folder = Path(run(python, ["-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]).strip())
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    return sum(package["name"] not in {"pip", "setuptools", "wheel"} for package in listed), size / 1e6


def environment(folder: Path, requirement: str | None) -> Path:
    """The interpreter of a fresh environment with the requirement in it."""
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    if requirement is not None:
        run(python, ["-m", "pip", "install", "-q", "--disable-pip-version-check", requirement])
    return python


def measured(python: Path, statement: str, bare: Path, runs: int) -> Figures:
    packages, size = installed(python)
    _, empty = installed(bare)
    run(python, ["-c", statement])  # the byte code of what pip did not compile
    counted, base = instructions(python, ["-c", statement]), instructions(bare, ["-c", "pass"])
    return Figures(
        packages,
        size - empty,
        None if counted is None or base is None else counted - base,
        milliseconds(python, ["-c", statement], runs) - milliseconds(bare, ["-c", "pass"], runs),
        peak_mb(python, statement) - peak_mb(bare, "pass"),
    )


def commands(folder: Path) -> dict[str, float | None]:
    """Instructions of the command line's start, in multiples of `import click`; without the bare interpreter's."""
    python = environment(folder, f"{ROOT}[cli]")
    bare = instructions(python, ["-c", "pass"])
    costs = {}
    for name, arguments in COMMANDS.items():
        run(python, arguments)
        costs[name] = instructions(python, arguments)
    click = costs["import click"]
    if bare is None or click is None:
        return dict.fromkeys(costs)
    return {name: None if cost is None else (cost - bare) / (click - bare) for name, cost in costs.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=10, help="timed runs of each (default: 10)")
    parser.add_argument("--only", nargs="+", choices=SUBJECTS, default=list(SUBJECTS), help="these alone")
    parser.add_argument("--json", action="store_true", help="print one JSON object in place of the tables")
    options = parser.parse_args()
    found = {}
    with tempfile.TemporaryDirectory() as directory:
        bare = environment(Path(directory) / "bare", None)
        for name in options.only:
            sys.stderr.write(f"{name} ...\n")
            python = environment(Path(directory) / name, SUBJECTS[name].requirement)
            found[name] = measured(python, SUBJECTS[name].statement, bare, options.runs)
        sys.stderr.write("the command line ...\n")
        starts = commands(Path(directory) / "cli")
    if options.json:
        print(json.dumps({"packages": {name: one._asdict() for name, one in found.items()}, "commands": starts}))
        return
    print("| | packages | MB on disk | M instructions | ms | MB of memory |\n|---|---:|---:|---:|---:|---:|")
    for name, one in found.items():
        counted = "" if one.instructions is None else f"{one.instructions:.0f}"
        print(f"| {name} | {one.packages} | {one.disk_mb:.1f} | {counted} | {one.ms:.0f} | {one.memory_mb:.1f} |")
    print("\n| instructions | x `import click` |\n|---|---:|")
    for name, ratio in starts.items():
        print(f"| {name} | {'' if ratio is None else f'{ratio:.2f}'} |")


if __name__ == "__main__":
    main()
