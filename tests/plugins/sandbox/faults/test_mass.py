"""Many refreshes at 30 % faults, with a journal: none lost, doubled, wrong or unexplained.

    ALTCRAFT_TEST_MASS=1000 python -m pytest -q -s -m slow tests/plugins/sandbox/faults/test_mass.py

prints the tables for so many: both clients, in process and over sockets. A smaller run is among the quick tests.

The caller does what a careful program does. It submits what the platform has refused again. Where a reply was lost, it
looks (here: into the sandbox) whether the submission was processed before it submits again.
At the end, what the journal says is compared with what the sandbox knows.
"""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from altcraft import (
    ApiError,
    ConnectError,
    ConnectionLost,
    DecodeError,
    NotFound,
    Polling,
    RateLimited,
    RequestTimeout,
    Retry,
    SubmissionsFailed,
    TaskFailed,
    hookimpl,
)
from altcraft.schema import SegmentsRefreshCounters
from altcraft.testing import FakeClock
from altcraft_plugins.journal import Journal
from altcraft_plugins.sandbox import FaultPlan, Sandbox, Submission, serve
from altcraft_plugins.sandbox.faults import (
    Drip,
    ErrorReply,
    Hang,
    Latency,
    Malformed,
    PrettyPrinted,
    Reset,
    TaskFails,
    TaskGoesBack,
    TaskLag,
    TaskStalls,
    TaskVanishes,
    Truncated,
)
from altcraft_transports.threads import ThreadsTransport
from altcraft_transports.wsgi import WsgiTransport
from integration.carriers import Session, session

COUNT = int(os.environ.get("ALTCRAFT_TEST_MASS", "200"))
QUICK = 20
FIRST = 1_000

# 30 % of the exchanges.
EXCHANGES = [
    Latency(0.2, rate=0.03),
    Drip(0.2, rate=0.02),
    ErrorReply(503, retry_after=1, rate=0.03),
    ErrorReply(429, retry_after=1, rate=0.03),
    ErrorReply(502, body="html", rate=0.03),
    ErrorReply(504, body="empty", processed=True, rate=0.02),
    ErrorReply(200, body="html", processed=True, rate=0.01),
    Truncated(rate=0.02),
    Malformed(rate=0.02),
    PrettyPrinted(rate=0.03),
    Reset(rate=0.03),
    Reset(processed=True, rate=0.02),
    Hang(rate=0.01),
]
# And 20 % of the tasks.
TASKS = [
    TaskLag(1.0, rate=0.05),
    TaskFails("database is locked", rate=0.05),
    TaskGoesBack(rate=0.04),
    TaskStalls(seconds=2.0, rate=0.04),
    TaskVanishes(rate=0.02),
]
PLAN = FaultPlan([*EXCHANGES, *TASKS], seed=11)

REFUSED = (RateLimited, ConnectError)
IN_DOUBT = (ConnectionLost, RequestTimeout, DecodeError)


IMPATIENT = "waits ended by polls that failed for longer than `patience`, and begun again"
UNREADABLE = "waits ended by a reply that is no document, and begun again"


class Ends:
    """A plugin that keeps how the last wait for each task has ended."""

    def __init__(self) -> None:
        self.of: dict[str, Exception | None] = {}

    @hookimpl
    def altcraft_wait_ended(self, task: Any, error: Exception | None) -> None:
        self.of[task.id] = error


def test_the_rates_are_30_percent():
    assert sum(fault.rate for fault in EXCHANGES) == pytest.approx(0.3)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal(tmp_path / "journal.sqlite3") as journal:
        yield journal


@pytest.fixture(params=["Client", "AsyncClient"])
def made(request: pytest.FixtureRequest) -> Iterator[Session]:
    with session(request.param) as made:
        yield made


def test_a_few_in_process(made: Session, journal: Journal) -> None:
    in_process(made, journal, QUICK)


@pytest.mark.slow
def test_in_process_with_the_default_settings_in_a_clocks_time(made: Session, journal: Journal) -> None:
    in_process(made, journal, COUNT)


@pytest.mark.slow
def test_over_sockets(made: Session, journal: Journal) -> None:
    quick: dict[str, Any] = {
        "retry": Retry(base=0.05, maximum=1.0, budget=None),
        "polling": Polling(initial=0.1, maximum=1.0),
        "request_timeout": 1.0,
        "plugins": [ends := Ends(), journal],
    }
    with serve(port=0, pace=(0.2, 2.0), faults=PLAN) as server, made.client(server.url, "sandbox", **quick) as client:
        assert_nothing_is_lost(made, client, ends, server.sandbox, journal, "over sockets", COUNT)


def in_process(made: Session, journal: Journal, count: int) -> None:
    clock = FakeClock()
    sandbox = Sandbox(clock=clock, pace=(0.5, 20.0), faults=PLAN)
    transport: Any = WsgiTransport(sandbox, clock=clock)
    if made.is_async:
        transport = ThreadsTransport(transport)
    plugins = [ends := Ends(), journal]
    # While a reply is under way, the exchange of another task that hangs may move the clock beyond the default grace.
    polling = Polling(grace=60)
    with made.client(
        "https://sandbox.example", "sandbox", transport=transport, plugins=plugins, polling=polling
    ) as client:
        assert_nothing_is_lost(made, client, ends, sandbox, journal, "in process", count)


def assert_nothing_is_lost(
    made: Session, client: Any, ends: Ends, sandbox: Sandbox, journal: Journal, where: str, count: int
) -> None:
    expected = plant_segments(sandbox, count)
    seen: Counter[str] = Counter()
    tasks: dict[Any, int] = {}
    in_doubt: set[int] = set()
    left = list(range(count))
    while left:
        seen["rounds of submissions"] += 1
        again = []
        for number, outcome in submit(made, client, left).items():
            if not isinstance(outcome, Exception):
                tasks[outcome] = number
            elif not was_processed(sandbox, number):
                seen["submissions refused or lost before processing, and made again"] += 1
                again.append(number)
                assert isinstance(outcome, (*REFUSED, *IN_DOUBT, ApiError)), f"unexplained: {outcome!r}"
            else:
                in_doubt.add(number)
                seen["submissions processed, whose reply was lost: reported as in doubt"] += 1
                assert may_be_processed(outcome), f"the error denies a submission that was processed: {outcome!r}"
        left = again

    assert len(tasks) + len(in_doubt) == count
    following = list(tasks)
    while following:
        finished = made.do(client.tasks.as_completed(following, timeout=7200))
        assert len(finished) == len(following), "lost"
        following = []
        for task in finished:
            how = explain(made, sandbox, task, ends.of[task.id], expected[tasks[task]])
            seen[how] += 1
            if how in (UNREADABLE, IMPATIENT):
                following.append(task)

    counts = sandbox.submissions()
    assert len(counts) == count, "lost"
    assert set(counts.values()) == {1}, "doubled"
    compare(journal, tasks, in_doubt, sandbox, seen)
    print_table(f"{made.kind.__name__}, {where}: {count} refreshes", seen, sandbox.injected())


def compare(journal: Journal, tasks: dict[Any, int], in_doubt: set[int], sandbox: Sandbox, seen: Counter[str]) -> None:
    """The journal knows every task and its outcome, and doubts every submission whose reply was lost."""
    entries = {entry.task_id: entry for entry in journal.entries() if entry.task_id is not None}
    assert entries.keys() == {task.id for task in tasks}, "the journal and the caller know different tasks"
    assert all(entries[task.id].request["id"] == FIRST + number for task, number in tasks.items())
    with sandbox.rows() as rows:
        states = dict(rows.execute("SELECT id, status FROM tasks"))
    for id_, entry in entries.items():
        assert entry.state == states.get(id_, "running"), f"the journal says {entry.state} of {id_}"
        seen[f"journal: {entry.state if id_ in states else 'running, and vanished from the platform'}"] += 1
    doubted = {entry.request["id"] - FIRST for entry in journal.outstanding().in_doubt}
    assert in_doubt <= doubted, f"processed, without an id, and not in doubt: {in_doubt - doubted}"
    seen["journal: submissions in doubt"] = len(journal.outstanding().in_doubt)


def submit(made: Session, client: Any, numbers: list[int]) -> dict[int, Any]:
    """The task of each submission, or its error."""
    requests = [SegmentsRefreshCounters(FIRST + number, resource_id=24) for number in numbers]
    try:
        return dict(zip(numbers, made.do(client.submit_many(requests)), strict=True))
    except SubmissionsFailed as failed:
        resumed = {numbers[place]: client.tasks.resume(token) for place, token in failed.tasks.items()}
        return resumed | {numbers[place]: error for place, error in failed.errors.items()}


def explain(made: Session, sandbox: Sandbox, task: Any, error: Exception | None, expected: int) -> str:
    """How the wait for the task has ended, checked against what the sandbox knows of it."""
    with sandbox.rows() as rows:
        row = rows.execute("SELECT status, result FROM tasks WHERE id = ?", (task.id,)).fetchone()
    if error is None:
        assert task.done()
        failure = made.do(task.exception(timeout=0))
        if isinstance(failure, TaskFailed):
            assert row == ("failed", '"database is locked"')
            assert failure.status.result == "database is locked"
            return "tasks failed, as the plan has it, with the reason"
        assert row is not None
        assert row[0] == "completed"
        (statistics,) = made.do(task.result(timeout=0))
        assert statistics.channels[0].status.subscribed_sendable == expected, "wrong"
        return "tasks completed, with the right numbers"
    if isinstance(error, NotFound):
        assert row is None, "lost: the task is there"
        return "tasks vanished, as the plan has it"
    if isinstance(error, DecodeError):
        return UNREADABLE
    assert (
        isinstance(error, (ConnectionLost, RequestTimeout)) or getattr(error, "http_status", 0) in Retry().statuses
    ), f"unexplained: {error!r}"
    return IMPATIENT


def may_be_processed(error: Exception) -> bool:
    """Whether the error leaves open that the submission was processed."""
    return isinstance(error, IN_DOUBT) or (isinstance(error, ApiError) and error.http_status >= 500)


def was_processed(sandbox: Sandbox, number: int) -> bool:
    asked = SegmentsRefreshCounters(FIRST + number, resource_id=24)
    return sandbox.submissions()[Submission("segments/refresh_counters", f'{{"id":{asked.id},"resource_id":24}}')] > 0


def plant_segments(sandbox: Sandbox, count: int) -> list[int]:
    """Makes a segment for each refresh. Returns the number that each refresh has to give."""
    with sandbox.rows() as rows:
        profiles = rows.execute(
            "SELECT p.id, s.status = 'subscribed' AND s.reachable FROM profiles p JOIN subscriptions s"
            " ON s.profile_id = p.id AND s.resource_id = 24 AND s.channel = 'email' WHERE p.database_id = 5"
        ).fetchall()
        expected = []
        for number in range(count):
            segment, members = FIRST + number, profiles[number % 311 :: 13]
            rows.execute("INSERT INTO segments VALUES (?, ?, 5, NULL)", (segment, f"Segment {segment}"))
            rows.executemany("INSERT INTO members VALUES (?, ?)", [(segment, id_) for id_, _ in members])
            expected.append(sum(sendable for _, sendable in members))
    return expected


def print_table(title: str, seen: Counter[str], injected: Counter[str]) -> None:
    lines = [f"\n{title}, {sum(injected.values())} faults", "-" * 78]
    lines += [f"{what:70} {count:7}" for what, count in sorted(seen.items(), reverse=True)]
    lines += [f"{what:70} {0:7}" for what in ("lost", "doubled", "wrong", "unexplained")]
    lines.append("faults: " + ", ".join(f"{kind} {count}" for kind, count in injected.most_common()))
    sys.stdout.write("\n".join(lines) + "\n")
