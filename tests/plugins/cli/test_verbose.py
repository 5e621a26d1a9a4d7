"""`-v` shows retries and polls, `-vv` every exchange; the library's warnings are lines of the command."""

from __future__ import annotations

import logging
import warnings
from contextlib import ExitStack

import pytest

from altcraft import Client, ConnectError, InsecureTransportWarning, Retry
from altcraft.testing import FakeTransport, reply
from altcraft_plugins.cli.app import run
from altcraft_plugins.cli.output.destination import Destination
from altcraft_plugins.cli.output.jsonlines import JsonReporter
from altcraft_plugins.cli.verbose import shown_events
from plugins.cli.running import EMAIL, REFRESH, RUNNING, SEGMENT, STARTED, TASK_ID, TOKEN, completed

BUSY = reply(error=503, error_text="later", status=503)
COUNTERS = ("segments", "counters", "7", "--resource", "24")


@pytest.mark.parametrize("place", ["before", "after"])
def test_retries_and_polls_are_lines_on_stderr(altcraft, place: str) -> None:
    args = ("-v", *REFRESH) if place == "before" else (*REFRESH, "--verbose")
    ran = altcraft(*args, script=[ConnectError("refused"), STARTED, BUSY, RUNNING, completed(SEGMENT)])
    assert ran.code == 0
    lines = ran.err.splitlines()
    assert len(lines) == 4
    assert lines[0].startswith("  segments/refresh_counters: ConnectError (refused) after ")
    assert "; attempt 2 in " in lines[0]
    assert lines[1].startswith(f"  tasks/status, task {TASK_ID}: HTTP 503 after ")
    assert lines[2:] == [f"  task {TASK_ID}: running, 40 %", f"  task {TASK_ID}: completed, 100 %"]
    assert TOKEN not in ran.err
    assert "Segment 7" in ran.out


@pytest.mark.parametrize("args", [("-vv", *REFRESH), (*REFRESH, "-v", "-v"), (*REFRESH, "--verbose", "--verbose")])
def test_given_twice_it_shows_every_exchange_once(altcraft, args: tuple[str, ...]) -> None:
    ran = altcraft(*args, script=[ConnectError("refused"), STARTED, BUSY, completed(SEGMENT)])
    assert ran.code == 0
    lines = ran.err.splitlines()
    assert len(lines) == 5
    assert "; attempt 2 in " in lines[0]
    assert lines[1].startswith("  segments/refresh_counters: HTTP 200 after ")
    assert lines[2].startswith(f"  tasks/status, task {TASK_ID}: HTTP 503 after ")
    assert lines[3].startswith(f"  tasks/status, task {TASK_ID}: HTTP 200 after ")
    assert TOKEN not in ran.err


def test_without_it_they_are_not_shown(altcraft) -> None:
    ran = altcraft(*REFRESH, script=[ConnectError("refused"), STARTED, BUSY, completed(SEGMENT)])
    assert (ran.code, ran.err) == (0, "")


@pytest.mark.parametrize(("option", "events"), [("-v", ["exchange"]), ("-vv", ["exchange", "exchange"])])
def test_with_json_they_are_lines_on_stdout(altcraft, option: str, events: list[str]) -> None:
    ran = altcraft(*COUNTERS, option, "--json", script=[BUSY, reply([EMAIL])])
    assert (ran.code, ran.err, ran.events) == (0, "", [*events, "result"])
    first, *others = ran.lines[:-1]
    assert (first["operation"], first["attempt"], first["http_status"]) == ("segments/get_counters", 1, 503)
    assert first["retry_in"] > 0
    assert [(other["attempt"], other["http_status"], "retry_in" in other) for other in others] == [
        (2, 200, False) for _ in events[1:]
    ]


def test_a_plain_operation_has_it_too(altcraft) -> None:
    ran = altcraft(*COUNTERS, "-vv", script=[ConnectError("refused")], retry=Retry(attempts=1))
    assert ran.err.startswith("  segments/get_counters: ConnectError (refused) after ")


def test_a_program_that_runs_commands_gets_none_of_their_records(altcraft, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    altcraft(*COUNTERS, "-vv", script=[reply([EMAIL])])
    assert caplog.records == []


def test_two_clients_of_a_command_show_each_exchange_once(capsys) -> None:
    reporter = JsonReporter(Destination(None))
    transports = [FakeTransport([reply([EMAIL])]) for _ in range(2)]
    with ExitStack() as stack:
        for transport in transports:
            client = stack.enter_context(Client("https://example.com", TOKEN, transport=transport))
            stack.enter_context(shown_events(client, reporter, 2))
            client.segments.get_counters(7, resource_id=24)
    assert capsys.readouterr().out.count('"exchange"') == 2


@pytest.mark.parametrize("mode", [(), ("--json",)])
def test_a_warning_of_the_library_is_a_line(capsys, mode: tuple[str, ...]) -> None:
    def connect(connection: object) -> Client:
        warnings.warn(InsecureTransportWarning("the token travels\nunencrypted"), stacklevel=1)
        return Client("https://example.com", TOKEN, transport=FakeTransport([reply([EMAIL])]))

    assert run([*COUNTERS, *mode], connect=connect) == 0
    out, err = capsys.readouterr()
    if mode:
        assert '{"event": "warning", "message": "the token travels\\nunencrypted"}' in out
    else:
        assert err == "altcraft: warning: the token travels\\nunencrypted\n"
