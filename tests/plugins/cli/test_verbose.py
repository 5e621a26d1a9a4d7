"""`-v` shows exchanges, retries and polls; the library's warnings are lines of the command."""

from __future__ import annotations

import warnings

import pytest

from altcraft import Client, ConnectError, InsecureTransportWarning, Retry
from altcraft.testing import FakeTransport, reply
from altcraft_plugins.cli.app import run
from plugins.cli.running import EMAIL, REFRESH, RUNNING, SEGMENT, STARTED, TASK_ID, TOKEN, completed

BUSY = reply(error=503, error_text="later", status=503)
COUNTERS = ("segments", "counters", "7", "--resource", "24")


@pytest.mark.parametrize("place", ["before", "after"])
def test_exchanges_retries_and_polls_are_lines_on_stderr(altcraft, place: str) -> None:
    args = ("-v", *REFRESH) if place == "before" else (*REFRESH, "--verbose")
    ran = altcraft(*args, script=[ConnectError("refused"), STARTED, BUSY, RUNNING, completed(SEGMENT)])
    assert ran.code == 0
    lines = ran.err.splitlines()
    assert lines[0].startswith("  segments/refresh_counters: ConnectError (refused) after ")
    assert "; attempt 2 in " in lines[0]
    assert lines[1].startswith("  segments/refresh_counters: HTTP 200 after ")
    assert lines[2].startswith(f"  tasks/status, task {TASK_ID}: HTTP 503 after ")
    assert lines[4] == f"  task {TASK_ID}: running, 40 %"
    assert lines[-1] == f"  task {TASK_ID}: completed, 100 %"
    assert TOKEN not in ran.err
    assert "Segment 7" in ran.out


def test_without_it_they_are_not_shown(altcraft) -> None:
    ran = altcraft(*REFRESH, script=[ConnectError("refused"), STARTED, BUSY, completed(SEGMENT)])
    assert (ran.code, ran.err) == (0, "")


def test_with_json_they_are_lines_on_stdout(altcraft) -> None:
    ran = altcraft(*COUNTERS, "-v", "--json", script=[BUSY, reply([EMAIL])])
    assert (ran.code, ran.err, ran.events) == (0, "", ["exchange", "exchange", "result"])
    first, second = ran.lines[:2]
    assert (first["operation"], first["attempt"], first["http_status"]) == ("segments/get_counters", 1, 503)
    assert first["retry_in"] > 0
    assert (second["attempt"], second["http_status"], "retry_in" in second) == (2, 200, False)


def test_a_plain_operation_has_it_too(altcraft) -> None:
    ran = altcraft(*COUNTERS, "-v", script=[ConnectError("refused")], retry=Retry(attempts=1))
    assert ran.err.startswith("  segments/get_counters: ConnectError (refused) after ")


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
