"""Two workers of Celery on a real Redis; one is killed half-way. `-s` shows the figures.

ALTCRAFT_TEST_REFRESHES says how many recounts are made; 300 if it is not set.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import celery
import pytest
import redis

from altcraft_plugins.celery import SubmissionInDoubt, install
from altcraft_plugins.sandbox import serve

pytestmark = [pytest.mark.slow, pytest.mark.redis, pytest.mark.leaves_threads]

REFRESHES = int(os.environ.get("ALTCRAFT_TEST_REFRESHES", "300"))
BOUND = 60.0 + REFRESHES / 10
"""Seconds after the kill by which all must have ended: visibility timeout 18, search 5, the work of one worker."""


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


def test_a_killed_worker_loses_no_refresh_and_submits_none_twice(redis_url, tmp_path):
    with serve(port=0, profiles=50, pace=15.0, tokens=["demo"]) as platform:
        environment = {
            **os.environ,
            "SHOP_REDIS": redis_url,
            "SHOP_URL": platform.url,
            "SHOP_TOKEN": "demo",
            "SHOP_POLLS": str(tmp_path / "polls"),
            "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        }
        app = celery.Celery("sender", broker=redis_url, backend=redis_url, set_as_current=False)
        jobs = install(app)
        with worker("one", environment, tmp_path) as first, worker("two", environment, tmp_path):
            began = time.time()
            reports = [
                celery.chain(
                    jobs.submit.s("databases/refresh_counters", {"id": 5, "resource_id": 24}),
                    jobs.follow.s(),
                    app.signature("shop.report"),
                ).apply_async()
                for _ in range(REFRESHES)
            ]
            pending, ended = dict(enumerate(reports)), {}

            def look():
                for number, job in list(pending.items()):
                    links = (job, job.parent, job.parent.parent)
                    if any(link.failed() for link in links) or job.successful():
                        ended[number] = time.time()
                        del pending[number]
                return len(ended)

            wait_for(lambda: look() >= REFRESHES // 2, 60 + REFRESHES)
            kill(first)
            killed = time.time()
            wait_for(lambda: look() == REFRESHES, BOUND)
        submitted = platform.sandbox.submissions().total()
        done = [job for job in reports if job.successful()]
        errors = [link.result for job in reports for link in (job, job.parent, job.parent.parent) if link.failed()]
        doubts = [error for error in errors if isinstance(error, SubmissionInDoubt)]
        polls = sum(int(line) for line in (tmp_path / "polls").read_text().split())
        late = sorted(moment - killed for moment in ended.values() if moment > killed)
        lags = [job.result[1] - began for job in done]
        print(  # noqa: T201  # figures to look at
            json.dumps({
                "refreshes": REFRESHES, "results": len(done), "in doubt": len(doubts), "submitted": submitted,
                "other errors": [repr(error) for error in errors if error not in doubts],
                "polls a task": round(polls / max(1, len(done)), 2),
                "median second of the reports": round(statistics.median(lags), 2),
                "seconds in all": round(max(ended.values()) - began, 1),
                "last result after the kill (s)": round(late[-1], 1) if late else 0.0,
            })
        )  # fmt: skip
        app.close()
    assert errors == doubts
    assert len(done) + len(doubts) == REFRESHES
    assert len(done) <= submitted <= REFRESHES  # a doubt stands for at most one; no job has submitted twice
