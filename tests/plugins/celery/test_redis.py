"""Workers of Celery on a real Redis, which are killed. `-s` shows the figures.

ALTCRAFT_TEST_REFRESHES says how many recounts are made, and asks for the figures of an in-process group beside them. If
it is not set, there are 60 recounts.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import celery
import pytest
import redis

from altcraft import Client, Feedback, Polling, TaskHandle, hookimpl
from altcraft.schema import DatabasesRefreshCounters
from altcraft_plugins.celery import SubmissionInDoubt, install
from altcraft_plugins.feedback import FeedbackReceiver
from altcraft_plugins.feedback.server import listening
from altcraft_plugins.sandbox import SandboxServer, serve

pytestmark = [pytest.mark.slow, pytest.mark.redis, pytest.mark.leaves_threads]

ASKED = os.environ.get("ALTCRAFT_TEST_REFRESHES")
REFRESHES = int(ASKED or "60")
BOUND = 120.0 + REFRESHES / 2
"""Seconds after the kill by which all must have ended: visibility timeout, search, the work of one worker."""
LONGEST = min(30.0, max(3.0, REFRESHES / 66))
"""Seconds between two polls, at most. More refreshes take longer, so that the workers keep up with their polls."""
PACE = max(8.0, REFRESHES / 7)
POLLING = Polling(initial=0.5, maximum=LONGEST)
"""As in shop.py."""


@pytest.fixture
def redis_url(tmp_path: Path) -> Iterator[str]:
    server = shutil.which("redis-server")
    if server is None:
        pytest.skip("redis-server is not installed: what a killed worker of Celery leaves is NOT tested")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [server, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process, redis.Redis(port=port) as client:
        try:
            wait_for(lambda: is_up(client), 20)
            yield f"redis://127.0.0.1:{port}/0"
        finally:
            process.terminate()


def is_up(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.ConnectionError:
        return False


@contextlib.contextmanager
def worker(name: str, environment: dict[str, str], place: Path) -> Iterator[int]:
    """A worker of two processes; its process group."""
    command = [
        sys.executable, "-m", "celery", "--app=shop", "worker", "--pool=prefork", "--concurrency=2",
        "--loglevel=WARNING", f"--hostname={name}@here", "--without-mingle", "--without-gossip",
    ]  # fmt: skip
    with (
        (place / f"{name}.log").open("wb") as log,
        subprocess.Popen(
            command, cwd=Path(__file__).parent, env=environment, stdout=log, stderr=log, start_new_session=True
        ) as process,
    ):
        try:
            yield process.pid
        finally:
            kill(process.pid)


def kill(group: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)


def wait_for(condition, seconds):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.05)


@pytest.fixture
def platform() -> Iterator[SandboxServer]:
    with serve(port=0, profiles=50, pace=PACE, tokens=["demo"], feedback="never") as served:
        yield served


@pytest.fixture
def environment(redis_url: str, platform: SandboxServer, tmp_path: Path) -> dict[str, str]:
    """That of the workers."""
    return {
        **os.environ,
        "SHOP_REDIS": redis_url,
        "SHOP_URL": platform.url,
        "SHOP_TOKEN": "demo",
        "SHOP_LONGEST": str(LONGEST),
        "SHOP_POLLS": str(tmp_path / "polls"),
        "SHOP_GATE": str(tmp_path / "gate"),
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
    }


@pytest.fixture
def app(redis_url: str) -> Iterator[celery.Celery]:
    """The application that sends jobs."""
    made = celery.Celery("sender", broker=redis_url, backend=redis_url, set_as_current=False)
    yield made
    made.close()


def request(number: int) -> dict[str, object]:
    """The fields of a refresh that no other one has: the platform's table tells which was submitted twice."""
    return {"id": 5, "resource_id": 24, "feedback": {"url": f"http://127.0.0.1:9/{number}"}}


def submitted_twice(platform: SandboxServer) -> list[str]:
    return [submission.parameters for submission, times in platform.sandbox.submissions().items() if times > 1]


def test_a_process_killed_between_answer_and_token_leaves_a_doubt_and_one_submission(
    app, environment, platform, tmp_path
):
    gate = tmp_path / "gate"
    gate.touch()
    with worker("one", environment, tmp_path):
        job = install(app).submit.delay("databases/refresh_counters", request(0))
        wait_for(lambda: not gate.exists(), 120)
        (stopped,) = tmp_path.glob("gate-*")
        assert platform.sandbox.submissions().total() == 1  # it is answered, and no token is kept
        os.kill(int(stopped.name.partition("-")[2]), signal.SIGKILL)
        with pytest.raises(SubmissionInDoubt) as doubt:
            job.get(timeout=120)
    assert doubt.value.key == job.id
    assert platform.sandbox.submissions().total() == 1


def test_a_delivery_to_another_process_ends_the_job_of_a_worker(app, environment, redis_url, tmp_path):
    with (
        serve(port=0, profiles=50, pace=1.0, tokens=["demo"]) as platform,
        listening(make=lambda url: FeedbackReceiver(url, secret="the same in all processes")) as receiver,
    ):
        jobs = install(app, receiver=receiver)
        given = {**environment, "SHOP_URL": platform.url, "SHOP_FEEDBACK": receiver.base_url}
        with worker("one", given, tmp_path):
            submit = jobs.submit.s("databases/refresh_counters", {"id": 5, "resource_id": 24}, connection="never")
            chain = celery.chain(submit, jobs.follow.s(connection="never"), app.signature("shop.report"))
            assert chain().get(timeout=120)[0] == 3  # its next poll would come after ten minutes


class Ends:
    """When each task of a client has ended, and its polls."""

    def __init__(self) -> None:
        self.seen: dict[str, tuple[int, float]] = {}

    @hookimpl
    def altcraft_task_completed(self, task: TaskHandle) -> None:
        self.seen[task.id] = task.polls, time.time()


def figures(seen: dict[str, tuple[int, float]], platform: SandboxServer) -> str:
    """Polls a task; seconds between the task's end on the platform and the poll that showed it."""
    with platform.sandbox.rows() as rows:
        found = rows.execute("SELECT id, finished FROM tasks WHERE finished IS NOT NULL").fetchall()
    finished = {task: datetime.fromisoformat(at.replace("Z", "+00:00")).timestamp() for task, at in found}
    lags = sorted(at - finished[task] for task, (_, at) in seen.items())
    polls = statistics.mean(polls for polls, _ in seen.values())
    return f"{polls:.2f} | {statistics.median(lags):.2f} | {lags[int(len(lags) * 0.95)]:.2f} | {lags[-1]:.2f}"


def in_one_process(platform: SandboxServer) -> str:
    """The figures of as many refreshes that one client follows as a group."""
    ends = Ends()
    with Client(platform.url, "demo", polling=POLLING, plugins=[ends]) as client:
        requests = [
            DatabasesRefreshCounters(5, 24, Feedback(f"http://127.0.0.1:9/group-{number}"))
            for number in range(REFRESHES)
        ]
        tokens = [task.resume_token for task in client.submit_many(requests)]
        # Resumed, as the workers do: a task that knows its feedback would wait for it.
        for task in client.tasks.as_completed([client.tasks.resume(token) for token in tokens]):
            task.result()
    return figures(ends.seen, platform)


def test_a_killed_worker_loses_no_refresh_and_submits_none_twice(app, environment, platform, redis_url, tmp_path):
    jobs = install(app)
    client = redis.Redis.from_url(redis_url)

    def send(number):
        # With an id of our own, a refresh can be sent again: its submission is the same one.
        submit = jobs.submit.s("databases/refresh_counters", request(number)).set(task_id=f"refresh-{number}")
        return celery.chain(submit, jobs.follow.s(), app.signature("shop.report")).apply_async()

    def broker_holds_nothing():
        return client.llen("celery") + client.hlen("unacked") == 0

    with worker("one", environment, tmp_path) as first, worker("two", environment, tmp_path):
        began = time.time()
        reports = [send(number) for number in range(REFRESHES)]
        pending, ended = dict(enumerate(reports)), {}

        def look():
            for number, job in list(pending.items()):
                links = (job, job.parent, job.parent.parent)
                if job.successful() or any(link.failed() for link in links):
                    ended[number] = time.time()
                    del pending[number]
            return len(ended)

        def look_again():
            """How many have ended, once the broker has held nothing for three seconds; else -1."""
            for _ in range(30):
                time.sleep(0.1)
                if not broker_holds_nothing():
                    return -1
            return look()

        wait_for(lambda: look() >= REFRESHES // 2, PACE + BOUND)
        kill(first)
        killed = time.time()
        wait_for(lambda: look() == REFRESHES or (broker_holds_nothing() and look() == look_again()), BOUND)
        lost = list(pending)
        for number in lost:
            reports[number] = pending[number] = send(number)
        wait_for(lambda: look() == REFRESHES, BOUND)
    client.close()
    done = [job for job in reports if job.successful()]
    errors = [link.result for job in reports for link in (job, job.parent, job.parent.parent) if link.failed()]
    doubts = [error for error in errors if isinstance(error, SubmissionInDoubt)]
    lines = [line.split() for line in (tmp_path / "polls").read_text().splitlines()]
    seen = {task: (int(polls), float(at)) for task, polls, at in reversed(lines)}  # the first of two counts
    print(  # noqa: T201  # figures to look at
        f"\n{REFRESHES} refreshes: {len(done)} results, {len(doubts)} in doubt, "
        f"{len(lost)} lost by the broker and sent again, {platform.sandbox.submissions().total()} submitted, "
        f"{time.time() - began:.1f} s in all, "
        f"the last {max(ended.values()) - killed:.1f} s after the kill"
        "\n| | polls a task | lag, median s | lag, 95 % | lag, longest |\n|---|---|---|---|---|"
        f"\n| Celery, one of two workers killed | {figures(seen, platform)} |"
    )
    assert errors == doubts
    assert len(lost) <= 2  # kombu takes a message from the queue first, and notes it as unacknowledged then
    assert len(done) + len(doubts) == REFRESHES
    assert submitted_twice(platform) == []
    assert len(done) <= platform.sandbox.submissions().total()  # a doubt stands for at most one
    if ASKED:
        print(f"| one process, as a group | {in_one_process(platform)} |")  # noqa: T201
