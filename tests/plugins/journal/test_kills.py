"""Real kill -9 at random instants: no known task is lost, and every submission without an id is in doubt."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.slow
def test_killed_processes_lose_no_task_and_leave_no_submission_unexplained() -> None:
    command = [sys.executable, "-m", "tests.plugins.journal.kills", "--kills", "60", "--seed", "7"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    steps = dict(re.findall(r"^killed, (.+?) +(\d+)$", done.stdout, re.MULTILINE))
    assert len(steps) == 12
    assert "0" not in steps.values(), done.stdout


@pytest.mark.slow
def test_of_two_processes_with_one_journal_the_living_one_finishes_everything_once() -> None:
    command = [sys.executable, "-m", "tests.plugins.journal.two_processes", "--rounds", "5", "--seed", "7"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
