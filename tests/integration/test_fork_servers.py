"""Servers that fork: all workers use a client that was made before, and each gets the answers to its own questions.

gunicorn --preload imports the application once, so its workers share what a module-level client has opened by then.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from altcraft import Client
from altcraft_plugins.sandbox import SandboxServer, serve

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork on this system")]

TRANSPORTS = ["urllib3", "http_client", "httpx", "pycurl"]
RESOURCES = [12, 24]

# The client has a connection open when the process forks. A worker's answers are its own: numbers of its resource.
SHARED = """
import os
from altcraft import Client, Polling

client = Client(os.environ["PLATFORM"], "demo", transport=os.environ["TRANSPORT"], polling=Polling(initial=0.02))
client.databases.get_counters(5, resource_id=24)

def ask(resource):
    counters = client.databases.get_counters(5, resource_id=resource)
    (statistics,) = client.databases.refresh_counters(5, resource_id=resource).result(timeout=60)
    return {
        "pid": os.getpid(),
        "resource": statistics.resource_id,
        "counters": [[one.channel, one.status.subscribed] for one in counters],
    }
"""
WEB = """
import json
from shared import ask

def application(environ, start_response):
    answer = json.dumps(ask(int(environ["PATH_INFO"].strip("/")))).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(answer)))])
    return [answer]
"""
POOL = """
import json, multiprocessing, shared

if __name__ == "__main__":
    asked = [12, 24] * 40
    with multiprocessing.get_context("fork").Pool(4) as pool:
        answers = pool.map(shared.ask, asked, chunksize=1)
    print(json.dumps([*zip(asked, answers), (24, shared.ask(24))]))  # the parent goes on, too
    shared.client.close()
"""

JOBS = """
import pathlib
from celery import Celery
import shared

pathlib.Path("queue").mkdir(exist_ok=True)
pathlib.Path("results").mkdir(exist_ok=True)
app = Celery("jobs", broker="filesystem://", backend=f"file://{pathlib.Path('results').absolute()}")
app.conf.broker_transport_options = {"data_folder_in": "queue", "data_folder_out": "queue", "polling_interval": 0.02}

@app.task
def ask(resource):
    return shared.ask(resource)
"""
SENDER = """
import json, jobs

asked = [(resource, jobs.ask.delay(resource)) for resource in [12, 24] * 20]
print(json.dumps([(resource, job.get(timeout=60, interval=0.02)) for resource, job in asked]))
jobs.shared.client.close()
"""


@pytest.fixture(scope="module")
def platform() -> Iterator[SandboxServer]:
    with serve(port=0, profiles=200, pace=0.02, tokens=["demo"]) as served:
        yield served


@pytest.fixture(scope="module")
def counters(platform: SandboxServer) -> dict[int, list[list[object]]]:
    """What belongs to each resource. The numbers of the two differ."""
    with Client(platform.url, "demo") as client:
        asked = {resource: client.databases.get_counters(5, resource_id=resource) for resource in RESOURCES}
    known = {resource: [[one.channel, one.status.subscribed] for one in asked[resource]] for resource in RESOURCES}
    assert known[12] != known[24]
    return known


@pytest.fixture(params=TRANSPORTS)
def place(request: pytest.FixtureRequest, platform: SandboxServer, tmp_path: Path) -> dict[str, object]:
    """Where and how a program of the test runs: with this transport, against this platform."""
    programs = {"shared": SHARED, "web": WEB, "pool": POOL, "jobs": JOBS, "sender": SENDER}
    for name, text in programs.items():
        (tmp_path / f"{name}.py").write_text(text)
    env = os.environ | {"PLATFORM": platform.url, "TRANSPORT": request.param, "HOME": str(tmp_path), "PYTHONPATH": "."}
    return {"cwd": tmp_path, "env": env}


@contextmanager
def running(place: dict[str, object], *command: str, descriptors: Iterable[int] = ()) -> Iterator[None]:
    process = subprocess.Popen([sys.executable, "-m", *command], pass_fds=descriptors, **place)  # type: ignore[call-overload]
    try:
        yield
        process.terminate()
        process.wait(30)
    finally:
        process.kill()
        process.wait()


@contextmanager
def gunicorn(place: dict[str, object], *options: str) -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as bound:
        command = ["gunicorn", "--preload", f"--bind=fd://{bound.fileno()}", *options, "web:application"]
        with running(place, *command, descriptors=[bound.fileno()]):
            yield f"http://127.0.0.1:{bound.getsockname()[1]}"


@pytest.mark.parametrize("options", [("--workers=4",), ("--workers=2", "--threads=4")], ids=["processes", "threads"])
def test_the_workers_of_gunicorn_get_the_answers_to_their_own_questions(place, counters, options):
    def ask(resource: int) -> tuple[int, dict[str, object]]:
        with urllib.request.urlopen(f"{url}/{resource}", timeout=60) as answer:
            return resource, json.load(answer)

    with gunicorn(place, *options) as url, ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(ask, RESOURCES * 40))
    assert_own(answers, counters)


def test_the_processes_of_a_pool_get_the_answers_to_their_own_questions(place, counters):
    assert_own(answers_of("pool.py", place), counters)


@pytest.mark.parametrize("place", ["urllib3"], indirect=True)
def test_the_prefork_workers_of_celery_get_the_answers_to_their_own_questions(place, counters):
    with running(place, "celery", "--app=jobs", "worker", "--pool=prefork", "--concurrency=4", "--loglevel=ERROR"):
        assert_own(answers_of("sender.py", place), counters)


def answers_of(program, place):
    done = subprocess.run([sys.executable, program], capture_output=True, text=True, timeout=120, check=False, **place)
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


def assert_own(answers, counters):
    for resource, answer in answers:
        assert (answer["resource"], answer["counters"]) == (resource, counters[resource])
    assert len({answer["pid"] for _, answer in answers}) > 1
