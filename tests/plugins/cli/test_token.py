"""Where the token comes from, and that no output shows it."""

from __future__ import annotations

from pathlib import Path

import pytest

from altcraft import HttpResponse
from altcraft.testing import reply
from altcraft_plugins.cli.app import run
from plugins.cli.platform import Answer, serving
from plugins.cli.running import EMAIL, REFRESH, TOKEN, Terminal, process

COUNTERS = ("segments", "counters", "7", "--resource", "24")
HTML = HttpResponse(500, {"Content-Type": "text/html"}, b"<html><h1>Bad gateway</h1></html>")


def echo(body: bytes) -> HttpResponse:
    return HttpResponse(500, {"Content-Type": "text/plain"}, body)


def echo_in_envelope(body: bytes) -> HttpResponse:
    return reply(error=403, error_text=f"not for {body.decode()}", status=403)


FAILING = [HTML, echo, echo_in_envelope, reply({}), HttpResponse(200, {}, b""), reply(error=401, error_text=TOKEN)]


@pytest.mark.slow
@pytest.mark.parametrize("answer", FAILING)
def test_no_failure_shows_the_token_anywhere(answer: Answer) -> None:
    with serving(answer) as platform:
        env = {"ALTCRAFT_URL": platform.url, "ALTCRAFT_TOKEN": TOKEN, "PYTHONDEVMODE": "1"}
        ran = process(*REFRESH, env=env)
        assert TOKEN.encode() in platform.bodies[0]
    assert ran.code == 1
    assert TOKEN not in ran.out + ran.err
    assert "Traceback" not in ran.err


@pytest.mark.parametrize("auth", ["body", "bearer"])
@pytest.mark.parametrize("codec", ["json", "xml"])
@pytest.mark.parametrize("json_", [(), ("--json",)])
@pytest.mark.parametrize("answer", FAILING)
def test_no_failure_shows_the_token_in_any_format(
    answer: Answer,
    auth: str,
    codec: str,
    json_: tuple[str, ...],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv("ALTCRAFT_TOKEN", TOKEN)
    caplog.set_level("DEBUG")
    with serving(answer) as platform:
        assert run(["--url", platform.url, *REFRESH, "--auth", auth, "--codec", codec, *json_]) == 1
    assert TOKEN not in "".join(capfd.readouterr()) + caplog.text


@pytest.mark.parametrize(
    "args",
    [
        ("--token", TOKEN, *REFRESH),
        (f"--token={TOKEN}", *REFRESH),
        ("segments", "--token", TOKEN, *REFRESH[1:]),
        (*REFRESH, "--token", TOKEN),
        (*REFRESH, "--json", f"--token={TOKEN}"),
        ("demo", "--token", TOKEN),
        ("sandbox", "serve", "--token", TOKEN),
        (*REFRESH, f"--api-token={TOKEN}"),
        (*REFRESH, "-t", TOKEN),
        (*REFRESH, f"-t{TOKEN}"),
    ],
)
def test_a_token_that_is_typed_is_refused_and_not_repeated(command, args: tuple[str, ...]) -> None:
    ran = command(*args)
    assert ran.code == 2
    assert TOKEN not in ran.out + ran.err
    if not any("-t" in arg.partition("token")[0].partition("--")[0] or "api" in arg for arg in args):
        assert "ALTCRAFT_TOKEN" in ran.out + ran.err


@pytest.mark.parametrize("variable", ["ALTCRAFT_TOKEN", "ALTCRAFT_TOKEN_FILE"])
def test_a_token_in_the_wrong_place_is_masked(command, tmp_path: Path, variable: str) -> None:
    file = tmp_path / "token"
    file.write_text(f"{TOKEN}\n")
    ran = command(*REFRESH, TOKEN, **{variable: TOKEN if variable == "ALTCRAFT_TOKEN" else str(file)})
    assert ran.code == 2
    assert "***" in ran.err
    assert TOKEN not in ran.err


@pytest.mark.parametrize(("token", "auth"), [("two words", "body"), ("a\tb", "bearer"), ("тайна", "bearer")])
def test_a_token_that_no_request_can_carry_is_2_and_not_shown(command, token: str, auth: str) -> None:
    ran = command(*REFRESH, "--auth", auth, ALTCRAFT_TOKEN=token)
    assert ran.code == 2
    assert token not in ran.err


def token_of(altcraft: Terminal, *args: str) -> str:
    """The token with which a command would talk to the platform."""
    altcraft(*COUNTERS, *args, script=[reply([EMAIL])])
    return altcraft.connections[-1].token.value


def test_the_token_comes_from_its_variable_or_from_a_file(altcraft: Terminal, monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ALTCRAFT_TOKEN", "sesame-one\n")
    assert token_of(altcraft) == "sesame-one"
    monkeypatch.delenv("ALTCRAFT_TOKEN")
    (tmp_path / "token").write_text("sesame-two\n")
    monkeypatch.setenv("ALTCRAFT_TOKEN_FILE", str(tmp_path / "token"))
    assert token_of(altcraft) == "sesame-two"
    assert "sesame" not in repr(altcraft.connections)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "No such file"),
        ("", "is empty"),
        ("two words", "spaces or control characters"),
        (b"\xff\xfe", "not text"),
    ],
)
def test_a_token_file_that_holds_no_token_is_2_and_named(altcraft, monkeypatch, tmp_path: Path, content, says) -> None:
    path = tmp_path / "token"
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    monkeypatch.setenv("ALTCRAFT_TOKEN_FILE", str(path))
    ran = altcraft(*COUNTERS, script=[reply([EMAIL])])
    assert (ran.code, ran.out) == (2, "")
    assert str(path) in ran.err
    assert says in ran.err
    assert "two words" not in ran.err


def test_a_token_and_a_token_file_are_one_too_many(altcraft, monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ALTCRAFT_TOKEN", "sesame")
    monkeypatch.setenv("ALTCRAFT_TOKEN_FILE", str(tmp_path / "token"))
    ran = altcraft(*COUNTERS)
    assert ran.code == 2
    assert "not both" in ran.err


def test_a_missing_token_and_a_wrong_one_are_told_apart(altcraft, monkeypatch, tmp_path: Path) -> None:
    refusal = reply(error=401, error_text="API token required", status=401)
    assert "no token was sent" in altcraft(*COUNTERS, script=[refusal]).err
    monkeypatch.setenv("ALTCRAFT_TOKEN", "wrong")
    assert "the token in ALTCRAFT_TOKEN was refused" in altcraft(*COUNTERS, script=[refusal]).err
    monkeypatch.delenv("ALTCRAFT_TOKEN")
    (tmp_path / "token").write_text("wrong")
    monkeypatch.setenv("ALTCRAFT_TOKEN_FILE", str(tmp_path / "token"))
    assert (
        f"the token in the file {tmp_path / 'token'} (ALTCRAFT_TOKEN_FILE) was refused"
        in altcraft(*COUNTERS, script=[refusal]).err
    )
