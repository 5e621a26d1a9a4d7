"""Kills `altcraft run` with -9 at several places, starts it again each time, and counts what became of the recounts.

    python -m tests.plugins.cli.plan_kills [--recounts 300] [--kills 5] [--pace 0.5..5] [--seed 1] [--again]
                                           [--singles 0]

A sandbox on a socket has a segment for each recount, each of another size, and a plan of faults: a tenth of the
exchanges go wrong. The sandbox counts the submissions that it has processed. `--again` has the plan submit again what
is in doubt: then every recount is done, and those whose answer was lost are made twice. `--singles N` also makes the
recounts with single commands: all of them sixteen at a time, and N of them one after the other.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from altcraft_plugins.history import History
from altcraft_plugins.sandbox import FaultPlan, SandboxServer, serve

FIRST = 1000
"""The id of the first segment."""

FAULTS = """
seed = {seed}
[[fault]]
kind = "error"
rate = 0.03
status = 503
operations = ["tasks/status"]
[[fault]]
kind = "reset"
rate = 0.03
operations = ["tasks/status"]
[[fault]]
kind = "truncated"
rate = 0.02
operations = ["tasks/status"]
[[fault]]
kind = "latency"
seconds = 1
rate = 0.05
[[fault]]
kind = "error"
rate = 0.04
status = 429
retry_after = 0.5
operations = ["segments/refresh_counters"]
[[fault]]
kind = "reset"
rate = 0.01
processed = true
operations = ["segments/refresh_counters"]
"""
"""A tenth of the exchanges of each operation. A lost answer to a submission leaves it in doubt."""


class Counts(NamedTuple):
    """What the kills have left behind."""

    recounts: int
    killed: int
    submitted: int
    """Recounts that the sandbox has processed."""
    doubled: int
    """Recounts that it has processed more than once."""
    done: int
    in_doubt: int
    failed: int
    wrong: int
    """Lines of the table, rows of the CSV and counts of the history that differ from the sandbox's rows."""
    seconds: float
    """Of the last run alone."""
    all_seconds: float
    """From the first start to the last end."""
    cpu: float
    """Seconds of CPU of all runs."""


def populate(server: SandboxServer, recounts: int) -> dict[str, int]:
    """A segment for each recount. Returns the number of members that an email reaches, by name."""
    with server.sandbox.rows() as rows:
        for place in range(recounts):
            rows.execute("INSERT INTO segments VALUES (?, ?, 5, NULL)", (FIRST + place, f"Part {place}"))
            rows.execute(
                "INSERT INTO members SELECT ?, id FROM profiles WHERE database_id = 5 ORDER BY id LIMIT ?",
                (FIRST + place, 3 + 4 * place),
            )
        found = rows.execute(
            "SELECT members.segment_id, count(*) FROM members JOIN subscriptions USING (profile_id)"
            " WHERE resource_id = 24 AND channel = 'email' AND status = 'subscribed' AND reachable"
            " AND members.segment_id >= ? GROUP BY members.segment_id",
            (FIRST,),
        )
        expected = {f"Part {place}": 0 for place in range(recounts)}
        return expected | {f"Part {segment - FIRST}": count for segment, count in found}


def write_plan(folder: Path, server: SandboxServer, recounts: int, in_doubt: str = "list") -> Path:
    plan = folder / "plan.toml"
    sections = "".join(
        f'[[section]]\nname = "Section {begin}"\n'
        + "".join(
            f'[[section.recount]]\nname = "Part {place}"\nsegments = {FIRST + place}\n'
            for place in range(begin, min(begin + 50, recounts))
        )
        for begin in range(0, recounts, 50)
    )
    where = f'[connections.it]\nurl = "{server.url}"\ntoken_env = "THE_TOKEN"\n'
    head = f'history = "counts.history"\nin_doubt = "{in_doubt}"\n{where}'
    plan.write_text(f"{head}[defaults]\nresource = 24\ndatabase = 5\n{sections}", "utf-8")
    return plan


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "altcraft_plugins.cli", *words]


def environment(url: str) -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("ALTCRAFT")}
    token = {"THE_TOKEN": "demo", "ALTCRAFT_TOKEN": "demo", "ALTCRAFT_URL": url}
    return {**clean, **token, "COLUMNS": "150", "PYTHONIOENCODING": "utf-8"}


def run(
    recounts: int, kills: int, pace: tuple[float, float], seed: int, folder: Path, in_doubt: str = "list"
) -> Counts:
    """Kills the run so many times, lets it come to its end, and counts."""
    dice = random.Random(seed)
    faults = folder / "faults.toml"
    faults.write_text(FAULTS.format(seed=seed), "utf-8")
    with serve(port=0, profiles=50, pace=pace, tokens=["demo"], faults=FaultPlan.read(faults)) as server:
        expected = populate(server, recounts)
        plan = write_plan(folder, server, recounts, in_doubt)
        line = command("run", str(plan), "--poll-initial", "300ms", "--poll-maximum", "1s")
        began, cpu = time.monotonic(), cpu_of_children()
        for place in range(kills):  # more than half of them while it submits, the others while it follows
            target = recounts * (place + dice.uniform(0.3, 1.0)) / (0.6 * kills)
            with subprocess.Popen(line, env=environment(""), stdout=-3, stderr=-3) as running:
                if target < 0.9 * recounts:
                    while submitted(server) < target and running.poll() is None:
                        time.sleep(0.002)
                else:
                    time.sleep(dice.uniform(0.8, 1.6))
                running.send_signal(signal.SIGKILL)
            if running.returncode != -signal.SIGKILL:
                raise AssertionError("the run has ended before it was killed")
        last = time.monotonic()
        table = folder / "table.txt"
        ended = subprocess.run(
            [*line, "-o", str(table)], env=environment(""), capture_output=True, text=True, timeout=600, check=False
        )
        now = time.monotonic()
        in_doubt = ended.stderr.count(": in doubt: ")
        failed = ended.stderr.count(": failed: ") + ended.stderr.count(": unfinished: ")
        if ended.returncode != (1 if in_doubt or failed else 0):
            raise AssertionError(f"exit code {ended.returncode}: {ended.stderr}")
        shown = dict(read_table(table))
        processed = server.sandbox.submissions()
        return Counts(
            recounts,
            kills,
            len(processed),
            sum(times > 1 for times in processed.values()),
            len(shown),
            in_doubt,
            failed,
            sum(shown[name] != expected[name] for name in shown) + wrong_in(folder / "counts.history", expected, shown),
            now - last,
            now - began,
            cpu_of_children() - cpu,
        )


def submitted(server: SandboxServer) -> int:
    return sum(server.sandbox.submissions().values())


def read_table(path: Path) -> Iterator[tuple[str, int]]:
    """Name and count of each line of the table that is about email."""
    for line in path.read_text("utf-8").splitlines():
        words = line.split()
        if len(words) > 3 and words[0] == "Part" and words[2] == "email":
            yield f"Part {words[1]}", int(words[3])


def wrong_in(path: Path, expected: dict[str, int], shown: dict[str, int]) -> int:
    """Counts that the history lacks, has twice, or has with another number."""
    with History(path) as history:
        kept = [(row.name, row.counters["subscribed_sendable"]) for row in history.rows() if row.channel == "email"]
    return len(set(kept) ^ {(name, expected[name]) for name in shown}) + len(kept) - len(set(kept))


def cpu_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def singles(recounts: int, pace: tuple[float, float], alone: int) -> dict[str, float]:
    """What the same recounts cost as single commands, without faults and kills."""
    with serve(port=0, profiles=50, pace=pace, tokens=["demo"]) as server:
        populate(server, recounts)

        def one(place: int) -> int:
            words = ["segments", "refresh", str(FIRST + place), "--resource", "24", "--database", "5", "--json"]
            polls = ["--poll-initial", "300ms", "--poll-maximum", "1s"]
            done = subprocess.run(
                command(*words, *polls), env=environment(server.url), capture_output=True, text=True, check=False
            )
            return json.loads(done.stdout.splitlines()[-1])["event"] == "result"

        began, cpu = time.monotonic(), cpu_of_children()
        one_by_one = sum(map(one, range(alone)))
        between, middle = time.monotonic(), cpu_of_children()
        with ThreadPoolExecutor(16) as pool:
            together = sum(pool.map(one, range(recounts)))
        return {
            "one by one": one_by_one,
            "seconds each": (between - began) / max(1, alone),
            "CPU each": (middle - cpu) / max(1, alone),
            "sixteen at a time": together,
            "seconds in all": time.monotonic() - between,
            "CPU in all": cpu_of_children() - middle,
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recounts", type=int, default=300)
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--pace", default="0.5..5")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--again", action="store_true")
    parser.add_argument("--singles", type=int, default=0)
    options = parser.parse_args()
    least, _, most = options.pace.partition("..")
    pace = (float(least), float(most or least))
    with tempfile.TemporaryDirectory() as folder:
        in_doubt = "submit again" if options.again else "list"
        counts = run(options.recounts, options.kills, pace, options.seed, Path(folder), in_doubt)
    writer = csv.writer(sys.stdout, delimiter="\t")
    writer.writerows(counts._asdict().items())
    if options.singles:
        writer.writerows(singles(options.recounts, pace, options.singles).items())
    doubled = counts.doubled and not options.again
    left = counts.recounts - counts.done - (0 if options.again else counts.in_doubt)
    sys.exit(bool(doubled or counts.failed or counts.wrong or left))


if __name__ == "__main__":
    main()
