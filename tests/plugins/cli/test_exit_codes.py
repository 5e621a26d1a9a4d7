"""0 done, 1 the task or the API failed, 2 usage, 3 timed out; and what is said along with it."""

from __future__ import annotations

import shlex
import threading

import pytest

from altcraft import ConnectError, ConnectionLost, MissingExtra, RequestTimeout, Retry
from altcraft.testing import reply
from altcraft_plugins.cli.app import run
from plugins.cli.running import FAILED, REFRESH, RUNNING, SEGMENT, STARTED, TASK_ID, completed, task_of

ONCE = Retry(attempts=1)
NEVER = Retry(attempts=1, patience=0)


def test_a_failed_task_is_1_and_leaves_no_token_to_go_on_with(altcraft) -> None:
    ran = altcraft(*REFRESH, script=[STARTED, RUNNING, FAILED])
    assert (ran.code, ran.out) == (1, "")
    assert ran.err == (
        f"altcraft: segments/refresh_counters at example.com, task {TASK_ID}: "
        f"the task ended with status 'failed' at 40 %\n"
    )


def test_a_refusal_is_1_and_says_what_to_do_about_the_token(altcraft, monkeypatch) -> None:
    refusal = reply(error=401, error_text="API token required", status=401)
    ran = altcraft(*REFRESH, script=[refusal])
    assert (ran.code, ran.out) == (1, "")
    assert "error 401: API token required" in ran.err
    assert "put the API token into the environment variable ALTCRAFT_TOKEN" in ran.err
    monkeypatch.setenv("ALTCRAFT_TOKEN", "wrong")
    assert "the token in ALTCRAFT_TOKEN was refused" in altcraft(*REFRESH, script=[refusal]).err


@pytest.mark.parametrize(
    "args",
    [("tasks", "status", "unknown"), ("tasks", "wait", "unknown"), ("segments", "counters", "7", "--resource", "24")],
)
def test_a_refusal_is_1_in_every_command(altcraft, args) -> None:
    ran = altcraft(*args, script=[reply(error=404, error_text="no such thing", status=404)])
    assert (ran.code, ran.out) == (1, "")
    assert "no such thing" in ran.err


@pytest.mark.parametrize(
    ("answer", "may_run"),
    [
        (ConnectionLost("reset by peer"), True),
        (RequestTimeout("no reply"), True),
        (reply({}), True),
        (reply(error=500, error_text="oops", status=500), True),
        (reply(error=400, error_text="id", status=400), False),
        (ConnectError("refused"), False),
    ],
)
def test_a_submission_that_fails_is_1_and_says_whether_the_task_may_run(altcraft, answer, may_run) -> None:
    ran = altcraft(*REFRESH, script=[answer], retry=ONCE)
    assert (ran.code, ran.out) == (1, "")
    assert ("may or may not have been started" in ran.err) is may_run


def test_a_wait_that_the_network_ends_leaves_the_way_back(altcraft) -> None:
    ran = altcraft(*REFRESH, script=[STARTED, RUNNING, ConnectionLost("reset by peer")], retry=NEVER)
    assert ran.code == 1
    assert task_of(ran.out) == TASK_ID


def test_a_timeout_is_3_and_its_token_works_with_tasks_wait(altcraft) -> None:
    ran = altcraft(*REFRESH, "--timeout", "12.5", script=[STARTED, RUNNING], repeat=True)
    assert ran.code == 3
    assert "not done in time, last seen 'running' at 40 %" in ran.err
    (token,) = ran.out.splitlines()
    assert shlex.split(ran.err.partition("go on with: ")[2]) == ["altcraft", "tasks", "wait", token]
    assert altcraft("tasks", "wait", token, script=[completed(SEGMENT)]).code == 0


def test_a_timeout_of_zero_is_one_poll(altcraft) -> None:
    assert altcraft("tasks", "wait", TASK_ID, "--timeout", "0", script=[RUNNING]).code == 3
    assert altcraft("tasks", "wait", TASK_ID, "--timeout", "0", script=[completed(SEGMENT)]).code == 0


def test_a_task_seen_failed_is_1_and_one_that_runs_is_0(altcraft) -> None:
    assert altcraft("tasks", "status", TASK_ID, script=[FAILED]).code == 1
    assert altcraft("tasks", "status", TASK_ID, script=[RUNNING]).code == 0


@pytest.mark.parametrize(
    ("script", "code"),
    [
        ([completed(SEGMENT), completed(SEGMENT)], 0),
        ([RUNNING, completed(SEGMENT)], 3),
        ([completed(SEGMENT), RUNNING], 3),
        ([FAILED, completed(SEGMENT)], 1),
        ([RUNNING, FAILED], 1),
        ([FAILED, RUNNING], 1),
    ],
)
def test_of_several_tasks_the_worst_outcome_counts(altcraft, script, code) -> None:
    assert altcraft("tasks", "wait", "a", "b", "--timeout", "0", script=script).code == code


def test_when_the_time_is_up_the_last_polls_of_many_tasks_go_out_together(altcraft) -> None:
    together = threading.Barrier(8, timeout=20)

    def poll(request):
        together.wait()
        return RUNNING

    ran = altcraft(
        "tasks", "wait", *(f"t{number}" for number in range(8)), "--timeout", "0", script=[poll], repeat=True
    )
    assert ran.code == 3
    assert [task_of(line) for line in ran.out.splitlines()] == [f"t{number}" for number in range(8)]


def test_every_task_that_is_not_done_leaves_its_token(altcraft) -> None:
    ran = altcraft("tasks", "wait", "a", "b", "--timeout", "0", script=[RUNNING, RUNNING])
    assert [task_of(line) for line in ran.out.splitlines()] == ["a", "b"]


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (("segments", "refresh", "7"), "--resource"),
        (("segments", "refresh", "--resource", "24"), "ID"),
        (("segments", "refresh", "seven", "--resource", "24"), "seven"),
        ((*REFRESH, "--db-id", "2"), "Give one of --database, --db-id and --list-id"),
        ((*REFRESH, "--auth", "basic"), "basic"),
        ((*REFRESH, "--timeout", "soon"), "not a number of seconds"),
        ((*REFRESH, "--timeout", "-1"), "not a number of seconds"),
        ((*REFRESH, "--timeout", "nan"), "not a number of seconds"),
        ((*REFRESH, "--timeout", "inf"), "not a number of seconds"),
        ((*REFRESH, "--request-timeout", "0"), "more than 0 seconds"),
        ((*REFRESH, "--frobnicate"), "--frobnicate"),
        (("segments", "recount"), "recount"),
        (("tasks", "wait"), "TASK_ID"),
        (("tasks", "wait", ""), "empty task id"),
        (("tasks", "wait", '{"v":1}'), "not a resume token"),
        (("tasks", "wait", '{"v":99,"task_id":"a"}'), "version 99"),
        (("tasks", "status", '{"v":1,"task_id":"a","operation":"segments/get_counters"}'), "starts no task"),
    ],
)
def test_a_misused_command_is_2_and_says_so_in_words(altcraft, args, says) -> None:
    ran = altcraft(*args, script=[STARTED])
    assert (ran.code, ran.out) == (2, "")
    assert says in ran.err
    assert not any(transport.requests for transport in altcraft.transports)
    as_line = altcraft(*args, "--json", script=[STARTED])
    (line,) = as_line.lines
    assert (as_line.code, line["event"], line["error"], line["exit_code"]) == (2, "error", "Usage", 2)
    assert says in line["message"]


@pytest.mark.parametrize("args", [(), ("segments",), ("sandbox",)])
def test_a_group_without_a_command_is_2_and_lists_what_there_is(altcraft, args) -> None:
    ran = altcraft(*args)
    assert (ran.code, ran.out) == (2, "")
    assert "Commands:" in ran.err


def test_no_url_is_2_and_says_how_to_give_one(altcraft, monkeypatch) -> None:
    monkeypatch.delenv("ALTCRAFT_URL")
    ran = altcraft(*REFRESH)
    assert (ran.code, ran.out) == (2, "")
    assert "--url" in ran.err
    assert "ALTCRAFT_URL" in ran.err


@pytest.mark.parametrize("url", ["ru.altkraft.com", "ftp://host", "https://user:pw@host", "nonsense:"])
def test_a_url_that_is_none_is_2(capsys, url) -> None:
    assert run(["--url", url, *REFRESH]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert "Traceback" not in said.err
    assert "pw" not in said.err


def test_a_client_that_cannot_be_made_is_1(capsys) -> None:
    def connect(connection: object):
        raise MissingExtra("needs the package special: pip install special")

    assert run(REFRESH, connect=connect) == 1
    assert capsys.readouterr().err == "altcraft: needs the package special: pip install special\n"


def test_what_the_other_side_says_cannot_command_the_terminal(altcraft) -> None:
    ran = altcraft(*REFRESH, script=[reply(error=400, error_text="\x1b[2Jgone\nline 2\u202e", status=400)])
    assert ran.code == 1
    assert "\\x1b[2Jgone\\nline 2\\u202e" in ran.err
    assert ran.err.count("\n") == 1
