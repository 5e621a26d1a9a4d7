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
from collections.abc import Iterator
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
    for name, text in (("shared.py", SHARED), ("web.py", WEB), ("pool.py", POOL)):
        (tmp_path / name).write_text(text)
    env = os.environ | {"PLATFORM": platform.url, "TRANSPORT": request.param, "HOME": str(tmp_path), "PYTHONPATH": "."}
    return {"cwd": tmp_path, "env": env}


@contextmanager
def gunicorn(place: dict[str, object], *options: str) -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as bound:
        bind = ["--bind", f"fd://{bound.fileno()}"]
        command = [sys.executable, "-m", "gunicorn", "--preload", *bind, *options, "web:application"]
        running = subprocess.Popen(command, pass_fds=[bound.fileno()], **place)  # type: ignore[call-overload]
        try:
            yield f"http://127.0.0.1:{bound.getsockname()[1]}"
            running.terminate()
            running.wait(30)
        finally:
            running.kill()
            running.wait()


@pytest.mark.parametrize("options", [("--workers=4",), ("--workers=2", "--threads=4")], ids=["processes", "threads"])
def test_the_workers_of_gunicorn_get_the_answers_to_their_own_questions(place, counters, options):
    def ask(resource: int) -> tuple[int, dict[str, object]]:
        with urllib.request.urlopen(f"{url}/{resource}", timeout=60) as answer:
            return resource, json.load(answer)

    with gunicorn(place, *options) as url, ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(ask, RESOURCES * 40))
    assert_own(answers, counters)


def test_the_processes_of_a_pool_get_the_answers_to_their_own_questions(place, counters):
    done = subprocess.run(
        [sys.executable, "pool.py"], capture_output=True, text=True, timeout=120, check=False, **place
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert_own(json.loads(done.stdout), counters)


def assert_own(answers, counters):
    for resource, answer in answers:
        assert (answer["resource"], answer["counters"]) == (resource, counters[resource])
    assert len({answer["pid"] for _, answer in answers}) > 1
