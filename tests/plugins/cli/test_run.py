"""`altcraft run`: a plan's recounts as one run."""

from __future__ import annotations

import csv
import io
import json
from datetime import datetime, timedelta, timezone
from pathlib import Path

import msgspec
import pytest

from altcraft import ChannelStatistics, ConnectError, ConnectionLost, SegmentStatistics, Submission
from altcraft.schema import SegmentsRefreshCounters
from altcraft.testing import reply
from altcraft_plugins.history import History
from altcraft_plugins.journal import Journal
from altcraft_plugins.plan import read_plan
from plugins.cli.planned import PLAN, PlanRuns

ALL = {7: 1, 8: 1, 11: 1, 5: 1}
RUNNING = reply({"status": "running", "progress": 40})
GONE = reply(error=404, error_text="no such task", status=404)


@pytest.fixture
def runs(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> PlanRuns:
    return PlanRuns(capsys, tmp_path)


def words(text: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines()]


def test_the_table_is_grouped_and_ordered_as_the_plan_is(runs: PlanRuns) -> None:
    ran = runs()
    assert ran.code == 0
    lines = [line for line in ran.out.splitlines() if line and not line.startswith(("name", "──", " "))]
    assert [line.split("  ")[0] for line in lines] == [
        "Newsletter",
        "Newsletter, active",
        "Region 8",
        "Region 11",
        "Databases",
        "Members",
    ]
    assert ["Region", "8", "email", "108", "11%", "█▏"] in [line[:6] for line in words(ran.out)]
    assert "4 of 4 recounts done in" in ran.err
    assert runs.platform.submitted == ALL


def test_a_finished_run_is_followed_by_a_new_one(runs: PlanRuns) -> None:
    assert [runs().code, runs().code] == [0, 0]
    assert runs.platform.submitted == dict.fromkeys(ALL, 2)


def test_a_run_whose_time_is_up_goes_on_and_submits_nothing_twice(runs: PlanRuns) -> None:
    runs.platform.polls = {8: [RUNNING] * 10_000}
    ran = runs("--timeout", "5")
    assert ran.code == 3
    assert "Region 8: unfinished" in ran.err
    assert f"go on with: altcraft run --timeout 5 {runs.plan}" in ran.err
    assert ["Region", "8", "unfinished"] in words(ran.out)

    runs.platform.polls.clear()
    ran = runs()
    assert ran.code == 0
    assert "going on with the run of" in ran.err
    assert "4 of 4 recounts are submitted" in ran.err
    assert ["Newsletter,", "active", "email", "107"] in [line[:4] for line in words(ran.out)]
    assert runs.platform.submitted == ALL


def test_a_run_whose_time_is_up_while_it_submits_goes_on_with_the_rest(runs: PlanRuns) -> None:
    ran = runs("--timeout", "0")
    assert ran.code == 3
    assert ran.err.count("unfinished: the time was up before it was submitted") == 4
    assert not runs.platform.submitted
    assert runs().code == 0
    assert runs.platform.submitted == ALL


def test_what_a_killed_run_has_not_submitted_is_submitted_by_the_next(runs: PlanRuns) -> None:
    runs.platform.polls = {7: [RUNNING] * 10_000}
    whole = runs.plan.read_text()
    runs.plan.write_text(whole.replace("[8, 11]", "[8]"))
    assert runs("--timeout", "5").code == 3
    runs.plan.write_text(whole.replace("Newsletter, active", "Newsletter, by another name"))
    runs.platform.polls.clear()
    ran = runs()
    assert ran.code == 0
    assert "by another name" in ran.out
    assert runs.platform.submitted == ALL


def test_a_run_of_which_the_plan_has_dropped_a_recount_is_finished_all_the_same(runs: PlanRuns) -> None:
    runs.platform.polls = {8: [RUNNING] * 10_000}
    assert runs("--timeout", "5").code == 3
    runs.plan.write_text(PLAN.replace("[8, 11]", "[11]"))
    assert [runs().code, runs().code] == [0, 0]
    assert runs.platform.submitted == {7: 2, 8: 1, 11: 2, 5: 2}


def test_a_submission_whose_answer_is_lost_is_in_doubt_and_not_made_again(runs: PlanRuns) -> None:
    runs.platform.submissions = {8: [ConnectionLost("reset")]}
    runs.platform.polls = {7: [RUNNING] * 10_000}
    ran = runs("--timeout", "5")
    assert ran.code == 1
    assert "Region 8: in doubt: " in ran.err
    assert "look at the platform's tasks, then recount it with --only 'Region 8'" in ran.err
    assert ["Region", "8", "in", "doubt"] in words(ran.out)
    runs.platform.polls.clear()
    ran = runs()  # the run goes on
    assert ran.code == 1
    assert "Region 8: in doubt: " in ran.err
    assert runs.platform.submitted == ALL
    assert runs("--only", "Region 8").code == 0
    assert runs.platform.submitted == {**ALL, 8: 2}


def test_where_the_plan_says_so_what_is_in_doubt_is_submitted_again(runs: PlanRuns) -> None:
    runs.plan.write_text(f'in_doubt = "submit again"\n{PLAN}')
    known(runs, key=key_of(runs, "2026-11-28.1"), hours=0.1).close()  # Region 8, in doubt since a kill
    runs.platform.submissions = {11: [ConnectionLost("reset"), reply(error=503, status=503)]}
    ran = runs("--retry-base", "1ms")
    assert ran.code == 0, ran.err
    assert "4 of 4 recounts done" in ran.err
    assert runs.platform.submitted == {**ALL, 11: 2}  # its first answer was lost
    with Journal(runs.folder / "plan.journal") as journal:
        assert journal.outstanding().in_doubt == []


@pytest.mark.parametrize("refusal", [reply(error=429, status=429), ConnectError("refused")])
def test_a_submission_that_was_certainly_not_taken_is_made_again(runs: PlanRuns, refusal: object) -> None:
    runs.platform.submissions = {8: [refusal] * 3}
    assert runs("--retry-base", "1ms", "--retries", "0").code == 0
    assert runs.platform.submitted == ALL


def test_a_platform_that_stays_away_leaves_the_run_unfinished(runs: PlanRuns) -> None:
    runs.platform.submissions = {8: [ConnectError("refused")] * 10_000}
    away = ("--retry-base", "1ms", "--retry-patience", "20ms", "--retries", "0")
    ran = runs(*away)
    assert ran.code == 1
    assert "Region 8: unfinished: " in ran.err
    assert "start the run again when it answers" in ran.err
    runs.platform.submissions.clear()
    assert runs().code == 0
    assert runs.platform.submitted == ALL


def test_failures_are_listed_with_their_reason_and_what_to_do(runs: PlanRuns) -> None:
    runs.platform.submissions = {8: [reply(error=404, error_text="no such segment", status=404)]}
    runs.platform.polls = {
        11: [reply({"status": "failed", "result": "database is locked"})],
        7: [GONE] * 10_000,
    }
    ran = runs()
    assert ran.code == 1
    assert "Region 8: failed: error 404: no such segment\n" in ran.err
    assert "look at the ids in the plan" in ran.err
    assert "database is locked" in ran.err
    assert "the platform gave it up, then recount it with --only 'Region 11'" in ran.err
    assert "the platform lost it, then recount it with --only 'Newsletter, active'" in ran.err
    assert "1 of 4 recounts done" in ran.err
    assert "3 failed" in ran.err
    assert ["Region", "8", "failed"] in words(ran.out)
    runs.platform.polls.clear()
    assert runs().code == 0  # a failed recount ends its run: this is a new one
    assert runs.platform.submitted[11] == 2


def test_a_failure_that_a_killed_run_has_seen_is_told_by_the_next_and_not_submitted_again(runs: PlanRuns) -> None:
    runs.platform.polls = {11: [reply({"status": "failed", "result": "locked"})], 7: [RUNNING] * 10_000}
    assert runs("--timeout", "5").code == 1
    runs.platform.polls.clear()
    ran = runs()
    assert ran.code == 1
    assert "locked" in ran.err
    assert runs.platform.submitted == ALL


def test_a_task_that_the_platform_has_lost_stays_lost_when_the_run_goes_on(runs: PlanRuns) -> None:
    runs.platform.polls = {11: [GONE] * 10_000, 7: [RUNNING] * 10_000}
    assert runs("--timeout", "60").code == 1
    runs.platform.polls.clear()
    ran = runs()
    assert "Region 11: failed" in ran.err
    assert "no such task" in ran.err
    assert runs.platform.submitted == ALL


def test_a_token_that_is_refused_is_told_with_its_variable(runs: PlanRuns, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALTCRAFT_TOKEN", "wrong-token")
    runs.platform.submissions = {id: [reply(error=401, status=401)] for id in ALL}
    ran = runs()
    assert ran.code == 1
    assert ran.err.count("the token in ALTCRAFT_TOKEN was refused") == 1  # the advice of all four


# What is asked, and of whom.


def test_a_dry_run_shows_what_would_be_asked_and_sends_nothing(runs: PlanRuns) -> None:
    ran = runs("--dry-run")
    assert ran.code == 0
    assert "Region 11: segments/refresh_counters id=11 resource_id=24 db_id=1" in ran.out
    assert "4 recounts; nothing was sent" in ran.out
    lines = runs("--dry-run", "--json").lines
    assert [(line["event"], line["name"]) for line in lines][-1] == ("planned", "Members")
    assert lines[0]["request"] == {"id": 7, "resource_id": 24, "db_id": 1}
    assert runs.connections == []
    assert [path.name for path in runs.folder.iterdir()] == ["plan.toml"]


def test_a_part_of_the_plan_is_recounted_alone(runs: PlanRuns) -> None:
    assert runs("--only", "Region *", "--only", "Databases").code == 0
    assert runs.platform.submitted == {8: 1, 11: 1, 5: 1}


def test_a_part_of_an_unfinished_run_goes_on_with_that_part_alone(runs: PlanRuns) -> None:
    runs.platform.polls = {7: [RUNNING] * 10_000, 8: [RUNNING] * 10_000}
    assert runs("--timeout", "5").code == 3
    del runs.platform.polls[8]
    assert runs("--only", "Region 8").code == 0
    runs.platform.polls.clear()
    assert runs().code == 0
    assert runs.platform.submitted == ALL


def test_a_name_that_the_plan_lacks_is_2_with_the_nearest_one(runs: PlanRuns) -> None:
    ran = runs("--only", "Memers")
    assert ran.code == 2
    assert "Did you mean 'Members'?" in ran.err
    assert runs.connections == []


def test_a_mistake_in_the_plan_is_2_with_file_line_key_and_suggestion(runs: PlanRuns) -> None:
    runs.plan.write_text(PLAN.replace("segments = 7", "segmnts = 7"))
    ran = runs()
    assert ran.code == 2
    assert f"{runs.plan}:10: section[0].recount[0].segmnts: unknown key; did you mean segments?" in ran.err
    (line,) = runs("--json").lines
    assert (line["event"], line["error"]) == ("error", "Usage")
    assert runs.connections == []


def test_each_connection_has_its_url_and_the_token_of_its_variable(
    runs: PlanRuns, monkeypatch: pytest.MonkeyPatch
) -> None:
    connections = "".join(
        f'[connections.{name}]\nurl = "https://{name}.example"\ntoken_env = "TOKEN_{name.upper()}"\ncodec = "{codec}"\n'
        for name, codec in (("east", "json"), ("west", "xml"))
    )
    plan = connections + PLAN.replace("database = 1", 'database = 1\nconnection = "east"', 1)
    runs.plan.write_text(plan.replace("databases = 5", 'databases = 5\nconnection = "west"'))
    ran = runs()
    assert ran.code == 2
    assert "TOKEN_EAST, which is not set" in ran.err
    monkeypatch.setenv("TOKEN_EAST", "token-of-east")
    monkeypatch.setenv("TOKEN_WEST", "token-of-west")
    assert runs.connections == []
    assert runs().code == 0
    assert [(made.url, made.token.value, made.codec) for made in runs.connections] == [
        ("https://east.example", "token-of-east", "json"),
        ("https://west.example", "token-of-west", "xml"),
    ]
    assert runs.platform.hosts == {"east.example", "west.example"}
    assert runs.platform.submitted == ALL
    assert runs("--url", "https://other.example").code == 2


def test_without_a_url_the_command_is_2(runs: PlanRuns, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ALTCRAFT_URL")
    assert runs().code == 2
    assert runs("--url", "https://example.com").code == 0


def test_an_unfinished_run_at_another_installation_is_another_matter(runs: PlanRuns) -> None:
    runs.platform.polls = {8: [RUNNING] * 10_000}
    assert runs("--timeout", "5").code == 3
    runs.platform.polls.clear()
    assert runs("--url", "https://other.example").code == 0
    assert runs.platform.submitted == dict.fromkeys(ALL, 2)
    assert "going on" in runs().err
    assert runs.platform.submitted == dict.fromkeys(ALL, 2)


def test_a_journal_that_cannot_be_used_ends_the_command_in_one_line(runs: PlanRuns) -> None:
    (runs.folder / "plan.journal").write_text("mine, and no journal at all" * 100)
    ran = runs()
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.startswith("altcraft: the journal ")
    assert not runs.platform.submitted


# Other processes, and other days.


def known(runs: PlanRuns, *, key: str, hours: float) -> Journal:
    """A journal with a submission of so many hours ago, which this process owns."""
    journal = Journal(runs.folder / "plan.journal")
    at = datetime.now(timezone.utc) - timedelta(hours=hours)
    request = SegmentsRefreshCounters(8, 24, db_id=1)
    journal.altcraft_submitting(Submission(key, "segments/refresh_counters", request, at, "Region 8", "example.com"))
    return journal


def key_of(runs: PlanRuns, run_id: str) -> str:
    plan = msgspec.structs.replace(read_plan(runs.plan), url="https://example.com")
    return f"{plan.id}/{run_id}/{plan.key(plan.recounts[1])}"


def test_while_another_process_carries_out_the_plan_nothing_is_sent(runs: PlanRuns) -> None:
    with known(runs, key=key_of(runs, "2026-11-28.1"), hours=0):
        ran = runs()
        assert ran.code == 1
        assert "another process carries out" in ran.err
        assert f"altcraft run {runs.plan}" in ran.err
        assert not runs.platform.submitted
    assert runs().code == 1  # its submission is in doubt now
    assert runs.platform.submitted == {7: 1, 11: 1, 5: 1}


def test_an_unfinished_run_of_yesterday_is_given_up(runs: PlanRuns) -> None:
    known(runs, key=key_of(runs, "2026-11-27.1"), hours=12.1).close()
    ran = runs()
    assert (ran.code, "going on" in ran.err) == (0, False)
    assert runs.platform.submitted == ALL
    with Journal(runs.folder / "plan.journal") as journal:
        assert journal.outstanding().tasks == journal.outstanding().in_doubt == journal.outcomes() == []


def test_an_unfinished_run_of_this_morning_goes_on(runs: PlanRuns) -> None:
    known(runs, key=key_of(runs, "2026-11-27.1"), hours=11.9).close()
    assert "going on" in runs().err
    assert runs.platform.submitted == {7: 1, 11: 1, 5: 1}


def test_the_journal_is_the_commands_or_the_plans_or_lies_beside_the_plan(runs: PlanRuns) -> None:
    runs()
    assert (runs.folder / "plan.journal").exists()
    runs.plan.write_text(f'journal = "kept.journal"\n{PLAN}')
    runs()
    assert (runs.folder / "kept.journal").exists()
    typed = runs.folder / "typed.journal"
    runs("--journal", str(typed))
    assert typed.exists()


def test_the_journal_names_each_recount_as_the_plan_does(runs: PlanRuns) -> None:
    runs()
    with Journal(runs.folder / "plan.journal") as journal:
        assert [entry.note for entry in journal.entries()] == ["Newsletter, active", "Region 8", "Region 11", "Members"]


# The history.


def test_the_table_shows_the_change_since_the_last_count(runs: PlanRuns) -> None:
    runs.plan.write_text(f'history = "counts.history"\n{PLAN}')
    first = runs()
    assert "change" not in first.out
    runs.platform.counts = {7: 117, 8: 8, 5: 105}
    second = runs()
    assert ["Newsletter,", "active", "email", "117", "+10", "+9.3%"] in [line[:6] for line in words(second.out)]
    assert ["Region", "8", "email", "8", "-100", "-92.6%"] in [line[:6] for line in words(second.out)]
    assert ["Members", "email", "105", "0"] in [line[:4] for line in words(second.out)]
    with History(runs.folder / "counts.history") as history:
        emails = [row.counters["subscribed"] for row in history.rows("Region 8", channel="email")]
    assert emails == [108, 8]


def test_a_fall_beyond_the_threshold_is_an_alert(runs: PlanRuns) -> None:
    runs.plan.write_text(f'history = "counts.history"\n{PLAN}'.replace("database = 1", "database = 1\nalert_drop = 5"))
    runs()
    runs.platform.counts = {7: 102, 8: 8, 11: 200}
    ran = runs()
    assert "ALERT  Region 8, email: subscribed fell by 92.6 %, from 108 to 8" in ran.out
    assert ran.out.count("ALERT") == 1
    assert "1 alert" in ran.err
    assert ran.code == 0


def test_a_count_that_a_killed_run_has_not_recorded_is_recorded_by_the_next(runs: PlanRuns) -> None:
    runs.platform.polls = {8: [RUNNING] * 10_000}
    assert runs("--timeout", "5").code == 3
    runs.platform.polls.clear()
    history = runs.folder / "typed.history"
    assert runs("--history", str(history)).code == 0
    with History(history) as opened:
        assert {item.name for item in opened.items()} == {"Members", "Newsletter, active", "Region 8", "Region 11"}


@pytest.mark.parametrize("in_plan", [True, False])
def test_a_report_is_written_with_the_plans_names_and_thresholds(runs: PlanRuns, in_plan: bool) -> None:
    head = 'report = "report.html"\nhistory = "counts.history"\n' if in_plan else 'history = "counts.history"\n'
    runs.plan.write_text(head + PLAN.replace("database = 1", "database = 1\nalert_drop = 5"))
    page = runs.folder / "report.html"
    options = () if in_plan else ("--report", str(page))
    assert runs(*options).code == 0
    runs.platform.counts = {8: 8}
    assert runs(*options).code == 0
    text = page.read_text("utf-8")
    assert text.index("Newsletter, active") < text.index("Members")
    assert "Region 8" in text


def test_a_report_that_cannot_be_written_or_has_no_history_is_2_before_anything_is_sent(runs: PlanRuns) -> None:
    ran = runs("--report", str(runs.folder / "report.html"))
    assert (ran.code, "A report needs a history" in ran.err) == (2, True)
    none = runs.folder / "none" / "report.html"
    ran = runs("--history", str(runs.folder / "counts"), "--report", str(none))
    assert (ran.code, f"--report: {none} cannot be written" in ran.err) == (2, True)
    assert runs.connections == []


def test_the_change_of_a_run_that_goes_on_is_since_the_count_before_the_run(runs: PlanRuns) -> None:
    runs.plan.write_text(f'history = "counts.history"\n{PLAN}')
    assert runs().code == 0
    runs.platform.counts = {8: 8}
    runs.platform.polls = {7: [RUNNING] * 10_000}
    assert runs("--timeout", "5").code == 3
    runs.platform.polls.clear()
    assert ["Region", "8", "email", "8", "-100"] in [line[:5] for line in words(runs().out)]


def test_the_last_count_may_be_long_ago(runs: PlanRuns) -> None:
    path = runs.folder / "counts.history"
    statistics = [SegmentStatistics(list_id=1, channels=[ChannelStatistics("email", {"subscribed": 50})])]
    with History(path) as history:
        history.record("Region 8", statistics, at=datetime.now(timezone.utc) - timedelta(days=400))
    ran = runs("--history", str(path))
    assert ["Region", "8", "email", "108", "+58"] in [line[:5] for line in words(ran.out)]


# For machines.


def test_a_recount_that_a_killed_run_has_left_in_doubt_is_a_failure_of_the_history_once(runs: PlanRuns) -> None:
    known(runs, key=key_of(runs, "2026-11-28.1"), hours=0.1).close()
    runs.platform.polls = {7: [RUNNING] * 10_000}
    history = runs.folder / "counts.history"
    for _ in range(2):
        ran = runs("--timeout", "5", "--history", str(history))
        assert "Region 8: in doubt: " in ran.err
        assert "its answer never came" in ran.err
    with History(history) as opened:
        assert [(failure.name, failure.error) for failure in opened.failures()] == [("Region 8", "InDoubt")]


def test_json_lines_name_each_recount_and_end_with_a_summary(runs: PlanRuns) -> None:
    runs.platform.polls = {11: [reply({"status": "failed"})]}
    ran = runs("--json")
    assert (ran.code, ran.err) == (1, "")
    events = [line["event"] for line in ran.lines if line["event"] != "progress"]
    assert (events[:5], events[-1]) == (["run", *["submitted"] * 4], "summary")
    assert sorted(events[5:-1]) == ["error", "result", "result", "result"]
    (failed,) = [line for line in ran.lines if line["event"] == "error"]
    assert (failed["section"], failed["name"], failed["state"]) == ("Newsletter", "Region 11", "failed")
    result = next(line for line in ran.lines if line["event"] == "result" and line["name"] == "Newsletter, active")
    assert result["changes"][0] == {
        "channel": "email", "database": None, "counter": "subscribed", "count": 107, "share": 0.107, "previous": None,
        "change": None,
    }  # fmt: skip
    summary = ran.lines[-1]
    assert (summary["recounts"], summary["done"], summary["failed"], summary["exit_code"]) == (4, 3, 1, 1)


def test_csv_has_the_section_and_the_name_first_then_the_usual_columns_in_the_plans_order(runs: PlanRuns) -> None:
    ran = runs("--csv")
    rows = list(csv.DictReader(io.StringIO(ran.out)))
    assert list(rows[0])[:4] == ["section", "name", "segment_id", "database_id"]
    assert list(rows[0])[-1] == "task_id"
    assert [(row["name"], row["channel"], row["subscribed"]) for row in rows][:3] == [
        ("Newsletter, active", "email", "107"),
        ("Newsletter, active", "push", "0"),
        ("Region 8", "email", "108"),
    ]
    assert "4 of 4" in ran.err


@pytest.mark.parametrize("option", ["--csv", "--json", None])
def test_o_writes_the_results_into_a_file_and_the_summary_to_stderr(runs: PlanRuns, option: str | None) -> None:
    path = runs.folder / "counts"
    ran = runs("-o", str(path), *([option] if option else []))
    assert ran.code == 0
    assert "Region 8" in path.read_text("utf-8")
    if option != "--json":
        assert ran.out == ""
    else:
        assert [json.loads(line)["event"] for line in path.read_text().splitlines()] == ["result"] * 4


# `altcraft plan init`.


def test_init_writes_a_plan_with_comments_and_leaves_one_that_is_there(command, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    ran = command("plan", "init")
    assert ran.code == 0
    assert "altcraft run plan.toml --dry-run" in ran.out
    written = Path("plan.toml").read_text("utf-8")
    assert written.count("#") > 10
    Path("plan.toml").write_text("mine")
    ran = command("plan", "init")
    assert ran.code == 2
    assert "left as it is" in ran.err
    assert Path("plan.toml").read_text() == "mine"
    assert command("plan", "init", "none/plan.toml").code == 2


def test_the_written_plan_runs_on_the_embedded_sandbox_and_leaves_no_journal(command, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert command("plan", "init").code == 0
    plan = Path("plan.toml")
    text = plan.read_text("utf-8").replace('"https://your.host"', '"sandbox:?pace=0"').replace('token_env = "', "# ")
    plan.write_text(text.replace('segments = [8, 11, "20-25"]', "segments = 11"))
    ran = command("run", "plan.toml", "--poll-initial", "20ms")
    assert ran.code == 0, ran.err
    assert ["Newsletter,", "active", "email", "209"] in [line[:4] for line in words(ran.out)]
    assert [path.name for path in tmp_path.iterdir()] == ["plan.toml"]
