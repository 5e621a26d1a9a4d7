"""The recipe of docs/how-to/job-engines.md, on a real PostgreSQL, with a worker that is killed."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import test_readme_and_docs as docs
from altcraft import Client
from altcraft_plugins.sandbox import serve
from postgresql import postgresql

pytestmark = [
    pytest.mark.slow,
    pytest.mark.postgresql,
    pytest.mark.leaves_threads,
    pytest.mark.filterwarnings("default"),  # the engine's own
]

REFRESHES = 6


@contextlib.contextmanager
def worker(place: Path, name: str) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "procrastinate", "--app=recipe.app", "worker"]
    with (place / name).open("wb") as log, subprocess.Popen(command, cwd=place, stdout=log, stderr=log) as process:
        try:
            yield process
        finally:
            process.kill()


def wait_for(condition: Callable[[], bool], seconds: float = 120.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.05)


def test_waiting_jobs_go_on_in_another_worker_when_theirs_is_killed(tmp_path, monkeypatch):
    import psycopg

    (page,) = (page for page, marker in docs.ENGINES.items() if marker == "postgresql")
    (tmp_path / "recipe.py").write_text(docs.python_blocks(page)[0].text)
    with postgresql() as database, serve(port=0, profiles=50, pace=6.0, tokens=["demo"]) as platform:
        given = {"DATABASE_URL": database, "ALTCRAFT_URL": platform.url, "ALTCRAFT_TOKEN": "demo"}
        for name, value in given.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), *filter(None, sys.path)]))
        found = importlib.util.spec_from_file_location("recipe", tmp_path / "recipe.py")
        recipe = importlib.util.module_from_spec(found)
        found.loader.exec_module(recipe)
        with psycopg.connect(database, autocommit=True) as rows, Client.from_env() as client, recipe.app.open():

            def jobs(task: str, status: str) -> int:
                counted = "SELECT count(*) FROM procrastinate_jobs WHERE task_name = %s AND status::text = %s"
                return rows.execute(counted, [f"recipe.{task}", status]).fetchone()[0]

            def stopped_between_two_jobs(process: subprocess.Popen[bytes]) -> bool:
                process.send_signal(signal.SIGSTOP)
                active = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND pid <> pg_backend_pid()"
                wait_for(lambda: rows.execute(active).fetchone()[0] == 0)
                if jobs("follow", "doing") + jobs("report", "doing") == 0:
                    return True
                process.send_signal(signal.SIGCONT)
                return False

            recipe.app.schema_manager.apply_schema()
            for _ in range(REFRESHES):
                task = client.segments.refresh_counters(7, resource_id=24, db_id=1)
                recipe.follow.defer(token=task.resume_token)
            with worker(tmp_path, "one") as first:
                wait_for(lambda: jobs("follow", "succeeded") >= REFRESHES)  # each has been polled once
                wait_for(lambda: stopped_between_two_jobs(first))
                first.send_signal(signal.SIGKILL)
                first.wait()
            assert jobs("report", "succeeded") < REFRESHES
            with worker(tmp_path, "two"):
                wait_for(lambda: jobs("report", "succeeded") == REFRESHES)
            assert jobs("report", "succeeded") == REFRESHES
        recipe.client.close()
        assert platform.sandbox.submissions().total() == REFRESHES
