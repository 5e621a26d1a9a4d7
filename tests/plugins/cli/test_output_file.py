"""`-o FILE`: the results, whole or not at all."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from altcraft.testing import reply
from plugins.cli.running import DATABASE, EMAIL, FAILED, REFRESH, RUNNING, SEGMENT, STARTED, completed, task_of

COUNTERS = ("segments", "counters", "7", "--resource", "24")


def test_the_results_go_into_the_file_and_nothing_else_does(altcraft, tmp_path: Path) -> None:
    path = tmp_path / "counters.txt"
    ran = altcraft(*COUNTERS, "-o", str(path), script=[reply([EMAIL])])
    assert ran == (0, "", "")
    assert "209" in path.read_text("utf-8")
    assert os.listdir(tmp_path) == ["counters.txt"]


def test_of_json_lines_only_the_results_go_there(altcraft, tmp_path: Path) -> None:
    path = tmp_path / "lines"
    ran = altcraft(*REFRESH, "--json", "--output", str(path), script=[STARTED, RUNNING, completed(SEGMENT)])
    assert (ran.code, ran.events) == (0, ["submitted", "progress", "progress"])
    (line,) = path.read_text().splitlines()
    assert json.loads(line)["event"] == "result"


def test_the_resume_token_of_a_late_task_is_on_stdout_all_the_same(altcraft, tmp_path: Path) -> None:
    ran = altcraft(*REFRESH, "-o", str(tmp_path / "x"), "--timeout", "1", script=[STARTED, RUNNING], repeat=True)
    assert ran.code == 3
    assert task_of(ran.out)


@pytest.mark.parametrize("script", [[STARTED, FAILED], [reply(error=400, error_text="no", status=400)]])
def test_without_a_result_the_file_stays_as_it_was(altcraft, tmp_path: Path, script: list[object]) -> None:
    path = tmp_path / "kept"
    path.write_text("yesterday's")
    assert altcraft(*REFRESH, "-o", str(path), script=script).code == 1
    assert path.read_text() == "yesterday's"
    assert os.listdir(tmp_path) == ["kept"]


def test_the_file_changes_at_the_end_and_not_before(altcraft, tmp_path: Path) -> None:
    path = tmp_path / "numbers"
    path.write_text("yesterday's")
    seen = []

    def second(request):
        seen.append(path.read_text())
        return reply([EMAIL])

    ran = altcraft(
        "segments", "counters", "7", "8", "--resource", "24", "-o", str(path), script=[reply([EMAIL]), second]
    )
    assert (ran.code, seen) == (0, ["yesterday's"])
    assert path.read_text().count("Segment ") == 2


@pytest.mark.skipif(os.name == "nt", reason="POSIX modes")
def test_the_file_has_the_mode_of_the_one_it_replaces_or_the_usual_one(altcraft, tmp_path: Path) -> None:
    old, new, usual = tmp_path / "old", tmp_path / "new", tmp_path / "usual"
    old.write_text("x")
    old.chmod(0o640)
    usual.write_text("x")
    for path in (old, new):
        assert altcraft(*COUNTERS, "-o", str(path), script=[reply([EMAIL])]).code == 0
    assert stat.S_IMODE(old.stat().st_mode) == 0o640
    assert new.stat().st_mode == usual.stat().st_mode


@pytest.mark.skipif(os.name == "nt", reason="POSIX links")
def test_a_link_stays_a_link_to_the_file_that_is_written(altcraft, tmp_path: Path) -> None:
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_text("x")
    link.symlink_to(target)
    assert altcraft(*COUNTERS, "-o", str(link), script=[reply([EMAIL])]).code == 0
    assert link.is_symlink()
    assert "209" in target.read_text("utf-8")


def test_a_dash_is_stdout(altcraft, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert "209" in altcraft(*COUNTERS, "-o", "-", script=[reply([EMAIL])]).out
    assert os.listdir(tmp_path) == []


@pytest.mark.skipif(not os.path.exists("/dev/fd"), reason="no devices")
def test_what_is_no_file_is_written_directly(altcraft) -> None:
    reading, writing = os.pipe()
    with os.fdopen(reading) as pipe:
        assert altcraft(*COUNTERS, "-o", f"/dev/fd/{writing}", script=[reply([EMAIL])]).code == 0
        os.close(writing)
        assert "209" in pipe.read()


def test_a_path_that_cannot_be_written_is_2_before_anything_is_sent(altcraft, tmp_path: Path) -> None:
    for path in (tmp_path / "no" / "such" / "folder", tmp_path):
        ran = altcraft(*REFRESH, "-o", str(path), script=[STARTED, completed(DATABASE)])
        assert (ran.code, ran.out) == (2, "")
        assert f"--output: {path} cannot be written" in ran.err
    assert altcraft.transports == []


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no device that is always full")
def test_a_full_disk_is_1_in_one_line(altcraft) -> None:
    ran = altcraft(*COUNTERS, "-o", "/dev/full", script=[reply([EMAIL])])
    assert (ran.code, ran.err) == (1, "altcraft: the output cannot be written: No space left on device\n")
