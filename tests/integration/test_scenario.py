"""One scenario, end to end: over every transport, in both formats and both auth modes, on both clients."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from altcraft import (
    DatabaseStatistics,
    NotFound,
    Polling,
    ResourceStatistics,
    SegmentStatistics,
    TaskFailed,
    Unauthorized,
)
from altcraft.schema import SegmentsRefreshCounters
from altcraft_plugins.sandbox import Sandbox
from altcraft_transports.asgi import AsgiTransport
from altcraft_transports.threads import ThreadsTransport
from altcraft_transports.wsgi import WsgiTransport
from integration.carriers import Session, as_asgi, over_a_socket, session
from integration.servers import serving, serving_in_a_process

pytestmark = pytest.mark.leaves_threads  # the server is shared by the module

TOKEN = "abcdefghijklmnqrstuvwxyz"
BRISK = Polling(initial=0.01, maximum=0.05)

Opener = Callable[..., Any]
"""Opens a client: opener(codec=, auth=, token=)."""

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


def scenario(run: Session, opener: Opener) -> None:
    """What a user does with an installation, from the first refresh to the last refusal."""
    with opener() as client:
        task = run.do(client.segments.refresh_counters(7, resource_id=24, db_id=1))
        assert not task.done()
        seen: list[Any] = []
        (segment,) = run.do(task.result(timeout=60, on_progress=lambda status: seen.append(status.progress)))
        assert isinstance(segment, SegmentStatistics)
        assert {channel.channel: channel.status.subscribed_sendable for channel in segment.channels}["email"] == 209
        assert seen[-1] == 100

        (database,) = run.do(run.do(client.databases.refresh_counters(5, resource_id=24)).result(timeout=60))
        assert isinstance(database, DatabaseStatistics)
        email = database.channels[0]
        assert email.channel == "email"
        assert (email.status.all, email.status.hardbounced, email.status.subscribed) == (1336, 411, 925)
        assert database.total_count == 1336
        assert database.counted_at is not None

        refreshing = run.do(client.resources.refresh_counters(24, list_id=5))
        (resource,) = run.do(refreshing.result(timeout=60))
        assert isinstance(resource, ResourceStatistics)
        assert (resource.list_id, resource.total_count) == (5, 1336)

        (email, *_) = run.do(client.segments.get_counters(7, resource_id=24, list_id=1))
        assert email.status.subscribed_sendable == 209
        (email, *_) = run.do(client.databases.get_counters(5, resource_id=24))
        assert (email.status.all, email.status.hardbounced, email.status.subscribed) == (1336, 411, 925)

        state = run.do(client.tasks.status(task.id))
        assert state.status == "completed"
        assert state.result == [segment]
        (statistics,) = run.do(client.tasks.resume(refreshing.id).result(timeout=60))
        assert statistics == resource

        many = run.do(client.submit_many([SegmentsRefreshCounters(7, 24, db_id=1) for _ in range(5)]))
        assert set(run.do(client.tasks.as_completed(many, timeout=60))) == set(many)
        assert all(run.do(each.result())[0].channels == segment.channels for each in many)

        failing = run.do(client.segments.refresh_counters(13, resource_id=24, db_id=1))
        with pytest.raises(TaskFailed, match=rf"segments/refresh_counters at .*, task {failing.id}"):
            run.do(failing.result(timeout=60))
        with pytest.raises(NotFound, match=r"databases/refresh_counters at .*: error 404"):
            run.do(client.databases.refresh_counters(6, resource_id=24))
        with pytest.raises(NotFound):
            run.do(client.tasks.status("no-such-task"))

        with opener() as another:
            resumed = another.tasks.resume(task.resume_token)
            assert run.do(resumed.result(timeout=60)) == [segment]
    with opener(token="not-the-one") as stranger, pytest.raises(Unauthorized) as caught:
        run.do(stranger.segments.get_counters(7, resource_id=24))
    assert "not-the-one" not in str(caught.value)


@every_auth
@every_format
@pytest.mark.parametrize(("kind", "transport"), list(over_a_socket()))
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
        wsgi = WsgiTransport(lambda environ, start: sandbox(environ, start))  # one that the client does not close
        return wsgi if kind == "Client" else ThreadsTransport(wsgi)

    with session(kind) as run:

        def opener(token: str = TOKEN) -> Any:
            url = "https://sandbox.example"
            return run.client(url, token, transport=transport(), codec=codec, auth=auth, polling=BRISK)

        scenario(run, opener)


@pytest.mark.parametrize("kind", ["Client", "AsyncClient"])
def test_the_scenario_passes_against_a_sandbox_that_is_served_as_its_users_serve_it(kind: str) -> None:
    with serving_in_a_process() as url, session(kind) as run:
        scenario(run, lambda token=TOKEN: run.client(url, token, polling=BRISK))


def test_the_default_transports_are_among_those_that_were_tried() -> None:
    assert {("Client", "urllib3"), ("AsyncClient", "threads"), ("Client", "http_client")} <= set(over_a_socket())
