"""Which tokens a served sandbox accepts, and what it tells a client."""

from __future__ import annotations

import ipaddress
import subprocess
from urllib.parse import urlsplit

import pytest

from altcraft import Client, InsecureTransportWarning, Unauthorized
from altcraft_plugins.sandbox import create_app
from altcraft_plugins.sandbox.server import serve
from plugins.sandbox.api import post


@pytest.fixture(autouse=True)
def no_variables(monkeypatch):
    for name in ("ALTCRAFT_SANDBOX_TOKEN", "ALTCRAFT_SANDBOX_TOKEN_FILE"):
        monkeypatch.delenv(name, raising=False)


def exported(server, name):
    """The value of a variable after the shell has run the printed lines."""
    script = "\n".join([*server.exports, f'printf %s "${name}"'])
    return subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True).stdout


def counters(url, token):
    with Client(url, token=token) as client:
        return client.databases.get_counters(5, resource_id=24)


def test_without_settings_the_public_token_is_accepted_and_exported():
    with serve(port=0, profiles=50) as server:
        assert server.exports == [f"export ALTCRAFT_URL={server.url}", "export ALTCRAFT_TOKEN=sandbox"]
        assert counters(server.url, exported(server, "ALTCRAFT_TOKEN"))


def test_a_token_in_the_environment_replaces_the_public_one_and_is_not_printed(monkeypatch):
    monkeypatch.setenv("ALTCRAFT_SANDBOX_TOKEN", "my-own")
    with serve(port=0, profiles=50) as server:
        assert "my-own" not in "".join(server.exports)
        assert exported(server, "ALTCRAFT_TOKEN") == "my-own"
        assert counters(server.url, "my-own")
        with pytest.raises(Unauthorized):
            counters(server.url, "sandbox")


def test_a_file_may_hold_several_tokens(monkeypatch, tmp_path):
    file = tmp_path / "the tokens'"
    file.write_text("first\nsecond\n")
    monkeypatch.setenv("ALTCRAFT_SANDBOX_TOKEN_FILE", str(file))
    with serve(port=0, profiles=50) as server:
        assert exported(server, "ALTCRAFT_TOKEN") == "first"
        assert counters(server.url, "first")
        assert counters(server.url, "second")


def test_tokens_given_in_code_win_and_are_not_printed(monkeypatch):
    monkeypatch.setenv("ALTCRAFT_SANDBOX_TOKEN", "my-own")
    with serve(port=0, tokens=["given"]) as server:
        assert server.exports == [f"export ALTCRAFT_URL={server.url}"]
        assert counters(server.url, "given")


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_an_address_that_other_machines_reach_refuses_the_public_token(monkeypatch, host):
    with pytest.raises(ValueError, match="ALTCRAFT_SANDBOX_TOKEN"):
        serve(host, port=0, profiles=50)
    with pytest.raises(ValueError, match="public token"):
        serve(host, port=0, tokens=["my-own", "abcdefghijklmnqrstuvwxyz"])
    monkeypatch.setenv("ALTCRAFT_SANDBOX_TOKEN", "sandbox")
    with pytest.raises(ValueError, match="public token"):
        serve(host, port=0, profiles=50)


def test_with_a_token_of_its_own_it_listens_anywhere_and_its_url_can_be_reached(monkeypatch):
    monkeypatch.setenv("ALTCRAFT_SANDBOX_TOKEN", "my-own")
    with serve("0.0.0.0", port=0) as server:
        host = urlsplit(server.url).hostname
        assert host is not None
        assert not ipaddress.ip_address(host).is_unspecified
        with pytest.warns(InsecureTransportWarning):
            assert counters(server.url, "my-own")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.0.0.2"])
def test_loopback_accepts_the_public_token(host):
    with serve(host, port=0, profiles=50) as server:
        assert counters(server.url, "sandbox")


@pytest.mark.parametrize("token", ["", " ", "two words", "line\nbreak", "tab\there", "nul\x7f"])
def test_a_token_that_no_client_can_send_is_refused(monkeypatch, token):
    monkeypatch.setenv("ALTCRAFT_SANDBOX_TOKEN", token)
    with pytest.raises(ValueError, match="ALTCRAFT_SANDBOX_TOKEN holds no token"):
        serve(port=0, profiles=50)


def test_a_file_that_can_not_be_used_is_refused(monkeypatch, tmp_path):
    monkeypatch.setenv("ALTCRAFT_SANDBOX_TOKEN_FILE", str(tmp_path / "missing"))
    with pytest.raises(ValueError, match="missing can't be read"):
        serve(port=0, profiles=50)
    (tmp_path / "empty").write_text("\n\n")
    monkeypatch.setenv("ALTCRAFT_SANDBOX_TOKEN_FILE", str(tmp_path / "empty"))
    with pytest.raises(ValueError, match="ALTCRAFT_SANDBOX_TOKEN_FILE holds no token"):
        serve(port=0, profiles=50)
    monkeypatch.setenv("ALTCRAFT_SANDBOX_TOKEN", "both")
    with pytest.raises(ValueError, match="not both"):
        serve(port=0, profiles=50)


def test_an_app_for_other_servers_takes_its_token_from_the_environment(monkeypatch):
    monkeypatch.setenv("ALTCRAFT_SANDBOX_TOKEN", "my-own")
    with create_app() as app:
        asked = {"id": 5, "resource_id": 24}
        assert post(app, "databases/get_counters", {**asked, "token": "my-own"}).status == 200
        assert post(app, "databases/get_counters", {**asked, "token": "sandbox"}).status == 401


def test_a_wrong_token_is_told_apart_from_a_missing_one(app):
    asked = {"id": 5, "resource_id": 24}
    missing = post(app, "databases/get_counters", {**asked, "token": ""})
    wrong = post(app, "databases/get_counters", {**asked, "token": "a-mistake"})
    assert (missing.status, missing.json["error_text"]) == (401, "API token required")
    assert (wrong.status, wrong.json["error_text"]) == (401, "the API token is wrong")
    assert b"a-mistake" not in wrong.body
