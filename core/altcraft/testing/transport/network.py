"""Cases: IPv6, TLS and proxies. Certificates come from trustme; without it, the cases that need them are skipped."""

from __future__ import annotations

import datetime
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from altcraft.errors import ConnectError, TransportError
from altcraft.testing.contract import skip
from altcraft.testing.transport.case import Case
from altcraft.testing.transport.loopback import Loopback, Talk, answering, reply
from altcraft.testing.transport.tested import MakeTransport, request

__all__ = ["NetworkCases", "Trust"]

_HELLO = answering(reply(b"hello"))


class Trust(NamedTuple):
    """Two PEM files: the authorities to trust, and the certificate to show, together with its key."""

    authorities: str
    certificate: str | None = None


class _Office(NamedTuple):
    """An authority that only this test knows: its server's certificates, and the files for a transport."""

    server: ssl.SSLContext
    trust: Trust


@contextmanager
def _office(*names: str, expired: bool = False, asks_back: bool = False) -> Iterator[_Office]:
    import pytest

    trustme = pytest.importorskip("trustme")
    authority = trustme.CA()
    past = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(days=2)
    validity = {"not_before": past - datetime.timedelta(days=9), "not_after": past} if expired else {}
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names, **validity).configure_cert(context)
    with TemporaryDirectory() as directory:
        authorities, certificate = Path(directory, "authorities.pem"), Path(directory, "certificate.pem")
        authority.cert_pem.write_to_path(str(authorities))
        if asks_back:
            authority.configure_trust(context)
            context.verify_mode = ssl.CERT_REQUIRED
            authority.issue_cert("client@example.org").private_key_and_cert_chain_pem.write_to_path(str(certificate))
        yield _Office(context, Trust(str(authorities), str(certificate) if asks_back else None))


class NetworkCases(Case):
    """The ways to a server. A certificate that is not valid is a ConnectError: nothing was sent."""

    def test_ipv6_is_spoken(self, make_transport: MakeTransport) -> None:
        try:
            socket.create_server(("::1", 0), family=socket.AF_INET6).close()
        except OSError:
            skip("this machine has no IPv6")
        with Loopback(_HELLO, host="::1") as server, self.made(make_transport) as tested:
            assert tested.send(request(server.url + "/")).body == b"hello"
        assert server.requests[0].headers["host"] == f"[::1]:{server.port}"

    # TLS

    def test_a_valid_certificate_is_accepted(self, make_transport: MakeTransport) -> None:
        with (
            _office("127.0.0.1") as office,
            Loopback(_HELLO, tls=office.server) as server,
            self.made(make_transport, tls=office.trust) as tested,
        ):
            for _ in range(2):
                assert tested.send(request(server.url + "/")).body == b"hello"
        assert server.connections == 1 or not self.keeps_connections

    def test_a_certificate_of_an_unknown_authority_is_refused(self, make_transport: MakeTransport) -> None:
        with (
            _office("127.0.0.1") as office,
            _office("127.0.0.1") as other,
            Loopback(_HELLO, tls=office.server) as server,
        ):
            for options in ({"tls": other.trust}, {}):
                with self.made(make_transport, **options) as tested:
                    self.fails(tested, request(server.url + "/"), ConnectError)
        assert not server.requests

    def test_a_certificate_for_another_host_is_refused(self, make_transport: MakeTransport) -> None:
        with (
            _office("other.example.org") as office,
            Loopback(_HELLO, tls=office.server) as server,
            self.made(make_transport, tls=office.trust) as tested,
        ):
            self.fails(tested, request(server.url + "/"), ConnectError)
        assert not server.requests

    def test_an_expired_certificate_is_refused(self, make_transport: MakeTransport) -> None:
        with (
            _office("127.0.0.1", expired=True) as office,
            Loopback(_HELLO, tls=office.server) as server,
            self.made(make_transport, tls=office.trust) as tested,
        ):
            self.fails(tested, request(server.url + "/"), ConnectError)
        assert not server.requests

    def test_a_client_certificate_is_shown_to_a_server_that_asks(self, make_transport: MakeTransport) -> None:
        with _office("127.0.0.1", asks_back=True) as office, Loopback(_HELLO, tls=office.server) as server:
            with self.made(make_transport, tls=office.trust) as tested:
                assert tested.send(request(server.url + "/")).body == b"hello"
            with self.made(make_transport, tls=Trust(office.trust.authorities)) as tested:
                self.fails(tested, request(server.url + "/"), TransportError)  # TLS 1.3 says so after the handshake
        assert len(server.requests) == 1

    def test_a_server_without_tls_is_no_https_server(self, make_transport: MakeTransport) -> None:
        def script(talk: Talk) -> None:
            talk.take(1)
            talk.send(reply(b"hello"))

        with Loopback(script) as server, self.made(make_transport) as tested:
            self.fails(tested, request(server.url.replace("http:", "https:") + "/"), ConnectError)

    def test_a_handshake_that_takes_too_long_is_a_connect_error(self, make_transport: MakeTransport) -> None:
        for script in (lambda talk: talk.pause(), lambda talk: talk.drip(b"\x16\x03\x03\x40\0" + b"\x02" * 999)):
            with Loopback(script) as server, self.made(make_transport) as tested:
                self.fails(tested, request(server.url.replace("http:", "https:") + "/"), ConnectError, 0.25)

    # Proxies

    def test_a_proxy_is_asked_to_forward_http(self, make_transport: MakeTransport) -> None:
        with Loopback(_HELLO) as proxy, self.made(make_transport, proxy=proxy.url) as tested:
            assert tested.send(request("http://altcraft.example:8080/api/x", b"body")).body == b"hello"
        (received,) = proxy.requests
        assert received.target == "http://altcraft.example:8080/api/x"
        assert received.headers["host"] == "altcraft.example:8080"
        assert received.body == b"body"

    def test_a_proxy_is_asked_for_a_tunnel_to_https(self, make_transport: MakeTransport) -> None:
        with _office("localhost") as office, Loopback(_HELLO, tls=office.server) as server:

            def script(talk: Talk) -> None:
                talk.receive()
                talk.send(b"HTTP/1.1 200 Connection established\r\n\r\n")
                talk.tunnel(server.port)

            with Loopback(script) as proxy, self.made(make_transport, proxy=proxy.url, tls=office.trust) as tested:
                for _ in range(2):
                    assert tested.send(request(f"https://localhost:{server.port}/", b"body")).body == b"hello"
        (asked,) = proxy.requests
        assert (asked.method, asked.target) == ("CONNECT", f"localhost:{server.port}")
        assert "authorization" not in asked.headers, "the proxy got to see what is the server's"
        assert [received.target for received in server.requests] == ["/", "/"]

    def test_a_proxy_gets_its_user_and_password_and_no_error_shows_them(self, make_transport: MakeTransport) -> None:
        def script(talk: Talk) -> None:
            received = talk.receive()
            assert received is not None
            talk.send(reply(b"no", "Proxy-Authenticate: Basic", status="407 Proxy Authentication Required"))

        with Loopback(script) as proxy:
            url = proxy.url.replace("://", "://user:p%40ss-s3cret@")
            with self.made(make_transport, proxy=url) as tested:
                assert tested.send(request("http://altcraft.example/")).status == 407
                error = self.fails(tested, request("https://altcraft.example/"), ConnectError)
        assert "s3cret" not in f"{error} {error!r} {error.__cause__!r}"
        sent = [received.headers.get("proxy-authorization") for received in proxy.requests]
        assert sent == ["Basic dXNlcjpwQHNzLXMzY3JldA=="] * 2

    def test_no_error_repeats_what_a_proxy_replies(self, make_transport: MakeTransport) -> None:
        for start in ("HTTP/1.1 200 Connection established", "HTTP/1.1 502 Bad Gateway"):
            for end in ("", "\r\n"):

                def script(talk: Talk, start: str = start, end: str = end) -> None:
                    received = talk.receive()
                    assert received is not None
                    talk.send(f"{start}\r\nX-Echo: {received.headers['proxy-authorization']}\r\n{end}".encode())

                with Loopback(script) as proxy:
                    url = proxy.url.replace("://", "://user:p%40ss-s3cret@")
                    with self.made(make_transport, proxy=url) as tested:
                        error = self.fails(tested, request("https://altcraft.example/"), ConnectError)
                for text in (str(error), repr(error), repr(error.__cause__), repr(error.__context__)):
                    assert "dXNlcjpwQHNz" not in text, f"the error shows the proxy's password: {text}"

    def test_a_proxy_that_is_not_there_is_a_connect_error(self, make_transport: MakeTransport) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with self.made(make_transport, proxy=url) as tested:
            for scheme in ("http", "https"):
                self.fails(tested, request(f"{scheme}://altcraft.example/"), ConnectError)

    def test_a_tunnel_that_is_refused_or_not_made_in_time_is_a_connect_error(
        self, make_transport: MakeTransport
    ) -> None:
        scripts = (
            lambda talk: (talk.receive(), talk.send(reply(b"no", status="502 Bad Gateway"))),
            lambda talk: (talk.receive(), talk.send(b"garbage\r\n\r\n")),
            lambda talk: talk.receive(),
            lambda talk: (talk.receive(), talk.pause()),
            lambda talk: (talk.receive(), talk.drip(b"HTTP/1.1 200 OK\r\nX-Slow: " + b"x" * 999)),
        )
        for script in scripts:
            with Loopback(script) as proxy, self.made(make_transport, proxy=proxy.url) as tested:
                self.fails(tested, request("https://altcraft.example/"), ConnectError, 0.25)
