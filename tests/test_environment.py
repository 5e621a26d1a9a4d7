"""`Client.from_env` and `client.check`, on both clients."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from altcraft import ApiError, AsyncClient, Client, ConnectError, DecodeError, HttpResponse, NotFound, Unauthorized
from altcraft.testing import reply
from both_clients import World

VARIABLES = ("ALTCRAFT_URL", "ALTCRAFT_TOKEN", "ALTCRAFT_TOKEN_FILE", "ALTCRAFT_CODEC", "ALTCRAFT_AUTH")

both = pytest.mark.parametrize("kind", [Client, AsyncClient])


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


def sent_by(world: World, client: Any) -> Any:
    world.clients.append(client)
    world.do(client.databases.get_counters(5, resource_id=24))
    return client.fake.requests[0]


def made(world: World, **settings: Any) -> Any:
    fake = world.transport([reply([])])
    client = (AsyncClient if world.is_async else Client).from_env(transport=fake, **settings)
    client.fake = fake  # type: ignore[union-attr]  # the world's own mark
    return client


def test_the_environment_makes_a_client(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALTCRAFT_URL", "https://your.host")
    monkeypatch.setenv("ALTCRAFT_TOKEN", "from-the-environment")
    monkeypatch.setenv("ALTCRAFT_CODEC", "xml")
    monkeypatch.setenv("ALTCRAFT_AUTH", "bearer")
    request = sent_by(world, made(world))
    assert request.url.startswith("https://your.host/api/v1.1/")
    assert request.headers["Authorization"] == "Bearer from-the-environment"
    assert request.headers["Content-Type"] == "application/xml"


def test_keywords_override_the_environment(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALTCRAFT_URL", "https://your.host")
    monkeypatch.setenv("ALTCRAFT_TOKEN", "from-the-environment")
    request = sent_by(world, made(world, url="https://other.host", token="mine", auth="bearer"))
    assert request.url.startswith("https://other.host/")
    assert request.headers["Authorization"] == "Bearer mine"


def test_the_token_may_stand_in_a_file(world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("from-a-file\n")
    monkeypatch.setenv("ALTCRAFT_URL", "https://your.host")
    monkeypatch.setenv("ALTCRAFT_TOKEN_FILE", str(tmp_path / "token"))
    request = sent_by(world, made(world, auth="bearer"))
    assert request.headers["Authorization"] == "Bearer from-a-file"


@both
def test_a_missing_url_is_said_by_its_variable(kind: Any) -> None:
    with pytest.raises(ValueError, match="ALTCRAFT_URL is not set"):
        kind.from_env()


@both
def test_a_token_file_that_cannot_be_read_is_said_by_its_path(
    kind: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ALTCRAFT_URL", "https://your.host")
    monkeypatch.setenv("ALTCRAFT_TOKEN_FILE", str(tmp_path / "none"))
    with pytest.raises(ValueError, match=r"ALTCRAFT_TOKEN_FILE=.*none.*No such file"):
        kind.from_env()


def check(world: World, outcome: Any) -> Any:
    client = world.client([outcome])
    try:
        return world.do(client.check())
    finally:
        assert len(client.fake.requests) == 1


@pytest.mark.parametrize(
    "answer",
    [
        reply(error=404, error_text="no such task"),
        reply(error=404, error_text="no such task", status=404),
        reply(error=400, error_text="incorrect request"),
        reply({"status": "completed", "result": []}),
    ],
)
def test_the_platforms_own_word_about_the_task_is_a_passed_check(world: World, answer: HttpResponse) -> None:
    assert check(world, answer) is None


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (reply(error=401, error_text="API token required"), Unauthorized),
        (HttpResponse(404, {"Content-Type": "text/html"}, b"<html><title>Not found</title></html>"), NotFound),
        (HttpResponse(200, {"Content-Type": "text/html"}, b"<html><title>Welcome</title></html>"), DecodeError),
        (HttpResponse(302, {"Location": "https://elsewhere.example/"}, b""), ApiError),
        (ConnectError("refused"), ConnectError),
    ],
)
def test_a_check_raises_what_is_wrong(world: World, answer: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        check(world, answer)


def test_settings_and_plugins_of_a_client_are_readable(world: World) -> None:
    client = world.client([])
    assert client.polling.initial == 1.0
    assert client.retry.attempts == 4
    assert client.settings.keep_idle == 30.0
    assert client.plugins() == ()
