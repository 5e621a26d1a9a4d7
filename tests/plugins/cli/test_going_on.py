"""The way back to a task: "go on with" repeats what leads to the same installation, and is offered where it works."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from altcraft_plugins.cli.app import run
from plugins.cli.running import REFRESH, RUNNING, STARTED, Ran, Terminal

CONNECTION = (
    "--url", "https://other.example/a b", "--codec", "xml", "--auth", "bearer", "--transport", "http_client",
    "--ca-file", "/etc/our certificates.pem", "--request-timeout", "2.5", "--plugin", "acme.audit",
    "--plugin", "acme.log", "--entry-points", "--retries", "7", "--poll-maximum", "1m",
)  # fmt: skip


def command_of(ran: Ran) -> list[str]:
    """The words of the command that is recommended."""
    return shlex.split(ran.err.partition("go on with: ")[2])


def late(altcraft: Terminal, *args: str) -> Ran:
    ran = altcraft(*REFRESH, *args, "--timeout", "1m", script=[STARTED, RUNNING], repeat=True)
    assert ran.code == 3
    return ran


def test_nothing_is_repeated_that_was_not_typed(altcraft: Terminal, monkeypatch) -> None:
    monkeypatch.setenv("ALTCRAFT_CODEC", "xml")
    ran = late(altcraft)
    assert command_of(ran) == ["altcraft", "tasks", "wait", ran.out.strip()]


@pytest.mark.parametrize("place", ["before", "after"])
def test_the_options_for_the_connection_are_repeated_and_mean_the_same(altcraft: Terminal, place: str) -> None:
    args = (*CONNECTION, *REFRESH) if place == "before" else (*REFRESH, *CONNECTION)
    ran = altcraft(*args, "--timeout", "1m", script=[STARTED, RUNNING], repeat=True)
    assert ran.code == 3
    again = command_of(ran)
    assert again[:3] == ["altcraft", "tasks", "wait"]
    assert "--timeout" not in again
    assert altcraft(*again[1:], "--timeout", "0", script=[RUNNING]).code == 3
    first, second = altcraft.connections
    assert first == second


def test_the_password_of_a_proxy_is_not_repeated(altcraft: Terminal) -> None:
    ran = late(altcraft, "--proxy", "http://me:hunter2@proxy.example:3128")
    assert "hunter2" not in ran.out + ran.err
    assert "http://me:***@proxy.example:3128" in command_of(ran)


@pytest.mark.parametrize("json", [(), ("--json",)])
@pytest.mark.parametrize("settings", ["", "tokens=sandbox,db=&"])
@pytest.mark.parametrize("scheme", ["sandbox", "SANDBOX"])
def test_an_embedded_sandbox_that_has_ended_leaves_no_way_back(
    capsys, scheme: str, settings: str, json: tuple[str, ...]
) -> None:
    url = f"{scheme}:?{settings}profiles=1&pace=60"
    assert run(["--url", url, *json, "databases", "refresh", "5", "--resource", "24", "--timeout", "0"]) == 3
    out, err = capsys.readouterr()
    assert "go on with" not in err
    assert "resume_token" not in out.splitlines()[-1] if json else out == ""


def test_one_that_keeps_a_file_leaves_a_way_back_that_works(capsys, tmp_path: Path) -> None:
    kept = tmp_path / "kept.sqlite3"
    slow, quick = f"sandbox:?profiles=1&pace=60&db={kept}", f"sandbox:?profiles=1&pace=0&db={kept}"
    assert run(["--url", slow, "databases", "refresh", "5", "--resource", "24", "--timeout", "0"]) == 3
    out, err = capsys.readouterr()
    again = shlex.split(err.partition("go on with: ")[2])
    assert again == ["altcraft", "tasks", "wait", "--url", slow, out.strip()]
    assert run([quick if word == slow else word for word in again[1:]]) == 0


def test_no_wait_in_an_embedded_sandbox_says_that_the_task_ends_with_it(capsys) -> None:
    assert run(["--url", "sandbox:", "databases", "refresh", "5", "--resource", "24", "--no-wait"]) == 0
    assert "the task ends with this command" in capsys.readouterr().err
