"""The client behind a real nginx: what it does to replies, and what the client makes of its own error pages."""

from __future__ import annotations

import threading
import time

import pytest

from altcraft import ApiError, BadRequest, Polling, RateLimited, Retry
from integration.carriers import Session
from integration.scenario import BRISK, TOKEN, scenario
from servers.programs import Nginx
from servers.upstream import NUMBERED, Numbered, Upstream, serving_on
from servers.wires import every_format, every_wire

API = "/api/v1.1"


@every_format
@every_wire
@pytest.mark.parametrize("place", ["plain", "gzip", "brief", "prefix"])
def test_the_scenario_passes(place: str, run: Session, transport: str, codec: str, nginx: Nginx) -> None:
    url = nginx.places[place].url + (f"/crm{API}" if place == "prefix" else "")
    scenario(run, lambda token=TOKEN: run.client(url, token, transport=transport, codec=codec, polling=BRISK))


@every_wire
def test_plain_http_to_a_tls_port_is_a_bad_request(run: Session, transport: str, nginx: Nginx) -> None:
    url = f"http://localhost:{nginx.places['tls'].port}"
    with run.client(url, TOKEN, transport=transport) as client, pytest.raises(BadRequest):
        run.do(client.databases.get_counters(5, resource_id=24))


@every_wire
def test_replies_really_come_compressed(run: Session, transport: str, nginx: Nginx) -> None:
    with run.client(nginx.places["gzip"].url, TOKEN, transport=transport) as client:
        assert run.do(client.databases.get_counters(5, resource_id=24))
    assert nginx.answers("gzip")[-1].coding == "gzip"


@every_wire
def test_a_connection_that_nginx_has_closed_costs_no_submission(
    run: Session, transport: str, nginx: Nginx, platform: Upstream
) -> None:
    """nginx closes a connection after 150 ms of silence, and after three requests."""
    before = platform.requests.total()
    with run.client(nginx.places["brief"].url, TOKEN, transport=transport) as client:
        tasks = []
        for pause in [0.0] * 8 + [0.3] * 3:
            time.sleep(pause)
            tasks.append(run.do(client.databases.refresh_counters(5, resource_id=24)))
    assert len({task.id for task in tasks}) == 11
    assert platform.requests.total() - before == 11


@every_format
@every_wire
@pytest.mark.parametrize("place", ["tight", "abrupt"])
@pytest.mark.parametrize("size", [2_000, 4_000_000])
def test_a_request_that_nginx_finds_too_large_is_refused_with_413(
    place: str, size: int, run: Session, transport: str, codec: str, nginx: Nginx
) -> None:
    """nginx answers before it has read the request. At the place `abrupt` it then resets the connection."""
    with run.client(nginx.places[place].url, TOKEN, transport=transport, codec=codec) as client:
        client.operations.register(NUMBERED)
        with pytest.raises(ApiError) as caught:
            run.do(client.submit(Numbered(5, 24, 0, padding="x" * size)))
        assert (caught.value.code, caught.value.http_status) == (413, 413)


@every_wire
def test_a_submission_that_nginx_throttles_is_the_callers_to_repeat(
    run: Session, transport: str, nginx: Nginx, platform: Upstream
) -> None:
    before = platform.requests.total()
    accepted = []
    with run.client(nginx.places["throttled"].url, TOKEN, transport=transport) as client:

        def submit_many() -> None:
            while len(accepted) < 20:  # nginx lets two a second through
                accepted.append(run.do(client.databases.refresh_counters(5, resource_id=24)))

        with pytest.raises(RateLimited):
            submit_many()
    assert platform.requests.total() - before == len(accepted)


@every_wire
def test_a_wait_goes_on_when_nginx_throttles_its_polls(run: Session, transport: str, nginx: Nginx) -> None:
    with run.client(nginx.places["plain"].url, TOKEN, transport=transport) as client:
        tokens = [run.do(client.databases.refresh_counters(5, resource_id=24)).resume_token for _ in range(2)]
    retry = Retry(attempts=6, base=0.3)
    with run.client(nginx.places["throttled"].url, TOKEN, transport=transport, retry=retry, polling=BRISK) as client:
        for token in tokens:
            assert run.do(client.tasks.resume(token).result(timeout=60))[0].total_count == 1336


@every_wire
def test_a_platform_that_is_down_is_a_502_that_repeats_no_submission(
    run: Session, transport: str, nginx: Nginx
) -> None:
    before = len(nginx.answers("broken"))
    with (
        run.client(nginx.places["broken"].url, TOKEN, transport=transport) as client,
        pytest.raises(ApiError) as caught,
    ):
        run.do(client.databases.refresh_counters(5, resource_id=24))
    assert (caught.value.code, caught.value.http_status) == (502, 502)
    assert [answer.status for answer in nginx.answers("broken")[before:]] == [502]


@every_wire
def test_a_platform_that_is_too_slow_for_nginx_is_a_504_that_repeats_no_submission(
    run: Session, transport: str, nginx: Nginx
) -> None:
    before = len(nginx.answers("late"))
    with (
        run.client(nginx.places["late"].url, TOKEN, transport=transport) as client,
        pytest.raises(ApiError) as caught,
    ):
        run.do(client.databases.refresh_counters(5, resource_id=24))
    assert (caught.value.code, caught.value.http_status) == (504, 504)
    assert [answer.status for answer in nginx.answers("late")[before:]] == [504]


@every_wire
def test_a_wait_outlives_a_restart_of_the_platform_behind_nginx(
    run: Session, transport: str, nginx: Nginx, platform: Upstream, vacant: int
) -> None:
    polling = Polling(initial=0.05, maximum=0.1)
    with run.client(nginx.places["broken"].url, TOKEN, transport=transport, polling=polling) as client:
        with serving_on(vacant, platform):
            task = run.do(client.databases.refresh_counters(5, resource_id=24))
        before = len(nginx.answers("broken"))
        ended = threading.Event()

        def come_back() -> None:
            while [answer.status for answer in nginx.answers("broken")[before:]].count(502) < 2:
                time.sleep(0.02)
            with serving_on(vacant, platform):
                ended.wait(60)

        restart = threading.Thread(target=come_back)
        restart.start()
        try:
            assert run.do(task.result(timeout=60))[0].total_count == 1336
        finally:
            ended.set()
            restart.join()
