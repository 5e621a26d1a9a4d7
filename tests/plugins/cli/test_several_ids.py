"""Several ids in one command: submitted together, followed together, each reported by its own name."""

from __future__ import annotations

import json

import pytest

from altcraft import Retry
from altcraft.testing import reply
from altcraft_plugins.cli.signals import Interrupted
from plugins.cli.running import EMAIL, FAILED, RUNNING, Terminal, completed, task_of

SEGMENTS = ("segments", "refresh", "7", "8", "11", "--resource", "24", "--database", "1")


def platform(**ends):
    """Starts a task "t7" for the id 7. `ends["t7"]` answers its polls, `ends["s7"]` the submission."""
    left = {name: list(answers) for name, answers in ends.items()}

    def answer(request):
        sent = json.loads(request.body)
        name = sent.get("task_id") or f"s{sent['id']}"
        answers = left.get(name) or [reply({"task_id": f"t{sent['id']}"}) if name.startswith("s") else segment()]
        found = answers[0] if len(answers) == 1 else answers.pop(0)
        if isinstance(found, BaseException):
            raise found
        return found

    return {"script": [answer], "repeat": True}


def segment():
    return completed({"channels": [EMAIL]})


def test_all_are_submitted_and_each_result_names_its_own(altcraft: Terminal) -> None:
    ran = altcraft(*SEGMENTS, **platform(t7=[RUNNING, RUNNING, segment()]))
    assert (ran.code, ran.err) == (0, "")
    titles = [line for line in ran.out.splitlines() if line.startswith("Segment")]
    assert sorted(titles) == sorted(f"Segment {id}, database 1, resource 24" for id in (7, 8, 11))
    assert sorted(str(sent["id"]) for path, sent in altcraft.sent if path != "tasks/status") == ["11", "7", "8"]


def test_json_lines_say_which_request_each_is_about(altcraft: Terminal) -> None:
    ran = altcraft(*SEGMENTS, "--json", **platform(t8=[FAILED]))
    assert (ran.code, ran.err) == (1, "")
    about = {(line["event"], line["request"]["id"]) for line in ran.lines if "request" in line}
    assert about == {*((("submitted"), id) for id in (7, 8, 11)), ("result", 7), ("result", 11), ("error", 8)}


def test_a_submission_that_fails_ends_no_other(altcraft: Terminal) -> None:
    refused = reply(error=404, error_text="no such segment", status=404)
    ran = altcraft(*SEGMENTS, **platform(s8=[refused]))
    assert ran.code == 1
    assert "altcraft: segment 8: segments/refresh_counters" in ran.err
    assert "no such segment" in ran.err
    assert ran.out.count("Segment ") == 2


def test_a_late_task_is_named_and_leaves_its_token(altcraft: Terminal) -> None:
    ran = altcraft(*SEGMENTS, "--timeout", "1", **platform(t11=[RUNNING]))
    assert ran.code == 3
    assert "altcraft: segment 11: " in ran.err
    assert task_of(ran.out.splitlines()[-1]) == "t11"


def test_no_wait_prints_a_token_for_each_in_the_order_of_the_ids(altcraft: Terminal) -> None:
    ran = altcraft(*SEGMENTS, "--no-wait", **platform())
    assert ran.code == 0
    assert [task_of(line) for line in ran.out.splitlines()] == ["t7", "t8", "t11"]


def test_a_signal_among_the_submissions_leaves_the_tokens_of_those_that_were_answered(altcraft: Terminal) -> None:
    ran = altcraft(*SEGMENTS, **platform(s11=[Interrupted()]))
    assert ran.code == 130
    assert "of segment 11" in ran.err or "segment 11 may or may not" in ran.err
    tokens = [task_of(line) for line in ran.out.splitlines()]
    assert set(tokens) <= {"t7", "t8"}
    assert "may or may not have been started" in ran.err


@pytest.mark.parametrize("kind", ["databases", "resources"])
def test_databases_and_resources_take_several_too(altcraft: Terminal, kind: str) -> None:
    resource = ("--resource", "24") if kind == "databases" else ()
    ran = altcraft(kind, "refresh", "5", "9", *resource, "--feedback", "https://me.example/hook", **platform())
    assert ran.code == 0
    submissions = [sent for path, sent in altcraft.sent if path == f"{kind}/refresh_counters"]
    assert sorted((sent["id"], sent["feedback"]["url"]) for sent in submissions) == [
        (5, "https://me.example/hook"),
        (9, "https://me.example/hook"),
    ]


@pytest.mark.parametrize("kind", ["segments", "databases"])
def test_counters_of_several_are_shown_in_their_order_and_a_refusal_ends_no_other(altcraft, kind: str) -> None:
    refused = reply(error=404, error_text="no such thing", status=404)
    ran = altcraft(
        kind, "counters", "7", "8", "11", "--resource", "24", script=[reply([EMAIL]), refused, reply([EMAIL])]
    )
    assert ran.code == 1
    titles = [line for line in ran.out.splitlines() if line.startswith(("Segment", "Database"))]
    assert [title.split(",")[0].split()[1] for title in titles] == ["7", "11"]
    assert f"{kind[:-1]} 8: " in ran.err


def test_the_status_of_several_tasks_is_a_poll_each(altcraft: Terminal) -> None:
    ran = altcraft("tasks", "status", "a", "b", "c", script=[RUNNING, FAILED, segment()], retry=Retry(attempts=1))
    assert ran.code == 1
    assert [line for line in ran.out.splitlines() if line.startswith("task ")] == [
        "task a: running, 40 %",
        "task b: failed, 40 %",
        "task c: completed, 100 %",
    ]
