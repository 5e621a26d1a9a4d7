"""`altcraft demo` needs nothing: a segment over JSON, a database over XML, and how to do it in Python."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from altcraft_plugins.cli.app import run
from altcraft_plugins.cli.commands.demo import SNIPPET
from altcraft_plugins.cli.connection import Connection, make_client
from plugins.cli.running import TOKEN, environment, process


def at_once(connection: Connection):
    """The client that is asked for, in a sandbox that takes no time."""
    return make_client(msgspec.structs.replace(connection, url="sandbox:?profiles=1&pace=0"))


def test_the_demo_recounts_a_segment_and_a_database(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["demo"], connect=at_once) == 0
    said = capsys.readouterr()
    assert said.err == ""
    for fact in ("segment 7 over JSON", "database 5 over XML", "209", "1336", "925", "411", SNIPPET):
        assert fact in said.out
    assert max(map(len, said.out.splitlines())) <= 80


def test_the_demo_prints_json_lines_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["demo", "--json"], connect=at_once) == 0
    said = capsys.readouterr()
    assert said.err == ""
    lines = [json.loads(line) for line in said.out.splitlines()]
    results = [line for line in lines if line["event"] == "result"]
    assert [line["operation"] for line in results] == ["segments/refresh_counters", "databases/refresh_counters"]
    assert results[1]["result"][0]["total_count"] == 1336


def test_the_demo_prints_rows_and_its_prose_elsewhere(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["demo", "--csv", "-vv"], connect=at_once) == 0
    said = capsys.readouterr()
    assert {row["segment_id"] for row in csv.DictReader(said.out.splitlines())} == {"7", ""}
    assert "Three lines" in said.err
    assert "databases/refresh_counters: HTTP 200" in said.err


@pytest.mark.slow
def test_the_demo_heeds_no_variable_and_needs_no_directory_to_write_to(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    ran = process("demo", env={"ALTCRAFT_URL": "https://127.0.0.1:9", "ALTCRAFT_TOKEN": TOKEN}, cwd=tmp_path)
    assert (ran.code, ran.err) == (0, "")
    assert list(tmp_path.iterdir()) == []


def test_a_demo_that_takes_too_long_is_3(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["demo", "--timeout", "0"]) == 3
    assert "Three lines" not in capsys.readouterr().out


@pytest.mark.slow
def test_the_three_lines_of_python_do_the_same(tmp_path: Path) -> None:
    assert len(SNIPPET.splitlines()) == 3
    ran = subprocess.run(
        [sys.executable, "-c", f"from altcraft import Client\n{SNIPPET}"],
        env=environment(),
        cwd=tmp_path,
        capture_output=True,
        timeout=60,
        check=True,
    )
    segment, database = ran.stdout.decode().splitlines()
    assert "SegmentStatistics" in segment
    assert "209" in segment
    assert "DatabaseStatistics" in database
    assert "1336" in database
