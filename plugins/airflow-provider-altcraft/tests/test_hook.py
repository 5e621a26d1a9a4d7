"""The hook and the provider's description, without a database."""

from __future__ import annotations

import json

import pytest
from airflow.providers_manager import ProvidersManager
from airflow.sdk import Connection
from airflow_provider_altcraft.hooks import AltcraftHook
from airflow_provider_altcraft.provider_info import get_provider_info
from airflow_provider_altcraft.settings import settings_of


def test_the_client_of_a_connection_recounts(platform):
    with AltcraftHook() as client:
        assert client.databases.refresh_counters(5, resource_id=24).result(timeout=60)
    assert platform.submitted == 1


def test_a_connection_is_tested_by_one_harmless_exchange(platform):
    worked, said = AltcraftHook().test_connection()
    assert worked
    assert "127.0.0.1" in said
    assert platform.submitted == 0
    assert platform.requests.total() == 1


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"password": "wrong"}, "Unauthorized"),
        ({"host": "http://127.0.0.1:9"}, "ConnectError"),
        ({"host": ""}, "no host: give the URL"),
        ({"extra": {"request_timeout": "soon"}}, "request_timeout='soon'"),
        ({"extra": {"codec": "yaml"}}, "yaml"),
    ],
)
def test_a_connection_that_does_not_work_says_why(platform, monkeypatch, changed, said):
    monkeypatch.setenv("AIRFLOW_CONN_ALTCRAFT_DEFAULT", json.dumps({**json.loads(platform.connection()), **changed}))
    worked, told = AltcraftHook().test_connection()
    assert not worked
    assert said in told


@pytest.mark.parametrize(
    ("fields", "url"),
    [
        ({"host": "https://your.host"}, "https://your.host"),
        ({"host": "your.host"}, "https://your.host"),
        ({"host": "your.host", "schema": "http", "port": 8080}, "http://your.host:8080"),
        ({"host": "https://your.host/api/v1.1", "port": 8443}, "https://your.host:8443/api/v1.1"),
        ({"host": "https://your.host:8000", "port": 8443}, "https://your.host:8000"),
        ({"host": "sandbox:?pace=0"}, "sandbox:?pace=0"),
    ],
)
def test_the_host_is_a_url_or_becomes_one(fields, url):
    assert settings_of(Connection(conn_id="a", conn_type="altcraft", **fields)).url == url


def test_a_connection_may_be_a_uri():
    settings = settings_of(Connection(conn_id="a", uri="altcraft://:secret@your.host/?codec=xml&polling_maximum=5"))
    assert (settings.url, settings.token, settings.codec) == ("https://your.host", "secret", "xml")
    assert settings.keywords()["polling"].maximum == 5


def test_the_extra_fields_are_the_clients_settings(serve):
    serve(codec="xml", auth="bearer", request_timeout=3, polling_initial="0.5", polling_maximum=7)
    with AltcraftHook() as client:
        assert (client.polling.initial, client.polling.maximum) == (0.5, 7)
        client.check()


def test_the_token_shows_nowhere(platform):
    hook = AltcraftHook()
    with hook as client:
        shown = [repr(hook), repr(vars(hook)), repr(client), repr(hook.settings())]
    assert not [text for text in shown if "s3cr3t" in text]


def test_closing_twice_is_harmless(platform):
    hook = AltcraftHook()
    hook.get_conn()
    hook.close()
    hook.close()


def test_airflow_finds_the_provider_and_its_form():
    manager = ProvidersManager()
    assert get_provider_info().items() <= manager.providers["airflow-provider-altcraft"].data.items()
    behaviour = manager.field_behaviours["altcraft"]
    assert behaviour["relabeling"] == {"host": "URL", "password": "API token"}
    assert behaviour == AltcraftHook.get_ui_field_behaviour()
    fields = {name.removeprefix("extra__altcraft__") for name in manager.connection_form_widgets if "altcraft" in name}
    assert fields == {"codec", "auth", "request_timeout", "polling_initial", "polling_maximum"}


def test_every_module_that_the_description_names_imports():
    info = get_provider_info()
    named = [
        module
        for kind in ("hooks", "operators", "sensors", "triggers")
        for entry in info[kind]
        for module in entry["python-modules"]
    ]
    assert len(named) == 4
    for module in named:
        assert __import__(module, fromlist=["__all__"]).__all__
