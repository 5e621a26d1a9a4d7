"""A plan's file: TOML. A mistake in it is refused with the file, the key, and what was meant."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from altcraft import Client
from altcraft_plugins.sandbox import FaultPlan, Sandbox, serve
from altcraft_plugins.sandbox.faults import (
    Drip,
    ErrorReply,
    Hang,
    Latency,
    Malformed,
    Outage,
    PrettyPrinted,
    Reset,
    TaskFails,
    TaskGoesBack,
    TaskLag,
    TaskStalls,
    TaskVanishes,
    Truncated,
    WrongContentType,
)
from altcraft_plugins.sandbox.faults.toml import KINDS

EVERYTHING = """
seed = 7

[[fault]]
kind = "latency"
seconds = "250ms"
rate = 0.1
operations = ["tasks/status", "*/get_counters"]
since = 10
until = "5m"

[[fault]]
kind = "drip"
seconds = 2

[[fault]]
kind = "error"
status = 429
body = "html"
text = "slow down"
retry_after = 5
processed = true

[[fault]]
kind = "truncated"
[[fault]]
kind = "content-type"
value = "application/json; charset=utf-16"
[[fault]]
kind = "malformed"
[[fault]]
kind = "pretty-printed"
[[fault]]
kind = "reset"
processed = true
[[fault]]
kind = "hang"
[[fault]]
kind = "outage"
since = 30
until = 60
[[fault]]
kind = "task-lag"
seconds = 3
[[fault]]
kind = "task-fails"
reason = "database is locked"
at = 40
[[fault]]
kind = "task-stalls"
seconds = "1m"
[[fault]]
kind = "task-vanishes"
[[fault]]
kind = "task-goes-back"
at = 70
"""


@pytest.fixture
def file(tmp_path):
    return tmp_path / "plan.toml"


def test_a_file_can_hold_every_fault(file):
    file.write_text(EVERYTHING)
    assert FaultPlan.read(file) == FaultPlan(
        [
            Latency(0.25, rate=0.1, operations=("tasks/status", "*/get_counters"), since=10, until=300),
            Drip(2),
            ErrorReply(429, body="html", text="slow down", retry_after=5, processed=True),
            Truncated(),
            WrongContentType("application/json; charset=utf-16"),
            Malformed(),
            PrettyPrinted(),
            Reset(processed=True),
            Hang(),
            Outage(since=30, until=60),
            TaskLag(3),
            TaskFails("database is locked", at=40),
            TaskStalls(seconds=60),
            TaskVanishes(),
            TaskGoesBack(at=70),
        ],
        seed=7,
    )


def test_the_page_about_faults_names_each_of_them_and_its_file_is_read(file):
    page = (Path(__file__).parents[4] / "docs" / "how-to" / "testing-against-faults.md").read_text("utf-8")
    rows = re.findall(r"^\| `([a-z-]+)` \| `(\w+)\(", page, re.MULTILINE)
    assert {kind: KINDS[kind].__name__ for kind in KINDS} == dict(rows)
    file.write_text(page.partition("```toml\n")[2].partition("```")[0])
    assert [type(fault) for fault in FaultPlan.read(file).faults] == [ErrorReply, TaskFails, Outage]


def test_an_empty_file_is_an_empty_plan(file):
    file.write_text("")
    assert FaultPlan.read(str(file)) == FaultPlan()


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[[fault]\n", "not TOML: .*line 1"),
        ("seeds = 7", "no such key: seeds; did you mean seed\\?"),
        ("faults = []", "no such key: faults; did you mean fault\\?"),
        ("seed = 'x'", "seed: a whole number, not 'x'"),
        ("seed = true", "seed: a whole number"),
        ("fault = 7", "fault: write each fault as a table of its own, \\[\\[fault\\]\\]"),
        ("fault = [7]", "fault: write each"),
        ("[fault]\nkind = 'reset'", "fault: write each"),
        ("[[fault]]\nrate = 1.0", "fault 1: kind: missing; it is one of latency, drip, error"),
        ("[[fault]]\nkind = 'latencies'", "fault 1: no such kind: latencies; did you mean latency\\?"),
        ("[[fault]]\nkind = 'task_fails'", "did you mean task-fails\\?"),
        ("[[fault]]\nkind = 'zzz'", "no such kind: zzz; known: latency, drip"),
        ("[[fault]]\nkind = 7", "no such kind: 7"),
        (
            "[[fault]]\nkind = 'reset'\n[[fault]]\nkind = 'reset'\nrates = 1",
            "fault 2: no such key: rates; did you mean rate\\?",
        ),
        ("[[fault]]\nkind = 'reset'\nstatus = 503", "fault 1: no such key: status; "),
        ("[[fault]]\nkind = 'error'", "fault 1 \\(error\\): status: missing"),
        ("[[fault]]\nkind = 'error'\nstatus = '503'", "status: a whole number, not a text"),
        ("[[fault]]\nkind = 'error'\nstatus = 5", "status is an HTTP status from 200 to 599, not 5"),
        ("[[fault]]\nkind = 'error'\nstatus = 503\nbody = 'xml'", "no such body: xml; known: envelope, html, empty"),
        ("[[fault]]\nkind = 'error'\nstatus = 503\nprocessed = 1", "processed: true or false, not a whole number"),
        ("[[fault]]\nkind = 'reset'\nrate = '10%'", "rate: a number, not a text"),
        ("[[fault]]\nkind = 'reset'\nrate = 10", "rate is a number from 0 to 1, not 10"),
        ("[[fault]]\nkind = 'reset'\noperations = 'tasks/status'", "operations: a list, not a text"),
        (
            "[[fault]]\nkind = 'reset'\noperations = ['tasks/stats']",
            "no such operation: tasks/stats; did you mean tasks/status",
        ),
        ("[[fault]]\nkind = 'reset'\noperations = ['task*s/']", "operations holds names such as .*not 'task\\*s/'"),
        ("[[fault]]\nkind = 'reset'\nsince = 'soon'", "fault 1: since: 'soon' is not a duration"),
        ("[[fault]]\nkind = 'reset'\nsince = 20\nuntil = 10", "until is later than since"),
        ("[[fault]]\nkind = 'outage'", "fault 1 \\(outage\\): an outage ends"),
        ("[[fault]]\nkind = 'task-stalls'\nat = 1.5", "at: a whole number, not a number"),
        ("[[fault]]\nkind = 'hang'\nseconds = inf", "seconds is a number of seconds, not inf"),
    ],
)
def test_a_mistake_is_refused_with_the_file_the_key_and_what_is_right(file, text, complaint):
    file.write_text(text)
    with pytest.raises(ValueError, match=complaint) as caught:
        FaultPlan.read(file)
    said = str(caught.value)
    assert said.startswith(f"{file}: ")
    assert "\n" not in said
    assert "`" not in said


def test_a_file_that_is_not_there_is_refused_in_one_line(file):
    with pytest.raises(ValueError, match=r"plan\.toml: the fault plan can't be read: No such file") as caught:
        FaultPlan.read(file)
    assert "\n" not in str(caught.value)
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(ValueError, match="not TOML"):
        FaultPlan.read(file)


def test_every_way_to_a_sandbox_takes_a_plan(file):
    file.write_text("[[fault]]\nkind = 'error'\nstatus = 503\n")
    plan = FaultPlan.read(file)
    for faults in (plan, file, str(file)):
        with Sandbox(worker=False, faults=faults) as sandbox:
            assert sandbox.injected() == {}
    with serve(port=0, faults=file) as server, Client(server.url, token="sandbox") as client:
        assert_unavailable(client)
    with Client(f"sandbox:?faults={file}") as client:
        assert_unavailable(client)


def assert_unavailable(client):
    from altcraft import ApiError

    with pytest.raises(ApiError) as caught:
        client.tasks.resume("1").poll()
    assert caught.value.http_status == 503


def test_a_url_with_a_wrong_plan_is_refused(file):
    file.write_text("seeds = 1")
    with pytest.raises(ValueError, match="did you mean seed"):
        Client(f"sandbox:?faults={file}")


def test_the_command_line_serves_a_plan(file):
    file.write_text("[[fault]]\nkind = 'error'\nstatus = 503\n")
    command = [sys.executable, "-m", "altcraft_plugins.cli", "sandbox", "serve", "--port", "0", "--faults", str(file)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            url = process.stdout.readline().split(" at ")[1].split()[0]
            with Client(url, token="sandbox") as client:
                assert_unavailable(client)
        finally:
            process.terminate()


def test_the_command_line_refuses_a_wrong_plan_in_one_line(file):
    file.write_text("[[fault]]\nkind = 'latency'\nsecond = 1")
    command = [sys.executable, "-m", "altcraft_plugins.cli", "sandbox", "serve", "--port", "0", "--faults", str(file)]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert f"{file}: fault 1: no such key: second; did you mean seconds?" in ran.stderr
    assert "Traceback" not in ran.stderr
