"""`altcraft run` as a process: killed, interrupted, and by the unit of the documentation."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from altcraft_plugins.sandbox import FaultPlan, serve
from altcraft_plugins.sandbox.faults import Latency
from plugins.cli.plan_kills import command, environment, populate, submitted, write_plan

ROOT = Path(__file__).resolve().parents[3]
PAGE = ROOT / "docs" / "how-to" / "morning-report.md"


@pytest.mark.slow
def test_a_killed_run_goes_on_every_recount_is_made_once_and_the_table_is_right() -> None:
    words = ["--recounts", "60", "--kills", "3", "--pace", "0.5..3", "--seed", "7"]
    line = [sys.executable, "-m", "tests.plugins.cli.plan_kills", *words]
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "doubled\t0" in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_an_interrupted_run_says_how_to_go_on_and_does(tmp_path: Path, number: signal.Signals, code: int) -> None:
    with serve(port=0, profiles=50, pace=4.0, tokens=["demo"]) as server:
        populate(server, 10)
        plan = write_plan(tmp_path, server, 10)
        line = command("run", str(plan))
        with subprocess.Popen(line, env=environment(""), stdout=-1, stderr=-1, text=True) as running:
            while submitted(server) < 10:
                assert running.poll() is None
                time.sleep(0.01)
            time.sleep(0.3)
            running.send_signal(number)
            out, err = running.communicate(timeout=60)
        assert running.returncode == code
        assert out == ""
        assert f"go on with: altcraft run {plan}" in err
        done = subprocess.run(line, env=environment(""), capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr
        assert "10 of 10 recounts are submitted" in done.stderr
        assert submitted(server) == 10


@pytest.mark.slow
def test_a_submission_that_is_under_way_at_ctrl_c_gets_its_answer(tmp_path: Path) -> None:
    slow = FaultPlan((Latency(seconds=0.4, operations=("segments/refresh_counters",)),))
    with serve(port=0, profiles=50, pace=0.5, tokens=["demo"], faults=slow) as server:
        populate(server, 6)
        line = command("run", str(write_plan(tmp_path, server, 6)))
        for begun in (1, 3):
            with subprocess.Popen(line, env=environment(""), stdout=-3, stderr=-3) as running:
                while submitted(server) < begun:
                    assert running.poll() is None
                    time.sleep(0.01)
                time.sleep(0.1)  # the next one is under way
                running.send_signal(signal.SIGINT)
        done = subprocess.run(line, env=environment(""), capture_output=True, text=True, timeout=120, check=False)
        assert (done.returncode, submitted(server)) == (0, 6), done.stderr


@pytest.mark.slow
def test_a_connection_that_listens_takes_the_platforms_word_that_a_recount_is_done(tmp_path: Path) -> None:
    plan = tmp_path / "plan.toml"
    recount = '[[section]]\nname = "A"\n[[section.recount]]\nname = "Members"\ndatabases = 5\nresource = 24\n'
    with serve(port=0, profiles=50, pace=1.0, tokens=["demo"]) as server:
        where = f'url = "{server.url}"\ntoken_env = "THE_TOKEN"\nlisten = "127.0.0.1:0"\n'
        plan.write_text(f"[connections.it]\n{where}{recount}", "utf-8")
        line = command("run", str(plan), "--poll-initial", "60s", "--poll-maximum", "60s", "-v")
        began = time.monotonic()
        done = subprocess.run(line, env=environment(""), capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert time.monotonic() - began < 50
    assert ["Members", "email", "925"] in [words.split()[:3] for words in done.stdout.splitlines()]


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd")
def test_the_unit_and_the_timer_of_the_documentation_are_verified_by_systemd(tmp_path: Path) -> None:
    blocks = re.findall(r"```ini\n# (\S+)\n(.*?)```", PAGE.read_text("utf-8"), flags=re.S)
    assert [name for name, _ in blocks] == ["altcraft-morning.service", "altcraft-morning.timer"]
    for name, unit in blocks:
        (tmp_path / name).write_text(unit.replace("/srv/altcraft/venv/bin/altcraft", sys.executable))
    checked = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *(str(tmp_path / name) for name, _ in blocks)],
        env={**os.environ, "SYSTEMD_UNIT_PATH": f"{tmp_path}:"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    ours = [line for line in (checked.stdout + checked.stderr).splitlines() if "altcraft" in line]
    assert (checked.returncode, ours) == (0, [])


@pytest.mark.parametrize(("columns", "encoding"), [(60, "utf-8"), pytest.param(120, "ascii", marks=pytest.mark.slow)])
def test_on_a_terminal_one_bar_counts_the_recounts_and_a_line_says_what_runs_now(
    tmp_path: Path, columns: int, encoding: str
) -> None:
    pytest.importorskip("pty", reason="no pseudo-terminals here")
    from plugins.cli.test_terminal import on_a_terminal, visible

    with serve(port=0, profiles=50, pace=0.3, tokens=["demo"]) as server:
        populate(server, 6)
        plan = write_plan(tmp_path, server, 6)
        words = ("run", str(plan), "--poll-initial", "200ms")
        code, written = on_a_terminal(*words, columns=columns, THE_TOKEN="demo", PYTHONIOENCODING=encoding)
    assert code == 0
    lines = visible(written)
    assert any("0/6" in line for line in lines)
    assert any(line.startswith("now: Part ") for line in lines)
    assert any(line.split()[:4] == ["Part", "0", "email", "2"] for line in lines)
    assert any(line.startswith("6 of 6 recounts done in") for line in lines)
    assert max(map(len, lines)) <= columns
    assert written.isascii() == (encoding == "ascii")
