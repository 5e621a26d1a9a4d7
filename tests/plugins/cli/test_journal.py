"""`--journal`, `altcraft tasks list` and `altcraft tasks wait --all`, as real processes over a served sandbox."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from altcraft_plugins.sandbox import SandboxServer, serve

PATIENCE = 120.0


@pytest.fixture
def server() -> Iterator[SandboxServer]:
    with serve(port=0, profiles=50, pace=8.0, tokens=["demo"]) as served:
        yield served


def command(server: SandboxServer, *words: str) -> tuple[list[str], dict[str, str]]:
    environment = {**os.environ, "ALTCRAFT_URL": server.url, "ALTCRAFT_TOKEN": "demo"}
    return [sys.executable, "-m", "altcraft_plugins.cli", *words], environment


def run(server: SandboxServer, *words: str) -> subprocess.CompletedProcess[str]:
    line, environment = command(server, *words)
    return subprocess.run(line, env=environment, capture_output=True, text=True, timeout=PATIENCE, check=False)


def entries(server: SandboxServer, journal: Path) -> list[dict[str, object]]:
    listed = run(server, "tasks", "list", "--json", "--journal", str(journal))
    assert listed.returncode == 0, listed.stderr
    return [json.loads(line) for line in listed.stdout.splitlines()]


@pytest.mark.slow
def test_a_killed_command_is_gone_on_with_by_wait_all(server: SandboxServer, tmp_path: Path) -> None:
    journal = tmp_path / "tasks.journal"
    line, environment = command(server, "databases", "refresh", "5", "--resource-id", "24", "--journal", str(journal))
    with subprocess.Popen(line, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as killed:
        until = time.monotonic() + PATIENCE
        while not any(entry["state"] == "running" for entry in (entries(server, journal) if journal.exists() else [])):
            assert time.monotonic() < until
        killed.send_signal(signal.SIGKILL)
    (entry,) = entries(server, journal)
    assert (entry["state"], entry["is_owned"]) == ("running", False)

    waited = run(server, "tasks", "wait", "--all", "--json", "--journal", str(journal))
    assert waited.returncode == 0, waited.stderr
    (result,) = [line for line in map(json.loads, waited.stdout.splitlines()) if line["event"] == "result"]
    assert result["task_id"] == entry["task_id"]
    (entry,) = entries(server, journal)
    assert (entry["state"], entry["is_acknowledged"]) == ("completed", True)
    assert sum(server.sandbox.submissions().values()) == 1


def test_a_list_needs_a_journal(server: SandboxServer) -> None:
    listed = run(server, "tasks", "list")
    assert listed.returncode == 2
    assert "ALTCRAFT_JOURNAL" in listed.stderr


def test_a_journal_that_cannot_be_opened_ends_the_command_before_it_submits(
    server: SandboxServer, tmp_path: Path
) -> None:
    refused = run(
        server, "databases", "refresh", "5", "--resource-id", "24", "--journal", str(tmp_path / "none" / "journal")
    )
    assert refused.returncode == 1
    assert "Traceback" not in refused.stderr
    assert "journal" in refused.stderr
    assert not server.sandbox.submissions()


@pytest.mark.parametrize("words", [("tasks", "wait"), ("tasks", "wait", "--all", "t-1"), ("tasks", "wait", "--all")])
def test_wait_takes_ids_or_all_with_a_journal(server: SandboxServer, words: tuple[str, ...]) -> None:
    assert run(server, *words).returncode == 2
