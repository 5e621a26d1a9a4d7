"""One scenario, end to end: on both clients, over every transport, in both formats and both auth modes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from altcraft_plugins.sandbox import Sandbox
from altcraft_transports.asgi import AsgiTransport
from altcraft_transports.threads import ThreadsTransport
from altcraft_transports.wsgi import WsgiTransport
from integration.carriers import as_asgi, every_wire_at_length, over_a_socket, session
from integration.scenario import BRISK, TOKEN, scenario
from integration.servers import serving, serving_in_a_process

pytestmark = pytest.mark.leaves_threads  # the server is shared by the module

every_format = pytest.mark.parametrize("codec", ["json", "xml"])
every_auth = pytest.mark.parametrize("auth", ["body", "bearer"])


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(pace=0) as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def url(sandbox: Sandbox) -> Iterator[str]:
    with serving(sandbox) as url:
        yield url


@every_auth
@every_format
@every_wire_at_length
def test_the_scenario_passes_over_a_real_socket(kind: str, transport: str, codec: str, auth: str, url: str) -> None:
    with session(kind) as run:

        def opener(token: str = TOKEN) -> Any:
            return run.client(url, token, transport=transport, codec=codec, auth=auth, polling=BRISK)

        scenario(run, opener)


@every_auth
@every_format
@pytest.mark.parametrize("kind", ["Client", "AsyncClient"])
def test_the_scenario_passes_in_process(kind: str, codec: str, auth: str, tmp_path: Path) -> None:
    with session(kind) as run:

        def opener(token: str | None = None) -> Any:
            url = f"sandbox:?pace=0&db={tmp_path / 'kept.sqlite3'}"
            return run.client(url, token, codec=codec, auth=auth, polling=BRISK)

        scenario(run, opener)


@every_auth
@every_format
@pytest.mark.parametrize(("kind", "port"), [("Client", "wsgi"), ("AsyncClient", "wsgi"), ("AsyncClient", "asgi")])
def test_the_scenario_passes_without_a_socket(kind: str, port: str, codec: str, auth: str, sandbox: Sandbox) -> None:
    def transport() -> Any:
        if port == "asgi":
            return AsgiTransport(as_asgi(sandbox))
        wsgi = WsgiTransport(
            lambda environ, start: sandbox(environ, start)
        )  # the client closes this transport, and not the sandbox
        return wsgi if kind == "Client" else ThreadsTransport(wsgi)

    with session(kind) as run:

        def opener(token: str = TOKEN) -> Any:
            url = "https://sandbox.example"
            return run.client(url, token, transport=transport(), codec=codec, auth=auth, polling=BRISK)

        scenario(run, opener)


@pytest.mark.parametrize("kind", ["Client", "AsyncClient"])
def test_the_scenario_passes_against_altcraft_sandbox_serve(kind: str) -> None:
    with serving_in_a_process() as url, session(kind) as run:
        scenario(run, lambda token=TOKEN: run.client(url, token, polling=BRISK))


def test_the_scenario_ran_over_the_default_transports() -> None:
    assert {("Client", "urllib3"), ("AsyncClient", "threads"), ("Client", "http_client")} <= set(over_a_socket())
