"""Which proxy a request goes through, and what a transport can do with it."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import pytest

from altcraft import ConnectError, HttpRequest, TransportSettings
from altcraft.testing.transport.loopback import Loopback, Talk, answering, reply
from altcraft_transports._common.proxies import environment_proxy
from altcraft_transports.pycurl import PycurlTransport
from altcraft_transports.urllib3 import Urllib3Transport
from transports.bundled import every_transport, using

PROXY = "http://proxy:3128"
BOTH = {"HTTP_PROXY": PROXY, "HTTPS_PROXY": "http://secure:3128"}


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests begin without those that this machine may need."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


# The environment


@pytest.mark.parametrize(
    ("environ", "scheme", "expected"),
    [
        ({}, "http", None),
        (BOTH, "http", PROXY),
        (BOTH, "https", "http://secure:3128"),
        ({"http_proxy": PROXY}, "http", PROXY),
        ({"http_proxy": PROXY}, "https", None),
        ({"http_proxy": "http://lower", "HTTP_PROXY": "http://upper"}, "http", "http://lower"),
        ({"http_proxy": "", "HTTP_PROXY": PROXY}, "http", None),
        ({"HTTP_PROXY": ""}, "http", None),
        ({"ALL_PROXY": PROXY}, "http", PROXY),
        ({"all_proxy": PROXY}, "https", PROXY),
        ({"ALL_PROXY": PROXY, "HTTPS_PROXY": "http://secure"}, "https", "http://secure"),
        # In a CGI program, HTTP_PROXY is a header that the caller has sent.
        ({"HTTP_PROXY": PROXY, "REQUEST_METHOD": "POST"}, "http", None),
        ({"http_proxy": PROXY, "REQUEST_METHOD": "POST"}, "http", PROXY),
        ({"HTTPS_PROXY": PROXY, "REQUEST_METHOD": "POST"}, "https", PROXY),
    ],
)
def test_the_environment_names_a_proxy_for_each_scheme(
    environ: dict[str, str], scheme: str, expected: str | None
) -> None:
    assert environment_proxy(scheme, "altcraft.example", 80, environ) == expected


@pytest.mark.parametrize(
    ("exceptions", "host", "port"),
    [
        ("*", "anything.example", 80),
        ("altcraft.example", "altcraft.example", 80),
        ("ALTCRAFT.example", "altcraft.EXAMPLE", 80),
        ("example", "altcraft.example", 80),
        (".example", "altcraft.example", 80),
        (".altcraft.example", "altcraft.example", 80),
        ("*.example", "altcraft.example", 80),
        ("other, altcraft.example ,third", "altcraft.example", 80),
        ("other altcraft.example", "altcraft.example", 80),
        ("altcraft.example:8080", "altcraft.example", 8080),
        ("http://altcraft.example", "altcraft.example", 80),
        ("altcraft.example", "altcraft.example.", 80),
        ("рассылки.рф", "рассылки.рф".encode("idna").decode(), 80),
        ("127.0.0.1", "127.0.0.1", 80),
        ("10.0.0.0/8", "10.1.2.3", 80),
        ("192.168.7.1/24", "192.168.7.99", 80),
        ("::1", "::1", 80),
        ("[::1]", "[::1]", 80),
        ("[::1]:8080", "::1", 8080),
        ("fe80::/10", "fe80::1", 80),
        ("0:0:0:0:0:0:0:1", "::1", 80),
    ],
)
def test_no_proxy_excepts_a_host(exceptions: str, host: str, port: int) -> None:
    for name in ("no_proxy", "NO_PROXY"):
        assert environment_proxy("http", host, port, {**BOTH, name: exceptions}) is None


@pytest.mark.parametrize(
    ("exceptions", "host", "port"),
    [
        ("", "altcraft.example", 80),
        (",", "altcraft.example", 80),
        ("other.example", "altcraft.example", 80),
        ("craft.example", "altcraft.example", 80),
        ("altcraft.example", "example", 80),
        ("altcraft.example:8080", "altcraft.example", 80),
        ("https://altcraft.example", "altcraft.example", 80),
        ("10.0.0.0/8", "11.1.2.3", 80),
        ("10.0.0.0/99", "10.1.2.3", 80),
        ("10.0.0", "10.0.0.1", 80),
        ("[::1]:8080", "::1", 80),
        ("127.0.0.1", "localhost", 80),
        (".", "altcraft.example", 80),
    ],
)
def test_no_proxy_excepts_no_other_host(exceptions: str, host: str, port: int) -> None:
    assert environment_proxy("http", host, port, {**BOTH, "NO_PROXY": exceptions}) == PROXY


def test_a_name_in_lower_case_comes_first_for_exceptions_too() -> None:
    environ = {**BOTH, "no_proxy": "", "NO_PROXY": "*"}
    assert environment_proxy("http", "altcraft.example", 80, environ) == PROXY


# The transports


@every_transport
def test_requests_go_through_the_environments_proxy(name: str, is_async: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    with Loopback(answering(reply(b"through"))) as proxy, using(name, is_async) as used:
        monkeypatch.setenv("HTTP_PROXY", proxy.url.replace("//", "//user:s3cret@"))
        assert used.send("http://altcraft.example/x").body == b"through"
    assert proxy.requests[0].target == "http://altcraft.example/x"
    assert proxy.requests[0].headers["proxy-authorization"] == "Basic dXNlcjpzM2NyZXQ="


@every_transport
def test_https_requests_ask_the_environments_proxy_for_a_tunnel(
    name: str, is_async: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = answering(reply(b"no", status="502 Bad Gateway"))
    with Loopback(script) as proxy, using(name, is_async) as used:
        monkeypatch.setenv("https_proxy", proxy.url.removeprefix("http://"))  # a scheme is not needed
        with pytest.raises(ConnectError):
            used.send("https://altcraft.example/x")
    assert [(each.method, each.target) for each in proxy.requests] == [("CONNECT", "altcraft.example:443")]


@every_transport
def test_no_proxy_and_trust_env_lead_past_the_environments_proxy(
    name: str, is_async: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    with Loopback(answering(reply(b"direct"))) as server:
        with using(name, is_async, TransportSettings(trust_env=False)) as used:
            assert used.send(server.url + "/").body == b"direct"
        with using(name, is_async) as used:
            with pytest.raises(ConnectError):
                used.send(server.url + "/first")
            monkeypatch.setenv("NO_PROXY", "127.0.0.0/8")
            assert used.send(server.url + "/second").body == b"direct"


@every_transport
def test_the_settings_proxy_comes_before_the_environment(
    name: str, is_async: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "*")
    with (
        Loopback(answering(reply(b"through"))) as proxy,
        using(name, is_async, TransportSettings(proxy=proxy.url)) as used,
    ):
        assert used.send("http://altcraft.example/x").body == b"through"


@pytest.mark.parametrize(
    ("name", "is_async", "proxy"),
    [
        ("http_client", False, "https://user:s3cret@proxy"),
        ("http_client", False, "socks5://user:s3cret@proxy"),
        ("httpx", False, "socks5://user:s3cret@proxy"),
        ("httpx", True, "https://user:s3cret@proxy"),
        ("aiohttp", True, "socks5h://user:s3cret@proxy"),
        ("urllib3", False, "socks4://user:s3cret@proxy"),
        ("threads", True, "socks4://user:s3cret@proxy"),
    ],
)
def test_a_proxy_that_a_transport_can_not_use_is_refused_when_it_is_made_or_met(
    name: str, is_async: bool, proxy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    scheme = proxy.partition("://")[0]
    with (
        pytest.raises(ValueError, match=f"has no {scheme} proxies") as refused,
        using(name, is_async, TransportSettings(proxy=proxy)),
    ):
        pass
    monkeypatch.setenv("ALL_PROXY", proxy)
    with using(name, is_async) as used, pytest.raises(ConnectError, match=f"has no {scheme} proxies") as met:
        used.send("http://altcraft.example/x")
    assert "s3cret" not in f"{refused.value!r} {met.value!r}"


@every_transport
def test_what_the_environment_names_must_be_a_url(name: str, is_async: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://user:s3cret@:99999")
    with using(name, is_async) as used, pytest.raises(ConnectError, match=r"no connection: .*in the URL") as caught:
        used.send("http://altcraft.example/x")
    assert "s3cret" not in str(caught.value)


# https proxies


class Office:
    """Certificates for 127.0.0.1 and localhost, and the file with their authority."""

    def __init__(self, directory: Path) -> None:
        trustme = pytest.importorskip("trustme")
        authority = trustme.CA()
        self.server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("127.0.0.1", "localhost").configure_cert(self.server)
        self.file = str(directory / "authority.pem")
        authority.cert_pem.write_to_path(self.file)


@pytest.fixture
def office(tmp_path: Path) -> Office:
    return Office(tmp_path)


def trusting(name: str, proxy: str, file: str | None) -> Any:
    """A transport that goes through the proxy, and trusts the authority in the file."""
    if name == "pycurl":
        return PycurlTransport(TransportSettings(proxy=proxy), ca_file=file)
    context = ssl.create_default_context(cafile=file) if file else None
    return Urllib3Transport(TransportSettings(proxy=proxy, ssl_context=context))


@pytest.mark.parametrize("name", ["urllib3", "pycurl"])
def test_an_https_proxy_forwards_http_and_tunnels_https(name: str, office: Office) -> None:
    with Loopback(answering(reply(b"hello")), tls=office.server) as server:

        def script(talk: Talk) -> None:
            received = talk.receive()
            if received is None:  # the client does not trust this proxy
                return
            if received.method != "CONNECT":
                talk.send(reply(b"forwarded"))
                return
            talk.send(b"HTTP/1.1 200 Connection established\r\n\r\n")
            talk.tunnel(server.port)

        with Loopback(script, tls=office.server) as proxy:
            url = proxy.url.replace("//", "//user:s3cret@")
            transport = trusting(name, url, office.file)
            try:
                plain = HttpRequest("POST", "http://altcraft.example/x", {}, b"{}")
                assert transport.send(plain, timeout=5).body == b"forwarded"
                secure = HttpRequest("POST", f"https://localhost:{server.port}/x", {}, b"{}")
                for _ in range(2):
                    assert transport.send(secure, timeout=5).body == b"hello"
            finally:
                transport.close()
            stranger = trusting(name, url, None)
            try:
                for request in (plain, secure):
                    with pytest.raises(ConnectError):
                        stranger.send(request, timeout=5)
            finally:
                stranger.close()
    assert [received.method for received in proxy.requests] == ["POST", "CONNECT"]
    sent = {received.headers["proxy-authorization"] for received in proxy.requests}
    assert sent == {"Basic dXNlcjpzM2NyZXQ="}
