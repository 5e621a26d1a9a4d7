"""Options and environment variables reach the client: connection, retries, polls, plugins, token."""

from __future__ import annotations

import pytest

from altcraft import Polling, Retry
from altcraft.testing import reply
from altcraft_plugins.cli.app import run
from plugins.cli.running import EMAIL, REFRESH, RUNNING, STARTED, Terminal

COUNTERS = ("segments", "counters", "7", "--resource", "24")

OPTIONS = [
    ("--codec", "xml", "codec", "xml"),
    ("--auth", "bearer", "auth", "bearer"),
    ("--transport", "http_client", "transport", "http_client"),
    ("--proxy", "http://proxy.example:3128", "proxy", "http://proxy.example:3128"),
    ("--ca-file", "/etc/ours.pem", "ca_file", "/etc/ours.pem"),
    ("--connections", "3", "connections", 3),
    ("--keep-idle", "1m", "keep_idle", 60.0),
    ("--request-timeout", "2m", "request_timeout", 120.0),
    ("--retries", "0", "retry", Retry(attempts=1)),
    ("--retries", "9", "retry", Retry(attempts=10)),
    ("--retry-base", "100ms", "retry", Retry(base=0.1)),
    ("--retry-maximum", "1m", "retry", Retry(maximum=60.0)),
    ("--retry-patience", "10m", "retry", Retry(patience=600.0)),
]
POLLS = [
    ("--poll-initial", "5", Polling(initial=5.0)),
    ("--poll-maximum", "2m", Polling(maximum=120.0)),
    ("--poll-factor", "2", Polling(factor=2.0)),
    ("--poll-stall-after", "1h", Polling(stall_after=3600.0)),
    ("--poll-deadline", "1d", Polling(deadline=86_400.0)),
    ("--poll-grace", "0", Polling(grace=0.0)),
    ("--poll-done", "ready", Polling(done={"ready"})),
    ("--poll-failed", "lost", Polling(failed={"lost"})),
]


def variable(option: str) -> str:
    return "ALTCRAFT_" + option.removeprefix("--").replace("-", "_").upper()


@pytest.mark.parametrize(("option", "text", "field", "value"), OPTIONS)
def test_an_option_reaches_the_connection(altcraft: Terminal, option, text, field, value) -> None:
    assert altcraft(*COUNTERS, option, text, script=[reply([EMAIL])]).code == 0
    assert getattr(altcraft.connections[0], field) == value


@pytest.mark.parametrize(("option", "text", "field", "value"), OPTIONS)
def test_so_does_the_variable_of_its_name(altcraft: Terminal, monkeypatch, option, text, field, value) -> None:
    monkeypatch.setenv(variable(option), f" {text}\n")
    assert altcraft(*COUNTERS, script=[reply([EMAIL])]).code == 0
    assert getattr(altcraft.connections[0], field) == value


@pytest.mark.parametrize(("option", "text", "polling"), POLLS)
def test_the_schedule_of_polls_can_be_set(altcraft: Terminal, monkeypatch, option, text, polling) -> None:
    assert altcraft(*REFRESH, option, text, "--no-wait", script=[STARTED]).code == 0
    monkeypatch.setenv(variable(option), text)
    assert altcraft(*REFRESH, "--no-wait", script=[STARTED]).code == 0
    assert [connection.polling for connection in altcraft.connections] == [polling, polling]


def test_several_statuses_are_typed_one_by_one_or_set_with_commas(altcraft: Terminal, monkeypatch) -> None:
    both = Polling(done={"ready", "done"})
    altcraft(*REFRESH, "--poll-done", "ready", "--poll-done", "done", "--no-wait", script=[STARTED])
    monkeypatch.setenv("ALTCRAFT_POLL_DONE", "ready,done")
    altcraft(*REFRESH, "--no-wait", script=[STARTED])
    assert [connection.polling for connection in altcraft.connections] == [both, both]


def test_what_is_typed_comes_before_the_environment_wherever_it_stands(altcraft: Terminal, monkeypatch) -> None:
    monkeypatch.setenv("ALTCRAFT_CODEC", "xml")
    for args in [("--codec", "json", *COUNTERS), (*COUNTERS, "--codec", "json")]:
        altcraft(*args, script=[reply([EMAIL])])
    assert [connection.codec for connection in altcraft.connections] == ["json", "json"]


@pytest.mark.parametrize(
    ("name", "text"), [("ALTCRAFT_TIMEOUT", "soon"), ("ALTCRAFT_RETRIES", "-1"), ("ALTCRAFT_AUTH", "basic")]
)
def test_a_variable_that_makes_no_sense_is_2_and_named(altcraft: Terminal, monkeypatch, name, text) -> None:
    monkeypatch.setenv(name, text)
    ran = altcraft(*REFRESH, script=[STARTED])
    assert (ran.code, ran.out) == (2, "")
    assert f"{name}: " in ran.err


def test_the_timeout_of_the_environment_ends_a_wait(altcraft: Terminal, monkeypatch) -> None:
    monkeypatch.setenv("ALTCRAFT_TIMEOUT", "5s")
    assert altcraft(*REFRESH, script=[STARTED, RUNNING], repeat=True).code == 3
    assert altcraft.transports[0].clock.now == pytest.approx(5)


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (("--poll-initial", "60"), "maximum"),
        (("--retry-base", "60"), "maximum"),
        (("--poll-done", "failed"), "failed"),
        (("--poll-factor", "0.5"), "0.5"),
        (("--connections", "0"), "0"),
        (("--codec", "yaml"), "yaml"),
        (("--transport", "pigeon"), "pigeon"),
        (("--transport", "aiohttp"), "AsyncClient"),
        (("--ca-file", "/no/such/file.pem"), "/no/such/file.pem"),
        (("--plugin", "no_such_module"), "no_such_module"),
        (("--plugin", "os:no_such_name"), "no_such_name"),
        (("--plugin", "os:environ"), "plugin"),
    ],
)
def test_settings_that_make_no_sense_are_2_and_send_nothing(capsys, args, says) -> None:
    assert run([*REFRESH, "--url", "https://127.0.0.1:9", *args]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert says in said.err
    assert "Traceback" not in said.err


def test_an_embedded_sandbox_needs_no_proxy(capsys, monkeypatch) -> None:
    monkeypatch.setenv("ALTCRAFT_PROXY", "http://127.0.0.1:9")
    assert run(["databases", "counters", "5", "--resource", "24", "--url", "sandbox:"]) == 0
    assert "1336" in capsys.readouterr().out
