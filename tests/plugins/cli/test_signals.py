"""SIGINT, SIGTERM and SIGHUP end a command once: with its exit code, and with the resume token of every task."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from altcraft.testing import reply
from altcraft_plugins.cli.app import run
from plugins.cli.platform import serving
from plugins.cli.running import (
    COMMAND,
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
    task_of,
)

pytestmark = pytest.mark.skipif(os.name == "nt", reason="POSIX signals")

SIGNALS = [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]


def ended(
    *args: str,
    env: dict[str, str],
    after: threading.Event | threading.Semaphore,
    by: tuple[signal.Signals, ...] = (signal.SIGINT,),
) -> Ran:
    """Runs a command until the platform has been asked, and sends it the signals."""
    with started(*args, env=env) as running:
        if isinstance(after, threading.Event):
            assert after.wait(30)
        else:
            assert all(after.acquire(timeout=30) for _ in range(2))  # the submission and the first poll
        for number in by:
            running.send_signal(number)
        out, err = running.communicate(timeout=30)
    return Ran(running.returncode, out, err)


# ------------------------------------------------------------------------------------- in this process


@pytest.mark.parametrize(("number", "code"), SIGNALS)
def test_a_signal_during_the_wait_prints_the_token_and_is_its_exit_code(altcraft, number, code) -> None:
    def poll(request):
        os.kill(os.getpid(), number)
        return RUNNING

    ran = altcraft(*REFRESH, script=[STARTED, poll])
    assert ran.code == code
    cause = "interrupted" if number == signal.SIGINT else f"ended by {signal.Signals(number).name}"
    assert f"altcraft: {cause}; the task goes on" in ran.err
    assert task_of(ran.out) == TASK_ID


@pytest.mark.parametrize(("number", "code"), SIGNALS)
def test_the_handlers_are_those_from_before_when_the_command_has_ended(altcraft, number, code) -> None:
    before = {each: signal.getsignal(each) for each, _ in SIGNALS}

    def poll(request):
        assert signal.getsignal(number) is not before[number]
        os.kill(os.getpid(), number)

    assert altcraft(*REFRESH, script=[STARTED, poll]).code == code
    assert altcraft(*REFRESH, script=[STARTED, completed(SEGMENT)]).code == 0
    assert {each: signal.getsignal(each) for each, _ in SIGNALS} == before


def test_a_signal_that_was_ignored_stays_ignored(altcraft) -> None:
    """As under nohup, which has SIGHUP ignored."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:

        def poll(request):
            os.kill(os.getpid(), signal.SIGHUP)
            return completed(SEGMENT)

        assert altcraft(*REFRESH, script=[STARTED, poll]).code == 0
    finally:
        signal.signal(signal.SIGHUP, before)


def test_outside_the_main_thread_a_command_leaves_signals_alone(altcraft) -> None:
    codes = []
    thread = threading.Thread(
        target=lambda: codes.append(altcraft(*REFRESH, script=[STARTED, completed(SEGMENT)]).code)
    )
    before = signal.getsignal(signal.SIGTERM)
    thread.start()
    thread.join(30)
    assert (codes, signal.getsignal(signal.SIGTERM)) == ([0], before)


@pytest.mark.parametrize(("number", "code"), SIGNALS)
def test_a_signal_during_the_submission_says_that_the_task_may_run(altcraft, number, code) -> None:
    ran = altcraft(*REFRESH, script=[lambda request: os.kill(os.getpid(), number)])
    assert (ran.code, ran.out) == (code, "")
    assert "while submitting" in ran.err
    assert "may or may not have been started" in ran.err


def test_a_signal_in_an_embedded_sandbox_says_that_the_task_ends_with_it(capsys, monkeypatch) -> None:
    from altcraft import Client, hookimpl
    from altcraft_plugins.cli.connection import make_client

    class Killer:
        @hookimpl
        def altcraft_task_progress(self, task: object, status: object) -> None:
            timer.start()

    def connect(connection) -> Client:
        client = make_client(connection)
        client.hooks.register(Killer())
        return client

    timer = threading.Timer(0.05, lambda: os.kill(os.getpid(), signal.SIGTERM))
    assert run(["--url", "sandbox:?pace=60", "databases", "refresh", "5", "--resource", "24"], connect=connect) == 143
    timer.join()
    out, err = capsys.readouterr()
    assert (out, err) == ("", "altcraft: ended by SIGTERM; the task ends with the sandbox of this process\n")


# ------------------------------------------------------------------------------------- as processes


@pytest.mark.parametrize(
    ("by", "code"),
    [
        ((signal.SIGTERM,), 143),
        pytest.param((signal.SIGINT,), 130, marks=pytest.mark.slow),
        pytest.param((signal.SIGHUP,), 129, marks=pytest.mark.slow),
        pytest.param((signal.SIGINT,) * 3, 130, marks=pytest.mark.slow),
        pytest.param((signal.SIGTERM, signal.SIGTERM), 143, marks=pytest.mark.slow),
        pytest.param((signal.SIGHUP, signal.SIGHUP), 129, marks=pytest.mark.slow),
    ],
)
def test_a_process_ends_with_the_code_of_its_signal_and_a_token_that_goes_on(by, code) -> None:
    with serving(STARTED, RUNNING) as platform:
        env = {"ALTCRAFT_URL": platform.url, "ALTCRAFT_TOKEN": TOKEN}
        ran = ended(*REFRESH, env=env, after=platform.polls, by=by)
        assert ran.code == code
        assert "the task goes on" in ran.err
        assert "Traceback" not in ran.err
        token = ran.out.strip()
        platform.script[:] = [completed(SEGMENT)]
        assert process("tasks", "wait", token, env=env).code == 0


def is_pending(process: int, number: int) -> bool:
    """Whether a signal has not reached a process yet, as Linux tells; False on a system that does not."""
    try:
        status = Path(f"/proc/{process}/status").read_text()
    except OSError:
        return False
    masks: list[str] = re.findall(r"^(?:Shd|Sig)Pnd:\s*([0-9a-f]+)$", status, re.MULTILINE)
    return any(int(mask, 16) >> (number - 1) & 1 for mask in masks)


@pytest.mark.slow
@pytest.mark.parametrize("first", [number for number, _ in SIGNALS])
@pytest.mark.parametrize("second", [number for number, _ in SIGNALS])
def test_of_two_signals_the_first_decides(first, second) -> None:
    with serving(STARTED, RUNNING) as platform, started(*REFRESH, env={"ALTCRAFT_URL": platform.url}) as running:
        assert all(platform.polls.acquire(timeout=30) for _ in range(2))
        running.send_signal(first)
        while is_pending(running.pid, first):
            time.sleep(0.001)  # two signals that wait together come in the order of their numbers
        time.sleep(0.01)  # for Python's handler, which follows the system's
        for _ in range(20):
            running.send_signal(second)
            time.sleep(0.005)
        out, err = running.communicate(timeout=30)
    assert running.returncode == dict(SIGNALS)[first]
    assert task_of(out) == TASK_ID
    assert "Traceback" not in err


@pytest.mark.slow
def test_a_second_signal_does_not_take_the_exit_code_away_at_the_very_end() -> None:
    program = (
        "import os, signal, sys\n"
        "from altcraft_plugins.cli.app import run\n"
        "def connect(*_, **__): os.kill(os.getpid(), signal.SIGINT)\n"
        "code = run(['segments', 'refresh', '7', '--resource', '24'], connect=connect, is_last=True)\n"
        "os.kill(os.getpid(), signal.SIGTERM)\n"
        "os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.exit(code)\n"
    )
    env = environment() | {"ALTCRAFT_URL": "https://your.host", "ALTCRAFT_TOKEN": TOKEN}
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, "Traceback" in done.stderr) == (130, False)


@pytest.mark.slow
def test_with_json_the_token_is_in_a_line() -> None:
    with serving(STARTED, RUNNING) as platform:
        env = {"ALTCRAFT_URL": platform.url}
        ran = ended(*REFRESH, "--json", env=env, after=platform.polls, by=(signal.SIGTERM,))
    assert (ran.code, ran.err) == (143, "")
    line = ran.lines[-1]
    assert (line["error"], line["exit_code"], line["task_id"]) == ("Interrupted", 143, TASK_ID)
    assert task_of(str(line["resume_token"])) == TASK_ID


@pytest.mark.slow
def test_one_of_several_is_shown_when_it_is_done_and_a_signal_leaves_a_token_for_each_of_the_others() -> None:
    with (
        serving(lambda body: completed(SEGMENT) if b'"b"' in body else RUNNING) as platform,
        started("tasks", "wait", "a", "b", "c", env={"ALTCRAFT_URL": platform.url}) as running,
    ):
        assert running.stdout is not None
        while "email" not in (line := running.stdout.readline()):
            assert line
        time.sleep(0.3)  # for what stands below the table
        running.send_signal(signal.SIGTERM)
        out, _ = running.communicate(timeout=30)
    assert running.returncode == 143
    assert [task_of(line) for line in out.splitlines() if line.startswith("at2_")] == ["a", "c"]


@pytest.mark.slow
def test_a_signal_ends_the_wait_for_several_although_an_exchange_hangs() -> None:
    with serving(RUNNING, hold=threading.Event()) as platform:
        began = time.monotonic()
        env = {"ALTCRAFT_URL": platform.url}
        ran = ended("tasks", "wait", "a", "b", env=env, after=platform.asked, by=(signal.SIGTERM,))
        took = time.monotonic() - began
    assert (ran.code, took < 8) == (143, True)
    assert "Traceback" not in ran.err
    assert [task_of(line) for line in ran.out.splitlines()] == ["a", "b"]


@pytest.mark.slow
@pytest.mark.parametrize("json_", [(), ("--json",)])
def test_a_process_that_is_ended_during_the_submission_says_that_the_task_may_run(json_: tuple[str, ...]) -> None:
    with serving(STARTED, hold=threading.Event()) as platform:
        ran = ended(*REFRESH, *json_, env={"ALTCRAFT_URL": platform.url}, after=platform.asked)
    assert ran.code == 130
    assert "may or may not have been started" in (ran.out if json_ else ran.err)
    assert "Traceback" not in ran.err


@pytest.mark.slow
def test_a_signal_among_many_submissions_leaves_a_token_for_each_that_was_answered() -> None:
    hold = threading.Event()

    def answer(body: bytes):
        number = json.loads(body)["id"]
        if number > 3:
            hold.wait(30)
        return reply({"task_id": f"t{number}"})

    args = ("databases", "refresh", "1", "2", "3", "4", "5", "--resource", "24", "--no-wait")
    with serving(answer) as platform, started(*args, env={"ALTCRAFT_URL": platform.url}) as running:
        assert all(platform.polls.acquire(timeout=30) for _ in range(3))
        time.sleep(0.3)  # for the replies to arrive
        running.send_signal(signal.SIGTERM)
        out, err = running.communicate(timeout=30)
        hold.set()
    assert running.returncode == 143
    assert sorted(task_of(line) for line in out.splitlines()) == ["t1", "t2", "t3"]
    assert "each task of database 4, database 5 may or may not have been started" in err


@pytest.mark.slow
def test_a_signal_during_a_plain_request_needs_no_more_words() -> None:
    with serving(STARTED, hold=threading.Event()) as platform:
        env = {"ALTCRAFT_URL": platform.url}
        ran = ended("tasks", "status", "a", env=env, after=platform.asked, by=(signal.SIGHUP,))
    assert ran == (129, "", "altcraft: ended by SIGHUP\n")


@pytest.mark.slow
def test_a_terminal_that_is_closed_does_not_change_the_exit_code() -> None:
    """Nothing can be written any more: neither the token nor the reason."""
    pty = pytest.importorskip("pty")
    with serving(STARTED, RUNNING) as platform:
        screen, inner = pty.openpty()
        running = subprocess.Popen(
            [*COMMAND, *REFRESH],
            stdin=inner,
            stdout=inner,
            stderr=inner,
            env=environment(ALTCRAFT_URL=platform.url, TERM="xterm"),
            start_new_session=True,
        )
        os.close(inner)
        assert all(platform.polls.acquire(timeout=30) for _ in range(2))
        running.send_signal(signal.SIGHUP)
        os.close(screen)
        assert running.wait(30) == 129
