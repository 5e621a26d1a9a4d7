"""One record an event, with fields that formatters pick up; nothing unless switched on; never a body or a token."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

import altcraft
from altcraft import Client, HttpRequest, HttpResponse
from altcraft.testing import FakeTransport, reply
from altcraft_plugins import logs
from altcraft_plugins.logs import Logs
from both_clients import plain_client

pytestmark = pytest.mark.usefixtures("both_clients")

TOKEN = "recognisable-token-0123456789"
STARTED = reply({"task_id": "t-1"})
RUNNING = reply({"status": "running", "progress": 40})
DONE = reply({"status": "completed", "progress": 100, "result": []})
FAILED = reply({"status": "failed", "result": "no such\nsegment"})
BUSY = reply(error=503, error_text="later", status=503)
ATTRIBUTES = set(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


@pytest.fixture(autouse=True)
def everything(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "altcraft")


def client(script: list[Any], *plugins: object, **settings: Any) -> Any:
    return plain_client("https://your.host", TOKEN, script, plugins=plugins, **settings)


def run(script: list[Any], **settings: Any) -> None:
    with client([STARTED, *script], Logs(), **settings) as made:
        task = made.segments.refresh_counters(7, resource_id=24, db_id=1)
        try:
            task.result(timeout=60)
        except altcraft.AltcraftError:
            return


def events(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str, str]]:
    return [(record.name, record.levelname, vars(record)["kind"]) for record in caplog.records]


def test_each_event_is_one_record_of_the_logger_of_its_kind(caplog: pytest.LogCaptureFixture) -> None:
    run([RUNNING, BUSY, DONE])
    assert events(caplog) == [
        ("altcraft.exchange", "DEBUG", "exchange"),
        ("altcraft.submission", "INFO", "submitted"),
        ("altcraft.exchange", "DEBUG", "exchange"),
        ("altcraft.task", "INFO", "progress"),
        ("altcraft.exchange", "DEBUG", "exchange"),
        ("altcraft.retry", "WARNING", "retry"),
        ("altcraft.exchange", "DEBUG", "exchange"),
        ("altcraft.task", "INFO", "progress"),
        ("altcraft.task", "INFO", "completed"),
        ("altcraft.wait", "INFO", "wait_ended"),
    ]
    lines = [record.getMessage() for record in caplog.records if record.levelno > logging.DEBUG]
    assert lines[0] == "segments/refresh_counters, task t-1: submitted"
    assert lines[1] == "task t-1: running, 40 %"
    assert lines[2].startswith("tasks/status, task t-1: HTTP 503 after ")
    assert "; attempt 2 in " in lines[2]
    assert lines[4:] == [
        "segments/refresh_counters, task t-1: completed after 2 polls",
        "segments/refresh_counters, task t-1: the wait ended with the outcome",
    ]


def test_a_retry_has_its_delay_and_its_reason_as_fields(caplog: pytest.LogCaptureFixture) -> None:
    run([altcraft.ConnectionLost("reset"), BUSY, DONE])
    first, second = (vars(record) for record in caplog.records if record.name == "altcraft.retry")
    assert (first["operation"], first["task_id"], first["attempt"]) == ("tasks/status", "t-1", 1)
    assert (first["reason"], first["error_type"], first["http_status"]) == (
        "ConnectionLost (reset)", "ConnectionLost", None,
    )  # fmt: skip
    assert (second["attempt"], second["reason"], second["http_status"]) == (2, "HTTP 503", 503)
    assert first["retry_in"] > 0
    assert second["retry_in"] > 0


def test_a_failed_task_is_an_error_on_one_line(caplog: pytest.LogCaptureFixture) -> None:
    run([FAILED])
    (failed,) = (record for record in caplog.records if vars(record)["kind"] == "failed")
    assert (failed.levelname, vars(failed)["error_type"], vars(failed)["polls"]) == ("ERROR", "TaskFailed", 1)
    assert failed.getMessage().count("\n") == 0


@pytest.mark.parametrize(
    ("outcome", "in_doubt"), [(reply(error=400, error_text="no such segment"), False), (KeyboardInterrupt(), True)]
)
def test_a_failed_submission_says_whether_it_is_in_doubt(
    caplog: pytest.LogCaptureFixture, outcome: Any, in_doubt: bool
) -> None:
    with client([outcome], Logs()) as made, pytest.raises((altcraft.BadRequest, KeyboardInterrupt)):
        made.segments.refresh_counters(7, resource_id=24)
    failed = caplog.records[-1]
    assert (failed.levelname, vars(failed)["kind"], vars(failed)["in_doubt"]) == (
        "ERROR",
        "submission_failed",
        in_doubt,
    )


def test_a_wait_that_ends_without_an_outcome_is_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    run([RUNNING] * 99)
    ended = caplog.records[-1]
    assert (ended.name, ended.levelname) == ("altcraft.wait", "WARNING")
    assert vars(ended)["error_type"] == "WaitTimeout"


@pytest.mark.parametrize("codec", ["json", "xml"])
@pytest.mark.parametrize("place", ["status", "result", "error_text", "page", "headers"])
def test_a_token_that_the_platform_repeats_is_in_no_record(
    caplog: pytest.LogCaptureFixture, codec: str, place: str
) -> None:
    said = f"you sent {TOKEN}"

    def answer(request: HttpRequest) -> HttpResponse:
        if place == "status":
            return reply({"status": said, "progress": 1}, codec=codec)
        if place == "result":
            return reply({"status": "failed", "result": said}, codec=codec)
        if place == "error_text":
            return reply(error=403, error_text=said, codec=codec)
        if place == "page":
            return HttpResponse(200, {"Content-Type": "text/html"}, f"<html>{said}</html>".encode())
        return reply(error=503, status=503, codec=codec, headers={"X-Token": TOKEN, "Retry-After": TOKEN})

    with client([reply({"task_id": "t-1"}, codec=codec), *[answer] * 40], Logs(), codec=codec) as made:
        task = made.segments.refresh_counters(7, resource_id=24)
        with pytest.raises(altcraft.AltcraftError):
            task.result(timeout=5)
    assert len(caplog.records) > 3
    for record in caplog.records:
        assert TOKEN not in record.getMessage() + repr(vars(record))


def test_what_another_plugin_raises_is_named_by_its_type_alone(caplog: pytest.LogCaptureFixture) -> None:
    class Refuses:
        @altcraft.hookimpl
        def altcraft_submitting(self) -> None:
            raise ValueError(f"not with {TOKEN}")

    with client([], Logs(), Refuses()) as made, pytest.raises(ValueError, match="not with"):
        made.segments.refresh_counters(7, resource_id=24)
    assert caplog.records[-1].getMessage() == "segments/refresh_counters: the submission failed: ValueError"


def test_no_field_has_the_name_of_an_attribute_of_a_record(caplog: pytest.LogCaptureFixture) -> None:
    run([RUNNING, BUSY, FAILED])
    with client([BUSY], Logs(), retry=altcraft.Retry(attempts=1)) as made, pytest.raises(altcraft.ApiError):
        made.segments.refresh_counters(7, resource_id=24)
    fields = {name for record in caplog.records for name in vars(record)} - ATTRIBUTES
    assert fields == {
        "kind", "operation", "task_id", "key", "installation", "attempt", "elapsed", "http_status", "error_type",
        "error_text", "reason", "retry_in", "in_doubt", "status", "progress", "polls",
    }  # fmt: skip


def test_structlog_renders_the_fields_of_a_record(caplog: pytest.LogCaptureFixture) -> None:
    run([BUSY, DONE])
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[structlog.stdlib.add_log_level, structlog.stdlib.ExtraAdder()],
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, structlog.processors.JSONRenderer()],
    )
    (record,) = (record for record in caplog.records if record.name == "altcraft.retry")
    line = json.loads(formatter.format(record))
    assert (line["kind"], line["task_id"], line["http_status"], line["level"]) == ("retry", "t-1", 503, "warning")
    assert line["event"] == record.getMessage()


@pytest.fixture
def enabled() -> Iterator[None]:
    logs.enable()
    yield
    logs.disable()


def test_a_client_is_silent_unless_it_is_switched_on(caplog: pytest.LogCaptureFixture) -> None:
    with client([STARTED, DONE]) as made:
        made.segments.refresh_counters(7, resource_id=24).result()
    assert caplog.records == []


def test_enable_reaches_every_client_and_no_event_is_logged_twice(
    caplog: pytest.LogCaptureFixture, enabled: None
) -> None:
    with client([STARTED], Logs()) as own, client([STARTED]) as other:
        logs.enable()
        for made in (own, other):
            made.segments.refresh_counters(7, resource_id=24)
    assert [event[2] for event in events(caplog)] == ["exchange", "submitted"] * 2
    logs.disable()
    with client([STARTED]) as made:
        made.segments.refresh_counters(7, resource_id=24)
    assert len(caplog.records) == 4


def test_the_entry_point_switches_it_on(caplog: pytest.LogCaptureFixture) -> None:
    with client([STARTED], load_entry_points=True) as made:
        made.segments.refresh_counters(7, resource_id=24)
        assert "logs" in [plugin.name for plugin in made.plugins()]
    assert [event[2] for event in events(caplog)] == ["exchange", "submitted"]


def test_a_program_without_a_logging_configuration_gets_no_line() -> None:
    program = (
        "from altcraft import *; from altcraft.testing import *; "
        "transport = FakeTransport([ConnectError('refused'), reply([])]); "
        "client = Client('https://a.example', 'token', transport=transport, load_entry_points=True); "
        "client.databases.get_counters(5, resource_id=24); print(len(transport.requests))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert (done.stdout, done.stderr) == ("2\n", "")


def test_a_logger_that_is_switched_off_costs_no_record(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, "altcraft")
    run([BUSY, FAILED])
    assert caplog.records == []


def test_the_loggers_stand_below_the_one_that_is_given(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "acme")
    transport = FakeTransport([STARTED])
    with Client("https://your.host", TOKEN, transport=transport, plugins=[Logs("acme.altcraft")]) as made:
        made.segments.refresh_counters(7, resource_id=24)
    assert [record.name for record in caplog.records] == ["acme.altcraft.exchange", "acme.altcraft.submission"]
