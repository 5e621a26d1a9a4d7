"""--json: every line is an object of a documented shape, and there is nothing else on stdout or stderr."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest

from altcraft import Retry
from altcraft.testing import reply
from plugins.cli.running import DATABASE, EMAIL, FAILED, REFRESH, RUNNING, SEGMENT, STARTED, TASK_ID, completed, task_of

ABOUT = {"task_id": TASK_ID, "operation": "segments/refresh_counters"}
REQUEST = {"id": 7, "resource_id": 24, "db_id": 1}


def test_a_refresh_is_submitted_then_progresses_then_results(altcraft) -> None:
    ran = altcraft(*REFRESH, "--json", script=[STARTED, RUNNING, completed(SEGMENT)])
    assert (ran.code, ran.err) == (0, "")
    submitted, running, done, result = ran.lines
    assert task_of(submitted.pop("resume_token")) == TASK_ID
    assert submitted == {"event": "submitted", **ABOUT, "request": REQUEST}
    assert running == {"event": "progress", "task_id": TASK_ID, "status": "running", "progress": 40}
    assert done == {"event": "progress", "task_id": TASK_ID, "status": "completed", "progress": 100}
    entry = {**SEGMENT, "updated": "2024-04-17T21:36:01.449000Z"}
    assert result == {"event": "result", **ABOUT, "request": REQUEST, "result": [entry]}


def test_a_database_says_when_it_was_counted_and_how_long_that_took(altcraft) -> None:
    args = ("databases", "refresh", "5", "--resource", "24", "--json")
    (entry,) = altcraft(*args, script=[STARTED, completed(DATABASE)]).lines[-1]["result"]
    assert entry["last_count_time"] == DATABASE["last_count_time"]
    assert entry["counted_at"] == "2024-04-17T21:36:01Z"
    assert entry["count_seconds"] == pytest.approx(0.082747)


def test_counters_are_one_result_line_with_the_time_of_reading(altcraft) -> None:
    before = datetime.now(timezone.utc)
    (line,) = altcraft("segments", "counters", "7", "--resource", "24", "--json", script=[reply([EMAIL])]).lines
    read_at = datetime.fromisoformat(line.pop("read_at").replace("Z", "+00:00"))
    assert before <= read_at <= datetime.now(timezone.utc)
    assert line == {
        "event": "result",
        "operation": "segments/get_counters",
        "request": {"id": 7, "resource_id": 24},
        "result": [EMAIL],
    }


def test_a_status_is_a_progress_line_and_the_result_if_there_is_one(altcraft) -> None:
    assert altcraft("tasks", "status", "a", "--json", script=[RUNNING]).events == ["progress"]
    assert altcraft("tasks", "status", "a", "--json", script=[completed(DATABASE)]).events == ["progress", "result"]


def test_several_tasks_send_lines_that_say_whose_they_are(altcraft) -> None:
    def answer(request):
        return completed(DATABASE) if b'"b"' in request.body else running.pop()

    running = [completed(SEGMENT), RUNNING]
    ran = altcraft("tasks", "wait", "a", "b", "--json", script=[answer], repeat=True)
    assert (ran.code, ran.err) == (0, "")
    told = {name: [line for line in ran.lines if line["task_id"] == name] for name in "ab"}
    assert [line["event"] for line in told["a"]] == ["progress", "progress", "result"]
    assert [line["event"] for line in told["b"]] == ["progress", "result"]


def test_of_several_tasks_each_that_is_not_done_in_time_is_an_error_line(altcraft) -> None:
    ran = altcraft("tasks", "wait", "a", "b", "--json", "--timeout", "0.2", script=[RUNNING], repeat=True)
    errors = [line for line in ran.lines if line["event"] == "error"]
    assert ran.code == 3
    assert [(line["error"], line["task_id"], line["exit_code"]) for line in errors] == [
        ("WaitTimeout", "a", 3),
        ("WaitTimeout", "b", 3),
    ]
    assert all(line["resume_token"] for line in errors)


def test_a_progress_that_was_not_sent_is_null(altcraft) -> None:
    (line,) = altcraft("tasks", "status", "a", "--json", script=[reply({"status": "queued"})]).lines
    assert line["progress"] is None


def test_any_other_result_is_passed_on_as_it_came(altcraft) -> None:
    files = {"errors": [], "total": 1343, "urls": ["/a.csv"]}
    ran = altcraft("tasks", "wait", "a", "--json", script=[reply({"status": "success", "result": files})])
    assert ran.lines[-1]["result"] == files


def test_a_refusal_is_an_error_line_with_both_codes(altcraft) -> None:
    ran = altcraft("tasks", "status", "a", "--json", script=[reply(error=402, error_text="limit", status=400)])
    (line,) = ran.lines
    assert (ran.code, ran.err) == (1, "")
    assert line == {
        "event": "error",
        "error": "LimitReached",
        "message": "tasks/status at example.com, task a: error 402 (HTTP 400): limit",
        "exit_code": 1,
        "operation": "tasks/status",
        "host": "example.com",
        "task_id": "a",
        "code": 402,
        "http_status": 400,
    }


def test_a_rate_limit_says_when_to_come_back(altcraft) -> None:
    refusal = reply(error=429, error_text="slow down", status=429, headers={"Retry-After": "7"})
    (line,) = altcraft(*REFRESH, "--json", script=[refusal], retry=Retry(attempts=1)).lines
    assert (line["error"], line["retry_after"]) == ("RateLimited", 7)


def test_a_failed_task_is_an_error_line_with_its_status(altcraft) -> None:
    line = altcraft(*REFRESH, "--json", script=[STARTED, FAILED]).lines[-1]
    assert (line["error"], line["status"], line["progress"], line["exit_code"]) == ("TaskFailed", "failed", 40, 1)
    assert "resume_token" not in line


def test_a_timeout_is_an_error_line_with_the_resume_token(altcraft) -> None:
    ran = altcraft(*REFRESH, "--json", "--timeout", "3", script=[STARTED, RUNNING], repeat=True)
    assert (ran.code, ran.err) == (3, "")
    assert ran.lines[-1]["error"] == "WaitTimeout"
    assert task_of(ran.lines[-1]["resume_token"]) == TASK_ID


def test_lines_are_ascii_even_if_the_platform_s_texts_are_not(altcraft) -> None:
    russian = {"channel": "почта \U0001f4e7", "status": {"all": 1}}
    ran = altcraft("segments", "counters", "7", "--resource", "24", "--json", script=[reply([russian])])
    assert ran.out.isascii()
    assert ran.lines[0]["result"] == [russian]


def test_a_group_without_a_command_is_an_error_line(altcraft) -> None:
    (line,) = altcraft("--json", "segments").lines
    assert line["error"] == "Usage"
