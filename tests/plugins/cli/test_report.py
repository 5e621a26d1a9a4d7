"""`altcraft report`: a page of the history."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from altcraft.schema import ChannelStatistics, SegmentStatistics
from altcraft_plugins.history import History
from plugins.cli.running import Command


@pytest.fixture
def filled(tmp_path: Path) -> str:
    path = str(tmp_path / "counts.history")
    now = datetime.now(timezone.utc)
    with History(path) as history:
        for name in ("Newsletter", "Club"):
            for days in (40, 1, 0):
                counters = {"all": 100, "subscribed": 50 + days % 40}
                at = now - timedelta(days=days, hours=1)
                history.record(name, [SegmentStatistics(channels=[ChannelStatistics("email", counters)], updated=at)])
    return path


def test_a_report_goes_into_a_file(command: Command, filled: str, tmp_path: Path) -> None:
    ran = command("report", "--history", filled, "--title", "Morning", "-o", str(tmp_path / "report.html"))
    assert (ran.code, ran.out, ran.err) == (0, "", "")
    page = (tmp_path / "report.html").read_text("utf-8")
    assert "<h1>Morning</h1>" in page
    assert page.count("<article") == 2
    assert [file.name for file in tmp_path.iterdir() if file.name.startswith(".")] == []


def test_names_times_and_the_threshold_are_taken(command: Command, filled: str) -> None:
    page = command("report", "Club", "--history", filled, "--since", "7d", "--drop", "1").out
    assert page.count("<article") == 1
    assert "; 2 counts" in page
    assert "Drops</h3>" in page


@pytest.mark.parametrize(
    ("words", "says"),
    [(["Nobody"], "does not know 'Nobody'"), (["--drop", "0"], "--drop"), (["--since", "x"], "30d")],
)
def test_a_mistake_leaves_the_file_as_it_was(
    command: Command, filled: str, tmp_path: Path, words: list[str], says: str
) -> None:
    target = tmp_path / "report.html"
    target.write_text("yesterday's")
    ran = command("report", *words, "--history", filled, "-o", str(target))
    assert ran.code == 2
    assert says in ran.err
    assert target.read_text() == "yesterday's"
