"""The program as a process: over a real socket, interrupted, cut off, without its libraries."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from altcraft import HttpResponse
from altcraft.testing import reply
from altcraft_plugins.cli.app import run
from plugins.cli.platform import Answer, serving
from plugins.cli.running import (
    COMMAND,
    DATABASE,
    REFRESH,
    RUNNING,
    SEGMENT,
    STARTED,
    TASK_ID,
    TOKEN,
    Ran,
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


def interrupted(*args: str, env: dict[str, str], after: threading.Event | threading.Semaphore, times: int = 1) -> Ran:
    """Runs a command until the platform has been asked, and sends Ctrl-C."""
    with started(*args, env=env) as running:
        if isinstance(after, threading.Event):
            assert after.wait(30)
        else:
            assert all(after.acquire(timeout=30) for _ in range(2))  # the submission and the first poll
        for _ in range(times):
            running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=30)
    return Ran(running.returncode, out, err)


@pytest.mark.parametrize("times", [1, 3])
def test_ctrl_c_during_the_wait_is_130_and_prints_a_token_that_goes_on(times: int) -> None:
    with serving(STARTED, RUNNING) as platform:
        env = {"ALTCRAFT_URL": platform.url, "ALTCRAFT_TOKEN": TOKEN}
        ran = interrupted(*REFRESH, env=env, after=platform.polls, times=times)
        assert ran.code == 130
        assert "interrupted; the task goes on" in ran.err
        assert "Traceback" not in ran.err
        token = ran.out.strip()
        platform.script[:] = [completed(SEGMENT)]
        assert process("tasks", "wait", token, env=env).code == 0


def test_ctrl_c_after_ctrl_c_does_not_take_the_exit_code_away_at_the_very_end() -> None:
    program = (
        "import os, signal, sys\n"
        "from altcraft_plugins.cli.app import run\n"
        "def connect(*_, **__): os.kill(os.getpid(), signal.SIGINT)\n"
        "code = run(['segments', 'refresh', '7', '--resource', '24'], connect=connect, is_last=True)\n"
        "os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.exit(code)\n"
    )
    env = environment() | {"ALTCRAFT_URL": "https://your.host", "ALTCRAFT_TOKEN": TOKEN}
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, "Traceback" in done.stderr) == (130, False)


def test_ctrl_c_during_the_wait_is_a_line_with_json() -> None:
    with serving(STARTED, RUNNING) as platform:
        ran = interrupted(*REFRESH, "--json", env={"ALTCRAFT_URL": platform.url}, after=platform.polls)
    assert (ran.code, ran.err) == (130, "")
    line = ran.lines[-1]
    assert (line["error"], line["exit_code"], line["task_id"]) == ("Interrupted", 130, TASK_ID)
    assert json.loads(str(line["resume_token"]))["task_id"] == TASK_ID


def test_one_of_several_is_shown_when_it_is_done_and_ctrl_c_leaves_a_token_for_each_of_the_others() -> None:
    with (
        serving(lambda body: completed(SEGMENT) if b'"b"' in body else RUNNING) as platform,
        started("tasks", "wait", "a", "b", "c", env={"ALTCRAFT_URL": platform.url}) as running,
    ):
        assert running.stdout is not None
        while "email" not in (line := running.stdout.readline()):
            assert line
        time.sleep(0.3)  # whatever stands below the table
        running.send_signal(signal.SIGINT)
        out, _ = running.communicate(timeout=30)
    assert running.returncode == 130
    assert [json.loads(line)["task_id"] for line in out.splitlines() if line.startswith("{")] == ["a", "c"]


def test_ctrl_c_ends_the_wait_for_several_although_an_exchange_hangs() -> None:
    with serving(RUNNING, hold=threading.Event()) as platform:
        began = time.monotonic()
        ran = interrupted("tasks", "wait", "a", "b", env={"ALTCRAFT_URL": platform.url}, after=platform.asked)
        took = time.monotonic() - began
    assert (ran.code, took < 8) == (130, True)
    assert "Traceback" not in ran.err
    assert [json.loads(line)["task_id"] for line in ran.out.splitlines()] == ["a", "b"]


def test_a_reader_that_goes_away_ends_the_wait_for_several() -> None:
    with (
        serving(RUNNING) as platform,
        started("tasks", "wait", "a", "b", "--json", env={"ALTCRAFT_URL": platform.url}) as running,
    ):
        assert running.stdout is not None
        running.stdout.readline()
        running.stdout.close()
        assert running.wait(30) == 141


@pytest.mark.parametrize("json_", [(), ("--json",)])
def test_ctrl_c_during_the_submission_is_130_and_says_that_the_task_may_run(json_: tuple[str, ...]) -> None:
    with serving(STARTED, hold=threading.Event()) as platform:
        ran = interrupted(*REFRESH, *json_, env={"ALTCRAFT_URL": platform.url}, after=platform.asked)
    assert ran.code == 130
    assert "may or may not have been started" in (ran.out if json_ else ran.err)
    assert "Traceback" not in ran.err


def test_ctrl_c_during_a_plain_request_is_130() -> None:
    with serving(STARTED, hold=threading.Event()) as platform:
        ran = interrupted("tasks", "status", "a", env={"ALTCRAFT_URL": platform.url}, after=platform.asked)
    assert ran == (130, "", "altcraft: interrupted\n")


def test_a_platform_that_does_not_answer_is_1_after_the_request_timeout() -> None:
    with serving(STARTED, hold=threading.Event()) as platform:
        ran = process("--url", platform.url, *REFRESH, "--request-timeout", "0.2")
    assert ran.code == 1
    assert "may or may not have been started" in ran.err


def test_nobody_listening_is_1_in_one_line() -> None:
    ran = process("tasks", "status", "a", "--url", "http://127.0.0.1:9", "--json")
    (line,) = ran.lines
    assert (ran.code, ran.err, line["error"], line["host"]) == (1, "", "ConnectError", "127.0.0.1:9")


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


@pytest.mark.skipif(os.name == "nt", reason="POSIX descriptors")
def test_closed_streams_do_no_harm() -> None:
    with serving(STARTED, completed(SEGMENT)) as platform:
        command = " ".join([*COMMAND, *REFRESH, ">&-", "2>&-"])
        assert (
            subprocess.run(["sh", "-c", command], env=environment(ALTCRAFT_URL=platform.url), check=False).returncode
            == 0
        )


def test_a_page_of_a_proxy_is_1_and_no_traceback() -> None:
    with serving(HTML) as platform:
        ran = process("--url", platform.url, "segments", "counters", "7", "--resource", "24", "--request-timeout", "5")
    assert ran.code == 1
    assert "Bad gateway" in ran.err
    assert "Traceback" not in ran.err


# ------------------------------------------------------------------------------------- the token


def echo(body: bytes) -> HttpResponse:
    return HttpResponse(500, {"Content-Type": "text/plain"}, body)


def echo_in_envelope(body: bytes) -> HttpResponse:
    return reply(error=403, error_text=f"not for {body.decode()}", status=403)


FAILING = [HTML, echo, echo_in_envelope, reply({}), HttpResponse(200, {}, b""), reply(error=401, error_text=TOKEN)]


@pytest.mark.parametrize("answer", FAILING)
def test_no_failure_shows_the_token_anywhere(answer: Answer) -> None:
    with serving(answer) as platform:
        env = {"ALTCRAFT_URL": platform.url, "ALTCRAFT_TOKEN": TOKEN, "PYTHONDEVMODE": "1"}
        ran = process(*REFRESH, env=env)
        assert TOKEN.encode() in platform.bodies[0]
    assert ran.code == 1
    assert TOKEN not in ran.out + ran.err
    assert "Traceback" not in ran.err


@pytest.mark.parametrize("auth", ["body", "bearer"])
@pytest.mark.parametrize("codec", ["json", "xml"])
@pytest.mark.parametrize("json_", [(), ("--json",)])
@pytest.mark.parametrize("answer", FAILING)
def test_no_failure_shows_the_token_in_any_format(
    answer: Answer,
    auth: str,
    codec: str,
    json_: tuple[str, ...],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv("ALTCRAFT_TOKEN", TOKEN)
    caplog.set_level("DEBUG")
    with serving(answer) as platform:
        assert run(["--url", platform.url, *REFRESH, "--auth", auth, "--codec", codec, *json_]) == 1
    assert TOKEN not in "".join(capfd.readouterr()) + caplog.text


@pytest.mark.parametrize(
    "args",
    [
        ("--token", TOKEN, *REFRESH),
        (f"--token={TOKEN}", *REFRESH),
        ("segments", "--token", TOKEN, *REFRESH[1:]),
        (*REFRESH, "--token", TOKEN),
        (*REFRESH, "--json", f"--token={TOKEN}"),
        ("demo", "--token", TOKEN),
        ("sandbox", "serve", "--token", TOKEN),
        (*REFRESH, f"--api-token={TOKEN}"),
        (*REFRESH, "-t", TOKEN),
        (*REFRESH, f"-t{TOKEN}"),
    ],
)
def test_a_token_that_is_typed_is_refused_and_not_repeated(args: tuple[str, ...]) -> None:
    ran = process(*args, env={"ALTCRAFT_URL": "https://127.0.0.1:9"})
    assert ran.code == 2
    assert TOKEN not in ran.out + ran.err
    if not any("-t" in arg.partition("token")[0].partition("--")[0] or "api" in arg for arg in args):
        assert "ALTCRAFT_TOKEN" in ran.out + ran.err


def test_a_token_in_the_wrong_place_is_masked() -> None:
    ran = process(*REFRESH, TOKEN, env={"ALTCRAFT_URL": "https://127.0.0.1:9", "ALTCRAFT_TOKEN": TOKEN})
    assert ran.code == 2
    assert "***" in ran.err
    assert TOKEN not in ran.err


@pytest.mark.parametrize(("token", "auth"), [("two words", "body"), ("a\tb", "bearer"), ("тайна", "bearer")])
def test_a_token_that_no_request_can_carry_is_2_and_not_shown(token: str, auth: str) -> None:
    ran = process(*REFRESH, "--auth", auth, env={"ALTCRAFT_URL": "https://127.0.0.1:9", "ALTCRAFT_TOKEN": token})
    assert ran.code == 2
    assert token not in ran.err


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


def test_json_draws_in_no_rich() -> None:
    code = (
        "import sys\nfrom altcraft_plugins.cli import main\n"
        "main(['demo', '--json', '--timeout', '0'])\nsys.stderr.write(str('rich' in sys.modules))"
    )
    ended = subprocess.run([sys.executable, "-c", code], env=environment(), capture_output=True, check=True, timeout=60)
    assert ended.stderr == b"False"


def test_the_version_is_the_distribution_s() -> None:
    from importlib.metadata import version

    assert process("--version") == (0, f"altcraft {version('altcraft-client')}\n", "")


def test_the_sandbox_is_a_platform_like_any_other() -> None:
    ran = process("databases", "counters", "5", "--resource", "24", "--url", "sandbox:", "--json")
    assert (ran.code, ran.err) == (0, "")
    assert ran.lines[0]["result"]


def test_a_shell_gets_its_completion() -> None:
    ran = process(env={"_ALTCRAFT_COMPLETE": "bash_source"})
    assert ran.code == 0
    assert "_altcraft_completion" in ran.out
