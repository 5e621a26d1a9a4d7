"""`Client("sandbox:")` in process, in both formats, with the token in the body and as a bearer."""

from __future__ import annotations

import pytest

from altcraft import BadRequest, Client, NotFound, Polling, TaskFailed, Unauthorized
from altcraft_plugins.sandbox import plugin
from altcraft_plugins.sandbox.settings import DEFAULT_TOKENS, Settings, parse_url

FAST = Polling(initial=0.01, maximum=0.05)


def client(url="sandbox:?pace=0", **settings):
    return Client(url, plugins=[plugin], polling=FAST, **settings)


@pytest.mark.parametrize("auth", ["body", "bearer"])
@pytest.mark.parametrize("codec", ["json", "xml"])
def test_the_main_job_runs_in_process(codec, auth):
    with client(codec=codec, auth=auth) as altcraft:
        segment = altcraft.segments.refresh_counters(7, resource_id=24, db_id=1).result(timeout=30)
        database = altcraft.databases.refresh_counters(5, resource_id=24).result(timeout=30)
        resource = altcraft.resources.refresh_counters(24, list_id=5).result(timeout=30)
        counters = altcraft.databases.get_counters(5, resource_id=12)
    assert segment[0].channels[0].status.subscribed_sendable == 209
    assert segment[0].list_id == 1
    assert database[0].total_count == 1336
    assert database[0].channels[0].status.hardbounced == 411
    assert database[0].counted_at is not None
    assert database[0].count_duration is not None
    assert resource[0].channels == database[0].channels
    assert [channel.channel for channel in counters] == ["email"]


def test_a_client_without_a_token_uses_the_default_token():
    with client("sandbox:") as altcraft:
        assert altcraft.databases.get_counters(5, resource_id=24)[0].status.subscribed == 925


def test_a_url_that_names_the_public_token_needs_no_other():
    with client("sandbox:?pace=0&tokens=sandbox") as altcraft:
        assert altcraft.databases.get_counters(5, resource_id=24)


def test_an_error_of_the_embedded_sandbox_names_it():
    with client() as altcraft, pytest.raises(NotFound) as caught:
        altcraft.databases.refresh_counters(6, resource_id=24)
    assert caught.value.host == "sandbox"
    assert str(caught.value) == "databases/refresh_counters at sandbox: error 404: no such database: 6"


@pytest.mark.parametrize("codec", ["json", "xml"])
def test_refusals_and_failures_are_the_clients_errors(codec):
    with client(codec=codec) as altcraft:
        with pytest.raises(NotFound):
            altcraft.databases.get_counters(6, resource_id=24)
        with pytest.raises(BadRequest):
            altcraft.segments.get_counters(7, resource_id=24)
        with pytest.raises(TaskFailed):
            altcraft.segments.refresh_counters(13, resource_id=24, db_id=1).result(timeout=30)
    with client(codec=codec, token="wrong") as altcraft, pytest.raises(Unauthorized):
        altcraft.databases.get_counters(5, resource_id=24)


def test_settings_in_the_url_reach_the_sandbox(tmp_path):
    url = f"sandbox:?pace=0&profiles=7&tokens=mine&db={tmp_path / 'kept.sqlite3'}"
    with client(url, token="mine") as altcraft:
        assert altcraft.databases.get_counters(9, resource_id=30)[0].status.all == 7
        task = altcraft.databases.refresh_counters(9, resource_id=30)
        token = task.resume_token
    with client(url, token="mine") as altcraft:
        assert altcraft.tasks.resume(token).result(timeout=30)
    assert (tmp_path / "kept.sqlite3").exists()


def test_a_url_can_hold_every_setting():
    assert parse_url("sandbox:") == Settings()
    assert parse_url("sandbox:?profiles=10&pace=0.5&db=/a%20b.sqlite3&tokens=a,b&tokens=c") == Settings(
        profiles=10, pace=0.5, db="/a b.sqlite3", tokens=("a", "b", "c")
    )
    assert DEFAULT_TOKENS == ("sandbox", "abcdefghijklmnqrstuvwxyz")


@pytest.mark.parametrize(
    ("query", "complaint"),
    [
        ("colour=red", "colour"),
        ("profiles=many", "many"),
        ("profiles=1.5", "1.5"),
        ("profiles=-1", "-1"),
        ("pace=slow", "slow"),
        ("pace=inf", "inf"),
        ("pace=1&pace=2", "pace"),
        ("tokens=", "tokens"),
        ("tokens=a,,b", "tokens"),
    ],
)
def test_an_invalid_url_is_refused(query, complaint):
    with pytest.raises(ValueError, match=complaint):
        parse_url(f"sandbox:?{query}")
