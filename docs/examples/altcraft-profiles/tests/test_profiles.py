"""The operation keeps the contract, and its file comes down, from a sandbox that this distribution has taught."""

from __future__ import annotations

import csv
from collections.abc import Iterator

import pytest
from altcraft import BadRequest, Client, HttpResponse, NotFound, Polling, Unauthorized
from altcraft.testing import Example, FakeTransport, OperationContract
from altcraft_plugins.sandbox import Sandbox
from altcraft_transports.wsgi import WsgiTransport

from altcraft_profiles import PROFILES_GET_ALL, ProfilesExport, ProfilesGetAll, download

HOST = "https://altcraft.example"

# The reply as the platform's page shows it.
JSON = """{"data":{"status":"completed","progress":100,"result":{"errors":[],"source_id":1,"total":1343,
"type":"database","urls":["/api/download/data/4cf4/1_database_export.csv"]}},"error":0,
"error_text":"Successful operation"}"""
XML = """<xml><data><progress>100</progress><result><errors/><source_id>1</source_id><total>1343</total>
<type>database</type><urls>/api/download/data/4cf4/1_database_export.csv</urls></result><status>completed</status>
</data><error>0</error><error_text>Successful operation</error_text></xml>"""


class TestProfilesGetAll(OperationContract):
    operation = PROFILES_GET_ALL
    requests = (
        Example(ProfilesGetAll("database", 1)),
        Example(ProfilesGetAll("segment", 8, file_format="csv", custom_request={"email": "a@example.com"})),
    )
    results = (
        Example(
            ProfilesExport(["/api/download/data/4cf4/1_database_export.csv"], [], 1, 1343, "database"),
            json=JSON,
            xml=XML,
        ),
        Example(ProfilesExport()),
    )


@pytest.fixture
def carrier() -> Iterator[WsgiTransport]:
    """A transport to a sandbox, which the client and the download share."""
    transport = WsgiTransport(Sandbox(pace=0))
    yield transport
    transport.close()


@pytest.mark.parametrize("codec", ["json", "xml"])
@pytest.mark.parametrize(("source", "source_id", "total"), [("database", 1, 1343), ("segment", 8, 300)])
def test_the_file_of_an_export_comes_down(
    carrier: WsgiTransport, codec: str, source: str, source_id: int, total: int
) -> None:
    polling = Polling(initial=0.01, maximum=0.05)
    with Client(HOST, "sandbox", codec=codec, transport=carrier, polling=polling, load_entry_points=True) as client:
        export = client.submit(ProfilesGetAll(source, source_id)).result(timeout=60)
        assert export.total == total
        (url,) = export.urls
        body = download(url, host=HOST, token="sandbox", transport=carrier)
        with pytest.raises(Unauthorized):
            download(url, host=HOST, token="wrong", transport=carrier)
        with pytest.raises(NotFound):
            download(url.replace("4cf4", "4cf5"), host=HOST, token="sandbox", transport=carrier)
    lines = list(csv.reader(body.decode().splitlines()))
    assert lines[0] == ["id", "email", "country", "age", "registered"]
    assert len(lines) == total + 1


def test_the_sandbox_refuses_what_it_cannot_export() -> None:
    with Client("sandbox:?pace=0", load_entry_points=True) as client:
        with pytest.raises(NotFound):
            client.submit(ProfilesGetAll("database", 2))
        for wrong in (ProfilesGetAll("planet", 1), ProfilesGetAll("database", 1, file_format="xlsx")):
            with pytest.raises(BadRequest):
                client.submit(wrong)


@pytest.mark.parametrize(
    "url", ["https://elsewhere.example/1.csv", "//elsewhere.example/1.csv", "http://altcraft.example/1.csv"]
)
def test_the_token_never_goes_to_another_host(url: str) -> None:
    transport = FakeTransport([])
    with pytest.raises(ValueError, match="the token is for that host alone"):
        download(url, host=HOST, token="s3cret", transport=transport)
    assert not transport.requests


def test_the_token_goes_as_a_bearer_and_never_in_the_url() -> None:
    transport = FakeTransport([HttpResponse(200, {}, b"id\n")])
    assert download("/api/download/1.csv", host=HOST, token="s3cret", transport=transport) == b"id\n"
    (request,) = transport.requests
    assert (request.method, request.url) == ("GET", f"{HOST}/api/download/1.csv")
    assert request.headers["Authorization"] == "Bearer s3cret"


def test_the_plugin_is_loaded_from_its_entry_point() -> None:
    with Client("sandbox:", load_entry_points=True) as client:
        (plugin,) = (each for each in client.plugins() if each.name == "profiles")
    assert (plugin.distribution, plugin.hooks) == ("altcraft-profiles", ("altcraft_register_operations",))
