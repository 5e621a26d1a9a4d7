"""A machine whose only way out is a proxy: the name of the installation resolves nowhere else."""

from __future__ import annotations

import pytest

from altcraft_plugins.cli.app import run
from plugins.cli.platform import serving
from plugins.cli.running import REFRESH, SEGMENT, STARTED, completed

BEHIND = ("--url", "http://altcraft.corp.invalid")


@pytest.fixture(autouse=True)
def no_proxy_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "ALTCRAFT_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.mark.parametrize("transport", ["urllib3", "http_client", "pycurl", "httpx"])
@pytest.mark.parametrize("way", ["option", "ALTCRAFT_PROXY", "HTTP_PROXY", "http_proxy"])
def test_a_refresh_goes_through_the_proxy_that_is_named(monkeypatch, capsys, transport: str, way: str) -> None:
    with serving(STARTED, completed(SEGMENT)) as proxy:
        named = ("--proxy", proxy.url) if way == "option" else ()
        if not named:
            monkeypatch.setenv(way, proxy.url)
        assert run([*REFRESH, *BEHIND, *named, "--transport", transport]) == 0
    assert len(proxy.bodies) == 2
    assert all(headers["Host"] == "altcraft.corp.invalid" for headers in proxy.headers)


def test_no_proxy_means_no_proxy(monkeypatch, capsys) -> None:
    with serving(STARTED, completed(SEGMENT)) as platform:
        monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
        assert run([*REFRESH, "--url", platform.url, "--retries", "0"]) == 1
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        assert run([*REFRESH, "--url", platform.url, "--retries", "0"]) == 0


def test_a_proxy_that_is_none_is_2_and_its_password_not_shown(command) -> None:
    ran = command(*REFRESH, *BEHIND, "--proxy", "nonsense://me:hunter2@proxy")
    assert (ran.code, ran.out) == (2, "")
    assert "proxy" in ran.err
    assert "hunter2" not in ran.err
