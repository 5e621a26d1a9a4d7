"""The examples of docs/how-to/frameworks.md under real servers: many requests, no error, and no descriptor left.

The blocks of the page are the modules that the servers load. The platform is a served sandbox.
"""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from altcraft_plugins.sandbox import SandboxServer, serve

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="there is no /proc here")]

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "frameworks.md"

DJANGO = """
import django
from django.conf import settings
from django.urls import path

from views import counters, counters_async, counters_in_a_thread

settings.configure(ROOT_URLCONF="project", ALLOWED_HOSTS=["*"], SECRET_KEY="of the tests")
django.setup()
urlpatterns = [
    path("counters/<int:database>", counters),
    path("async/<int:database>", counters_async),
    path("thread/<int:database>", counters_in_a_thread),
]

from django.core.asgi import get_asgi_application
from django.core.wsgi import get_wsgi_application

wsgi, asgi = get_wsgi_application(), get_asgi_application()
"""
NAIVE = """
from views import *

client = AsyncClient.from_env()

async def counters_async(request, database):
    return JsonResponse({"rows": altcraft.rows(await client.databases.get_counters(database, resource_id=24))})
"""


def blocks(heading: str) -> list[str]:
    """The python blocks under a heading of the page."""
    section = PAGE.read_text("utf-8").partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    return re.findall(r"^```python\n(.*?)^```$", section, flags=re.DOTALL | re.MULTILINE)


@pytest.fixture(scope="module")
def platform() -> Iterator[SandboxServer]:
    with serve(port=0, pace=0, profiles=10, tokens=["demo"]) as server:
        yield server


@pytest.fixture
def place(platform: SandboxServer, tmp_path: Path) -> Path:
    """A folder with the modules of the page."""
    views = blocks("Django")
    assert views.pop() == "client.close()  # in a project, the end of the process does that\n"
    modules = {
        "shop": blocks("Flask")[0],
        "fast": blocks("FastAPI")[0],
        "plain": blocks("Servers that fork")[0],
        "views": "\n".join(views),
        "project": DJANGO,
        "naive": NAIVE,
        "naive_project": DJANGO.replace("from views", "from naive").replace('"project"', '"naive_project"'),
    }
    for name, text in modules.items():
        (tmp_path / f"{name}.py").write_text(text)
    return tmp_path


@contextmanager
def running(place: Path, platform: SandboxServer, module: str, *options: str) -> Iterator[tuple[str, list[int]]]:
    """Runs a server on a socket. Its URL, and the ids of the processes that answer."""
    with socket.create_server(("127.0.0.1", 0)) as bound:
        bound.set_inheritable(True)
        listen = {"gunicorn": f"--bind=fd://{bound.fileno()}", "uvicorn": f"--fd={bound.fileno()}"}[module]
        env = os.environ | {"ALTCRAFT_URL": platform.url, "ALTCRAFT_TOKEN": "demo", "HOME": str(place)}
        command = [sys.executable, "-m", module, listen, *options]
        process = subprocess.Popen(command, cwd=place, env=env, pass_fds=[bound.fileno()])
        url = f"http://127.0.0.1:{bound.getsockname()[1]}"
        try:
            assert get(url + "/nothing-here")[0] in (200, 404)  # waits until the server has begun
            yield url, [process.pid] if module == "uvicorn" else workers(process.pid, options)
            process.terminate()
            assert process.wait(30) in (0, -signal.SIGTERM), "it did not end by itself"
        finally:
            process.kill()
            process.wait()


def workers(parent: int, options: tuple[str, ...]) -> list[int]:
    """The processes of gunicorn's workers, once all of them have begun."""
    number = next((int(each.partition("=")[2]) for each in options if each.startswith("--workers=")), 1)
    deadline = time.monotonic() + 30
    while len(found := Path(f"/proc/{parent}/task/{parent}/children").read_text().split()) < number:
        assert time.monotonic() < deadline, f"{len(found)} of {number} workers have begun"
        time.sleep(0.05)
    return [int(child) for child in found]


def get(url: str, method: str = "GET") -> tuple[int, object, dict[str, str]]:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, method=method), timeout=60) as answer:
            return answer.status, json.load(answer), dict(answer.headers)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read(), dict(error.headers)


def open_files(processes: list[int]) -> int:
    return sum(len(os.listdir(f"/proc/{process}/fd")) for process in processes)


def ask_often(url: str, processes: list[int]) -> tuple[set[int], int]:
    """A hundred requests, eight at once: their statuses, and how many more descriptors are open than before."""
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(get, [url] * 40))  # so that each thread of the server has a connection
        before = open_files(processes)
        answers = list(threads.map(get, [url] * 100))
    return {status for status, *_ in answers}, open_files(processes) - before


GUNICORN = ("gunicorn", "--preload", "--workers=2", "--threads=4", "--log-level=error")
DJANGOS = {
    "sync view, WSGI": ("counters", (*GUNICORN, "project:wsgi")),
    "async view, WSGI": ("async", (*GUNICORN, "project:wsgi")),
    "async view with threads, WSGI": ("thread", (*GUNICORN, "project:wsgi")),
    "async view, WSGI, no threads": ("async", ("gunicorn", "--preload", "--log-level=error", "project:wsgi")),
    "async view, ASGI": ("async", ("uvicorn", "--log-level=error", "project:asgi")),
    "async view with threads, ASGI": ("thread", ("uvicorn", "--log-level=error", "project:asgi")),
}


@pytest.mark.parametrize(("view", "server"), DJANGOS.values(), ids=DJANGOS)
def test_a_hundred_requests_of_django_neither_fail_nor_leak(place, platform, view, server):
    with running(place, platform, *server) as (url, processes):
        statuses, left = ask_often(f"{url}/{view}/5", processes)
        assert statuses == {200}
        assert left <= 8, "descriptors are left behind"  # connections that the pool has opened meanwhile
        assert get(f"{url}/{view}/5")[1]["rows"][0]["hardbounced"] == 411


def test_a_client_of_a_module_fails_in_the_second_async_view_under_wsgi_as_the_page_says(place, platform):
    with running(place, platform, "gunicorn", "--log-level=critical", "naive_project:wsgi") as (url, _):
        statuses = [get(f"{url}/async/5")[0] for _ in range(3)]
    assert statuses == [200, 500, 500]


def finish(recount: Callable[[], tuple[int, object, dict[str, str]]], url: str) -> object:
    """Asks for the state of a recount until it is done."""
    status, answer, _ = recount()
    assert status == 202
    deadline = time.monotonic() + 60
    while status == 202:
        assert time.monotonic() < deadline
        status, answer, headers = get(f"{url}/recounts/{answer['token']}")
        if status == 202:
            time.sleep(float(headers["Retry-After"]))
    assert status == 200
    return answer


@pytest.mark.parametrize("options", [(*GUNICORN, "shop:site"), ("gunicorn", "--preload", "--workers=4", "shop:site")])
def test_the_workers_of_a_preloaded_flask_site_recount_and_leak_nothing(place, platform, options):
    with running(place, platform, *options) as (url, processes):
        (segment,) = {row["segment_id"] for row in finish(lambda: get(f"{url}/segments/7/recount", "POST"), url)}
        assert segment == 7
        statuses, left = ask_often(f"{url}/databases/5/counters", processes)
        assert statuses == {200}
        assert left <= 8


def test_the_workers_of_a_preloaded_plain_application_leak_nothing(place, platform):
    with running(place, platform, *GUNICORN, "plain:application") as (url, processes):
        statuses, left = ask_often(f"{url}/anything", processes)
    assert statuses == {200}
    assert left <= 8


def test_fastapi_recounts_under_uvicorn_and_leaks_nothing(place, platform):
    with running(place, platform, "uvicorn", "--log-level=error", "fast:app") as (url, processes):
        rows = finish(lambda: get(f"{url}/segments/7/recount", "POST"), url)
        assert rows[0]["subscribed_sendable"] == 209
        statuses, left = ask_often(f"{url}/recounts/{'x' * 9}", processes)
        assert statuses == {404}, "no such task"
        assert left <= 8


def test_fastapi_ends_while_it_follows_tasks(place):
    with (
        serve(port=0, pace=600, profiles=10, tokens=["demo"]) as slow,
        running(place, slow, "uvicorn", "--log-level=error", "fast:app") as (url, _),
    ):
        for _ in range(3):
            assert get(f"{url}/segments/7/recount?in_background=true", "POST")[0] == 202
