"""`altcraft sandbox serve`: the sandbox on a socket, for the command line and everybody else."""

from __future__ import annotations

import json
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from plugins.cli.running import process, started

OTHERS = (signal.SIGINT, signal.SIGHUP)


@contextmanager
def server(*args: str, end: int = signal.SIGINT) -> Iterator[str]:
    """Serves on a free port; the first line it prints. Ends as it should."""
    with started("sandbox", "serve", "--port", "0", "--pace", "0", *args, env={}) as running:
        assert running.stdout is not None
        yield running.stdout.readline()
        exports = [] if "--json" in args else [running.stdout.readline(), running.stdout.readline()]
        assert [line.partition("=")[0] for line in exports] == ["export ALTCRAFT_URL", "export ALTCRAFT_TOKEN"][
            : len(exports)
        ]
        running.send_signal(end)
        out, err = running.communicate(timeout=30)
    assert (running.returncode, out, err) == (0, "", "")


@pytest.mark.parametrize("end", [signal.SIGTERM, *(pytest.param(number, marks=pytest.mark.slow) for number in OTHERS)])
def test_the_command_line_recounts_in_a_served_sandbox(end: int) -> None:
    with server("--json", end=end) as line:
        told = json.loads(line)
        assert told["event"] == "serving"
        env = {"ALTCRAFT_URL": told["url"], "ALTCRAFT_TOKEN": "sandbox"}
        ran = process("segments", "refresh", "7", "--resource-id", "24", "--db-id", "1", env=env)
        assert (ran.code, ran.err) == (0, "")
        assert "209" in ran.out
        refused = process("segments", "refresh", "7", "--resource-id", "24", env={**env, "ALTCRAFT_TOKEN": "no"})
        assert refused.code == 1


@pytest.mark.slow
def test_it_says_where_it_is_and_keeps_its_file(tmp_path: Path) -> None:
    with server("--db", str(tmp_path / "kept.sqlite3"), "--profiles", "100") as line:
        assert "http://127.0.0.1:" in line
    assert (tmp_path / "kept.sqlite3").stat().st_size > 0


@pytest.mark.slow
def test_a_taken_port_is_1_in_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        ran = process("sandbox", "serve", "--port", port)
        assert (ran.code, ran.out) == (1, "")
        assert ran.err.startswith(f"altcraft: cannot listen on 127.0.0.1:{port}")
        assert ran.err.count("\n") == 1
        (line,) = process("sandbox", "serve", "--port", port, "--json").lines
        assert (line["event"], line["exit_code"]) == ("error", 1)


@pytest.mark.parametrize(
    "args", [("--port", "70000"), ("--profiles", "-1"), ("--pace", "slow"), ("--profiles", "9" * 12)]
)
def test_settings_that_make_no_sense_are_2(command, args: tuple[str, ...]) -> None:
    ran = command("sandbox", "serve", "--port", "0", *args)
    assert (ran.code, ran.out) == (2, "")
    assert "Traceback" not in ran.err


@pytest.mark.slow
def test_a_file_that_is_no_sandbox_s_is_refused_in_words(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("Dear all, " * 500)
    for db in (tmp_path / "letter.txt", tmp_path / "no" / "such" / "directory.sqlite3", tmp_path):
        ran = process("sandbox", "serve", "--port", "0", "--db", str(db))
        assert ran.code in (1, 2)
        assert ran.out == ""
        assert "Traceback" not in ran.err
