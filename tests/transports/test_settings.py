"""Every bundled transport takes `TransportSettings` in its constructor, and refuses what it can't do."""

from __future__ import annotations

import ssl
from typing import Any

import pytest

from altcraft import ResponseTooLarge, TransportSettings
from altcraft.testing.transport.loopback import Loopback, answering, reply
from altcraft_transports.aiohttp import AiohttpTransport
from altcraft_transports.asgi import AsgiTransport
from altcraft_transports.http_client import HttpClientTransport
from altcraft_transports.httpx import AsyncHttpxTransport, HttpxTransport
from altcraft_transports.pycurl import PycurlTransport
from altcraft_transports.urllib3 import Urllib3Transport
from altcraft_transports.wsgi import WsgiTransport
from transports.bundled import every_transport, using

WITH_A_SOCKET = [
    Urllib3Transport,
    HttpClientTransport,
    PycurlTransport,
    HttpxTransport,
    AsyncHttpxTransport,
    AiohttpTransport,
]
IN_PROCESS = [WsgiTransport, AsgiTransport]


def application(*_: object) -> Any:
    """Is never called."""


@pytest.mark.parametrize("kind", WITH_A_SOCKET)
def test_settings_are_taken_and_readable(kind: Any) -> None:
    settings = TransportSettings(connections=3, max_response=1000, keep_idle=5)
    assert kind(settings=settings).settings == settings
    assert kind(settings).settings == settings
    assert kind().settings == TransportSettings()


@pytest.mark.parametrize("kind", IN_PROCESS)
def test_a_transport_without_a_network_takes_those_that_concern_it(kind: Any) -> None:
    settings = TransportSettings(max_response=1000, trust_env=False, keep_idle=5)
    assert kind(application, settings=settings).settings == settings


@pytest.mark.parametrize(
    "settings",
    [
        TransportSettings(proxy="http://proxy"),
        TransportSettings(ssl_context=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)),
        TransportSettings(connections=3),
    ],
)
@pytest.mark.parametrize("kind", IN_PROCESS)
def test_a_transport_without_a_network_refuses_those_that_don_t(kind: Any, settings: TransportSettings) -> None:
    with pytest.raises(ValueError, match="has no network"):
        kind(application, settings)


def test_pycurl_refuses_an_ssl_context_and_says_what_to_do() -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    with pytest.raises(ValueError, match=r"takes no ssl_context: .*ca_file"):
        PycurlTransport(TransportSettings(ssl_context=context))


@every_transport
def test_a_transport_by_name_heeds_the_settings(name: str, is_async: bool) -> None:
    with (
        Loopback(answering(reply(b"x" * 11))) as server,
        using(name, is_async, TransportSettings(max_response=10)) as used,
        pytest.raises(ResponseTooLarge),
    ):
        used.send(server.url + "/")
