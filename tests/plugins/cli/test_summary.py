"""The table at the end of a run, and the line that says what runs now."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from altcraft import ChannelStatistics, SegmentStatistics
from altcraft.schema import SegmentsRefreshCounters
from altcraft_plugins.cli.output.run_progress import now_running
from altcraft_plugins.cli.output.summary import drawn, failures, summed_up
from altcraft_plugins.cli.planned.carrying_out import Ended
from altcraft_plugins.cli.planned.outcomes import Change, Outcome, changes_of
from altcraft_plugins.cli.problems import Problem
from altcraft_plugins.history import History
from altcraft_plugins.plan import Plan, Recount


def recount(name: str, section: str = "Newsletter", alert_drop: float | None = None) -> Recount:
    request = SegmentsRefreshCounters(7, 24, db_id=1)
    return Recount(name=name, entry=name, section=section, connection=None, request=request, alert_drop=alert_drop)


def outcome(name: str, *changes: Change, section: str = "Newsletter", alert_drop: float | None = None) -> Outcome:
    asked = recount(name, section, alert_drop)
    return Outcome(recount=asked, state="done", task_id="t", changes=changes, took=2.5)


def change(channel: str, count: int | None, previous: int | None = None, *, share: float | None = None) -> Change:
    return Change(channel=channel, counter="subscribed", count=count, share=share, previous=previous)


def ended(*outcomes: Outcome) -> Ended:
    plan = Plan(path=Path("plan.toml"), name="plan", connections={}, recounts=())
    return Ended(plan=plan, run_id="1", outcomes=outcomes, seconds=65.0, again="altcraft run plan.toml")


def lines_of(told: Ended, width: int, encoding: str = "utf-8") -> list[str]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COLUMNS", str(width))
        return drawn(told, io.TextIOWrapper(io.BytesIO(), encoding=encoding)).splitlines()


def words(lines: Sequence[str]) -> list[list[str]]:
    return [line.split() for line in lines]


def test_channels_with_a_count_of_0_share_a_line_but_not_one_that_has_just_emptied() -> None:
    told = ended(outcome("A", change("email", 9, 9), change("push", 0, 0), change("sms", 0), change("viber", 0, 5)))
    assert words(lines_of(told, 100))[3:] == [
        ["A", "email", "9", "0", "2.5", "s"],
        ["viber", "0", "-5", "-100.0%"],
        ["push,", "sms", "0"],
        [],
    ]


def test_a_long_name_is_folded_beside_its_channels() -> None:
    name = "Members of the loyalty programme in every region"
    told = ended(outcome(name, *(change(channel, 100, 90) for channel in ("email", "push", "telegram_bot"))))
    lines = lines_of(told, 60)
    assert max(map(len, lines)) <= 60
    assert [line.split()[-4] for line in lines[3:6]] == ["email", "push", "telegram_bot"]
    assert len(lines) == 7  # the name takes no line of its own


def test_on_a_very_narrow_screen_a_name_stands_above_its_channels() -> None:
    name = "Members of the loyalty programme"
    lines = lines_of(ended(outcome(name, change("email", 1000, 900), change("telegram_bot", 12, 13))), 32)
    assert words(lines)[3:7] == [
        ["Members", "of", "the"],
        ["loyalty", "programme"],
        ["email", "1000", "+100"],
        ["telegram_bot", "12", "-1"],
    ]


def test_what_is_least_worth_goes_first_where_the_screen_is_narrow() -> None:
    told = ended(outcome("A name of some length", change("email", 100, 90, share=0.5)))
    headings = [words(lines_of(told, width))[1] for width in (100, 70, 60, 52, 45)]
    assert headings == [
        ["name", "channel", "count", "change", "share", "took"],
        ["name", "channel", "count", "change", "share", "took"],
        ["name", "channel", "count", "change", "share"],
        ["name", "channel", "count", "change"],
        ["name", "channel", "count", "change"],
    ]


def test_a_section_with_two_counters_names_them_beside_the_channels() -> None:
    sendable = Change(channel="email", counter="subscribed_sendable", count=5, share=None, previous=None)
    lines = lines_of(ended(outcome("A", change("email", 9)), outcome("B", sendable)), 100)
    assert lines[0].strip() == "Newsletter"
    assert words(lines)[3:6] == [
        ["A", "email,", "subscribed", "9", "2.5", "s"],
        ["B", "email,", "5", "2.5", "s"],
        ["subscribed_sendable"],
    ]


def test_an_alert_needs_a_threshold_and_a_fall_beyond_it() -> None:
    changes = (change("email", 94, 100), change("push", 96, 100), change("sms", 200, 100))
    told = ended(outcome("A", *changes, alert_drop=5.0), outcome("B", *changes))
    alerts = [line for line in lines_of(told, 100) if line.startswith("ALERT")]
    assert [line.strip() for line in alerts] == ["ALERT  A, email: subscribed fell by 6.0 %, from 100 to 94"]
    assert summed_up(told) == "2 of 2 recounts done in 1 min 5 s; 1 alert"


def test_failures_with_the_same_advice_share_it() -> None:
    def failed(name: str, hint: str) -> Outcome:
        problem = Problem("NotFound", "no such segment", 1, hint=hint)
        return Outcome(recount=recount(name), state="failed", problem=problem)

    told = ended(failed("A", "look"), failed("B", "wait"), failed("C", "look"))
    assert failures(told) == [
        "A: failed: no such segment",
        "C: failed: no such segment",
        "  look",
        "B: failed: no such segment",
        "  wait",
    ]


def test_names_of_the_platform_and_of_the_plan_cannot_command_the_terminal() -> None:
    text = "\n".join(lines_of(ended(outcome("\x1b[31mred", change("\x1b]0;x", 1), section="\x1bS")), 120))
    assert "\x1b" not in text


texts = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=40)
numbers = st.none() | st.integers(0, 10**12)
changed = st.builds(change, texts, numbers, numbers, share=st.none() | st.floats(0, 1))


@settings(max_examples=60)
@given(
    st.lists(st.builds(lambda name, section, each: outcome(name, *each, section=section, alert_drop=1.0),
                       texts, st.sampled_from("AB"), st.lists(changed, max_size=4)), min_size=1, max_size=4),
    st.integers(30, 130),
    st.sampled_from(["utf-8", "ascii"]),
)  # fmt: skip
def test_no_line_is_wider_than_the_screen(outcomes, width, encoding) -> None:
    lines = lines_of(ended(*outcomes), width, encoding)
    assert all(cell_len(line.rstrip()) <= width for line in lines)


def test_the_count_before_is_the_last_of_the_same_channel_and_database(tmp_path: Path) -> None:
    def statistics(list_id: int, count: int) -> SegmentStatistics:
        return SegmentStatistics(list_id=list_id, channels=[ChannelStatistics("email", {"subscribed": count})])

    asked = recount("A")
    with History(tmp_path / "history") as history:
        history.record("A", [statistics(1, 10), statistics(2, 20)], asked.request)
        rows = history.rows("A")
    found = changes_of(asked, [statistics(1, 11), statistics(2, 18), statistics(3, 1)], "t", rows)
    assert [(each.database, each.count, each.change) for each in found] == [(1, 11, 1), (2, 18, -2), (3, 1, None)]


@pytest.mark.parametrize(
    ("running", "width", "line"),
    [
        ({}, 80, ""),
        ({"A": None}, 80, "now: A"),
        ({"A": None, "B": 40.0, "C": 90.4}, 80, "now: C (90 %), B (40 %), A"),
        ({f"Part {n}": float(n) for n in range(20)}, 60, "now: Part 19 (19 %), Part 18 (18 %) and 18 more"),
        ({"A name without an end " * 9: 1.0, "B": 0.0}, 40, "now: 2 recounts"),
        ({"\x1b[31m": -3.0}, 40, "now: \\x1b[31m"),
    ],
)
def test_what_runs_now_begins_with_what_ends_next(running: dict[str, float | None], width: int, line: str) -> None:
    assert now_running(running, width) == line
