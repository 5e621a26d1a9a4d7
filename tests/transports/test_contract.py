"""Every bundled transport that has a socket keeps the contract, on a real server on this machine."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from typing import Any

import pytest

from altcraft.testing import TransportContract
from altcraft.testing.transport_contract import HintBreaker
from altcraft.wire.transport import AsyncTransport, Transport
from altcraft_transports.aiohttp import AiohttpTransport
from altcraft_transports.http_client import HttpClientTransport
from altcraft_transports.httpx import AsyncHttpxTransport, HttpxTransport
from altcraft_transports.pycurl import PycurlTransport
from altcraft_transports.threads import ThreadsTransport
from altcraft_transports.urllib3 import Urllib3Transport

EVERYTHING = frozenset({"max_response", "connections", "proxy", "tls"})


def with_context(make: Callable[..., Any]) -> Callable[..., Any]:
    """A transport that takes an `ssl.SSLContext` where the contract speaks of files."""

    def made(tls: HintBreaker | None = None, **options: object) -> object:
        if tls is not None:
            context = ssl.create_default_context(cafile=tls.authorities)
            if tls.certificate is not None:
                context.load_cert_chain(tls.certificate)
            options["ssl_context"] = context
        return make(**options)

    return made


class TestUrllib3(TransportContract):
    options = EVERYTHING

    @pytest.fixture
    def make_transport(self) -> Callable[..., Transport]:
        return with_context(Urllib3Transport)


class TestHttpClient(TransportContract):
    options = EVERYTHING

    @pytest.fixture
    def make_transport(self) -> Callable[..., Transport]:
        return with_context(HttpClientTransport)


class TestPycurl(TransportContract):
    options = EVERYTHING

    @pytest.fixture
    def make_transport(self) -> Callable[..., Transport]:
        def make(tls: HintBreaker | None = None, **options: Any) -> PycurlTransport:
            if tls is not None:
                options |= {"ca_file": tls.authorities, "certificate": tls.certificate}
            return PycurlTransport(**options)

        return make


class TestHttpx(TransportContract):
    options = EVERYTHING

    @pytest.fixture
    def make_transport(self) -> Callable[..., Transport]:
        return with_context(HttpxTransport)


class TestAsyncHttpx(TransportContract):
    options = EVERYTHING
    loop = "asyncio"

    @pytest.fixture
    def make_transport(self) -> Callable[..., AsyncTransport]:
        return with_context(AsyncHttpxTransport)


@pytest.mark.leaves_threads  # trio keeps those that look names up for a while
class TestAsyncHttpxUnderTrio(TestAsyncHttpx):
    loop = "trio"


@pytest.mark.filterwarnings("ignore:unclosed transport <asyncio.sslproto")  # Python 3.10's own, of one that is closed
class TestAiohttp(TransportContract):
    options = EVERYTHING
    loop = "asyncio"

    @pytest.fixture
    def make_transport(self) -> Callable[..., AsyncTransport]:
        return with_context(AiohttpTransport)


class TestThreads(TransportContract):
    options = EVERYTHING
    loop = "asyncio"

    @pytest.fixture
    def make_transport(self) -> Callable[..., AsyncTransport]:
        make = with_context(Urllib3Transport)
        return lambda **options: ThreadsTransport(make(**options))
