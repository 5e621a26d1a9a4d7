"""Every bundled transport that has a socket keeps the contract, on a real server on this machine.

All but the default transport is among the slow tests.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable
from typing import Any

import pytest

from altcraft import TransportSettings
from altcraft.testing import TransportContract
from altcraft.testing.transport_contract import Trust
from altcraft.wire.transport import AsyncTransport, Transport
from altcraft_transports.aiohttp import AiohttpTransport
from altcraft_transports.http_client import HttpClientTransport
from altcraft_transports.httpx import AsyncHttpxTransport, HttpxTransport
from altcraft_transports.pycurl import PycurlTransport
from altcraft_transports.threads import ThreadsTransport
from altcraft_transports.urllib3 import Urllib3Transport

EVERYTHING = frozenset({"max_response", "connections", "proxy", "tls", "keep_idle"})


def with_settings(make: Callable[[TransportSettings], Any]) -> Callable[..., Any]:
    """What makes a transport from the contract's options; `tls` becomes an `ssl.SSLContext`."""

    def made(tls: Trust | None = None, **options: Any) -> Any:
        if tls is not None:
            context = ssl.create_default_context(cafile=tls.authorities)
            if tls.certificate is not None:
                context.load_cert_chain(tls.certificate)
            options["ssl_context"] = context
        return make(TransportSettings(**options))

    return made


class TestUrllib3(TransportContract):
    options = EVERYTHING

    @pytest.fixture
    def make_transport(self) -> Callable[..., Transport]:
        return with_settings(Urllib3Transport)


@pytest.mark.slow
class TestHttpClient(TransportContract):
    options = EVERYTHING

    @pytest.fixture
    def make_transport(self) -> Callable[..., Transport]:
        return with_settings(HttpClientTransport)


@pytest.mark.slow
class TestPycurl(TransportContract):
    options = EVERYTHING

    @pytest.fixture
    def make_transport(self) -> Callable[..., Transport]:
        def make(tls: Trust | None = None, **options: Any) -> PycurlTransport:
            files = {} if tls is None else {"ca_file": tls.authorities, "certificate": tls.certificate}
            return PycurlTransport(TransportSettings(**options), **files)

        return make


@pytest.mark.slow
class TestHttpx(TransportContract):
    options = EVERYTHING

    @pytest.fixture
    def make_transport(self) -> Callable[..., Transport]:
        return with_settings(HttpxTransport)


@pytest.mark.slow
class TestAsyncHttpx(TransportContract):
    options = EVERYTHING
    loop = "asyncio"

    @pytest.fixture
    def make_transport(self) -> Callable[..., AsyncTransport]:
        return with_settings(AsyncHttpxTransport)


@pytest.mark.leaves_threads  # trio keeps those that look names up for a while
class TestAsyncHttpxUnderTrio(TestAsyncHttpx):
    loop = "trio"


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:unclosed transport <asyncio.sslproto")  # Python 3.10's own, of one that is closed
class TestAiohttp(TransportContract):
    options = EVERYTHING
    loop = "asyncio"

    @pytest.fixture
    def make_transport(self) -> Callable[..., AsyncTransport]:
        return with_settings(AiohttpTransport)


@pytest.mark.slow
class TestThreads(TransportContract):
    options = EVERYTHING
    loop = "asyncio"

    @pytest.fixture
    def make_transport(self) -> Callable[..., AsyncTransport]:
        return with_settings(lambda settings: ThreadsTransport(Urllib3Transport(settings)))
