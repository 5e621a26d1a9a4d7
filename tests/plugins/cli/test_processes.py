"""The program as a process: over a real socket, interrupted, cut off, without its libraries."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from importlib.metadata import version

import pytest

from altcraft import HttpResponse
from altcraft.testing import reply
from plugins.cli.platform import serving
from plugins.cli.running import (
    COMMAND,
    DATABASE,
    REFRESH,
    RUNNING,
    SEGMENT,
    STARTED,
    TASK_ID,
    TOKEN,
    completed,
    environment,
    process,
    started,
)

HTML = HttpResponse(500, {"Content-Type": "text/html"}, b"<html><h1>Bad gateway</h1></html>")


def test_a_refresh_over_a_socket_in_json() -> None:
    with serving(STARTED, completed(SEGMENT)) as platform:
        ran = process("--url", platform.url, *REFRESH, env={"ALTCRAFT_TOKEN": TOKEN})
    assert (ran.code, ran.err) == (0, "")
    assert "Segment 7, database 1, resource 24" in ran.out
    first = json.loads(platform.bodies[0])
    assert first == {"id": 7, "resource_id": 24, "db_id": 1, "token": TOKEN, "format": "json"}


@pytest.mark.slow
def test_a_refresh_over_a_socket_in_xml_with_a_bearer() -> None:
    script = [
        reply({"task_id": TASK_ID}, codec="xml"),
        reply({"status": "completed", "progress": 100, "result": [DATABASE]}, codec="xml"),
    ]
    args = ("databases", "refresh", "5", "--resource", "24", "--codec", "xml", "--auth", "bearer", "--json")
    with serving(*script) as platform:
        ran = process(*args, env={"ALTCRAFT_URL": platform.url, "ALTCRAFT_TOKEN": f"{TOKEN}\n"})
    assert (ran.code, ran.err) == (0, "")
    assert ran.events == ["submitted", "progress", "result"]
    assert b"<token>" not in platform.bodies[0]
    assert platform.headers[0]["Authorization"] == f"Bearer {TOKEN}"


@pytest.mark.slow
def test_a_reader_that_goes_away_ends_the_wait_for_several() -> None:
    with (
        serving(RUNNING) as platform,
        started("tasks", "wait", "a", "b", "--json", env={"ALTCRAFT_URL": platform.url}) as running,
    ):
        assert running.stdout is not None
        running.stdout.readline()
        running.stdout.close()
        assert running.wait(30) == 141


@pytest.mark.slow
@pytest.mark.parametrize("json_", [(), ("--json",)])
def test_a_reader_that_goes_away_ends_the_program_quietly(json_: tuple[str, ...]) -> None:
    with serving(STARTED, RUNNING) as platform:
        if not json_:
            platform.script[:] = [STARTED, completed(SEGMENT)]
        reading, writing = os.pipe()
        os.close(reading)
        with os.fdopen(writing, "wb") as stdout:
            ended = subprocess.run(
                [*COMMAND, *REFRESH, *json_],
                env=environment(ALTCRAFT_URL=platform.url),
                stdout=stdout,
                stderr=subprocess.PIPE,
                timeout=60,
                check=False,
            )
    assert (ended.returncode, ended.stderr) == (141, b"")


def test_a_reader_that_goes_away_during_the_wait_ends_it() -> None:
    with (
        serving(STARTED, RUNNING) as platform,
        started(*REFRESH, "--json", env={"ALTCRAFT_URL": platform.url}) as running,
    ):
        assert running.stdout is not None
        assert running.stderr is not None
        running.stdout.readline()
        running.stdout.close()
        assert running.wait(30) == 141
        assert running.stderr.read() == ""


@pytest.mark.slow
@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no device that is always full")
def test_output_that_cannot_be_written_is_1_in_one_line() -> None:
    with serving(STARTED, completed(SEGMENT)) as platform, open("/dev/full", "wb") as full:
        ended = subprocess.run(
            [*COMMAND, *REFRESH],
            env=environment(ALTCRAFT_URL=platform.url),
            stdout=full,
            stderr=subprocess.PIPE,
            timeout=60,
            check=False,
        )
    assert ended.returncode == 1
    assert ended.stderr.startswith(b"altcraft: the output cannot be written")
    assert ended.stderr.count(b"\n") == 1


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="POSIX descriptors")
def test_closed_streams_do_no_harm() -> None:
    with serving(STARTED, completed(SEGMENT)) as platform:
        command = " ".join([*COMMAND, *REFRESH, ">&-", "2>&-"])
        assert (
            subprocess.run(["sh", "-c", command], env=environment(ALTCRAFT_URL=platform.url), check=False).returncode
            == 0
        )


def test_a_platform_that_does_not_answer_is_1_after_the_request_timeout(command) -> None:
    with serving(STARTED, hold=threading.Event()) as platform:
        ran = command(*REFRESH, "--request-timeout", "100ms", ALTCRAFT_URL=platform.url)
    assert ran.code == 1
    assert "may or may not have been started" in ran.err


def test_a_closed_port_is_1_in_one_line(command) -> None:
    ran = command("tasks", "status", "a", "--url", "http://127.0.0.1:9", "--json", "--retries", "0")
    (line,) = ran.lines
    assert (ran.code, ran.err, line["error"], line["host"]) == (1, "", "ConnectError", "127.0.0.1:9")


def test_a_page_of_a_proxy_is_1_and_no_traceback(command) -> None:
    with serving(HTML) as platform:
        ran = command("segments", "counters", "7", "--resource", "24", "--retries", "0", ALTCRAFT_URL=platform.url)
    assert ran.code == 1
    assert "Bad gateway" in ran.err
    assert "Traceback" not in ran.err


def test_the_sandbox_is_a_platform_like_any_other(command) -> None:
    ran = command("databases", "counters", "5", "--resource", "24", "--url", "sandbox:", "--json")
    assert (ran.code, ran.err) == (0, "")
    assert ran.lines[0]["result"]


# ------------------------------------------------------------------------------------- starting


@pytest.mark.parametrize("missing", ["click", "rich"])
def test_without_its_libraries_it_says_in_one_line_what_to_install(missing: str) -> None:
    code = (
        f"import sys; sys.modules[{missing!r}] = None; sys.argv = ['altcraft', 'demo', '--json']\n"
        "from altcraft_plugins.cli import main; sys.exit(main())"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code], env=environment(), capture_output=True, check=False, timeout=60
    )
    assert (ended.returncode, ended.stdout) == (2, b"")
    assert ended.stderr == b"altcraft: the command line needs the packages click and rich: pip install click rich\n"


@pytest.mark.parametrize(
    "args", [["--help"], ["--version"], ["segments", "refresh", "--help"], ["sandbox", "serve", "-h"], ["refresh"]]
)
def test_help_and_version_draw_in_no_more_than_click(args: list[str]) -> None:
    code = (
        "import sys\nfrom altcraft_plugins.cli import main\n"
        f"code = main({args!r})\n"
        "heavy = {'rich', 'altcraft_plugins.sandbox', 'urllib3', 'ssl', 'sqlite3', 'altcraft.client'}\n"
        "heavy &= set(sys.modules)\n"
        "sys.stderr.write(f'{code} {sorted(heavy)}')"
    )
    ended = subprocess.run([sys.executable, "-c", code], env=environment(), capture_output=True, check=True, timeout=60)
    expected = 2 if args == ["refresh"] else 0
    assert ended.stderr.decode().splitlines()[-1].endswith(f"{expected} []")


@pytest.mark.slow
def test_json_draws_in_no_rich() -> None:
    code = (
        "import sys\nfrom altcraft_plugins.cli import main\n"
        "main(['demo', '--json', '--timeout', '0'])\nsys.stderr.write(str('rich' in sys.modules))"
    )
    ended = subprocess.run([sys.executable, "-c", code], env=environment(), capture_output=True, check=True, timeout=60)
    assert ended.stderr == b"False"


def test_the_version_is_the_distribution_s(command) -> None:
    assert command("--version") == (0, f"altcraft {version('altcraft-client')}\n", "")
