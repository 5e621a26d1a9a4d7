"""Hosts: several addresses, one of which leads nowhere; international names."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from altcraft import ConnectError, TransportSettings
from altcraft.testing.transport.loopback import Loopback, answering, full_backlog, reply
from transports.bundled import ALL, DEFAULTS, at_length, every_transport, using

# libcurl looks names up by itself, where no test gets in between.
RESOLVING = [each for each in ALL if each[0] != "pycurl"]
every_resolving_transport = pytest.mark.parametrize(
    ("name", "is_async"),
    at_length(RESOLVING, DEFAULTS),
)


DEAD = "127.0.0.2"


@contextmanager
def resolving(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> Iterator[None]:
    """While this lasts, altcraft.example has these addresses."""
    real = socket.getaddrinfo

    def getaddrinfo(host: Any, port: Any, *args: Any, **kwargs: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else host
        if name not in ("altcraft.example", PUNYCODE):
            return real(host, port, *args, **kwargs)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, int(port))) for address in addresses]

    with monkeypatch.context() as patched:
        patched.setattr(socket, "getaddrinfo", getaddrinfo)
        yield


@every_resolving_transport
def test_a_host_whose_first_address_swallows_packets_is_reached_by_its_second(
    name: str, is_async: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        Loopback(answering(reply(b"hello"))) as server,
        full_backlog(DEAD, server.port),
        resolving(monkeypatch, DEAD, "127.0.0.1"),
        using(name, is_async) as used,
    ):
        began = time.monotonic()
        assert used.send(f"http://altcraft.example:{server.port}/", timeout=4).body == b"hello"
        assert time.monotonic() - began < 3, "the second address was tried only when the time was nearly over"


@every_resolving_transport
def test_a_host_whose_first_address_refuses_is_reached_by_its_second(
    name: str, is_async: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Loopback(answering(reply(b"hello"))) as server:
        url = f"http://altcraft.example:{server.port}/"
        with resolving(monkeypatch, DEAD, "127.0.0.1"), using(name, is_async) as used:
            assert used.send(url).body == b"hello"
        with (
            resolving(monkeypatch, DEAD, DEAD),
            using(name, is_async) as used,
            pytest.raises(ConnectError, match=r"(?i)refused|connect call failed|all connection attempts failed"),
        ):
            used.send(url)


@every_resolving_transport
def test_the_addresses_of_a_host_have_one_time_together(
    name: str, is_async: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    with full_backlog(DEAD) as dead, resolving(monkeypatch, DEAD, DEAD, DEAD), using(name, is_async) as used:
        began = time.monotonic()
        with pytest.raises(ConnectError):
            used.send(f"http://altcraft.example:{dead.rpartition(':')[2]}/", timeout=0.5)
        assert time.monotonic() - began < 2


# International names


PUNYCODE = "пример.пример".encode("idna").decode()


@every_resolving_transport
def test_an_international_name_goes_out_in_ascii(name: str, is_async: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        Loopback(answering(reply(b"hello"))) as server,
        resolving(monkeypatch, "127.0.0.1"),
        using(name, is_async) as used,
    ):
        assert used.send(f"http://пример.пример:{server.port}/x").body == b"hello"
    assert server.requests[0].headers["host"] == f"{PUNYCODE}:{server.port}"


@every_transport
def test_a_proxy_gets_an_international_name_in_ascii(name: str, is_async: bool) -> None:
    with (
        Loopback(answering(reply(b"hello"))) as proxy,
        using(name, is_async, TransportSettings(proxy=proxy.url)) as used,
    ):
        used.send("http://пример.пример/x")
        used.send("http://пример.пример:8080/x")
    assert [received.headers["host"] for received in proxy.requests] == [PUNYCODE, f"{PUNYCODE}:8080"]
    assert proxy.requests[0].target == f"http://{PUNYCODE}/x"


@pytest.mark.parametrize("name", ["urllib3", "http_client", "pycurl"])
def test_no_transport_needs_the_package_idna(name: str) -> None:
    program = (
        "import sys; sys.modules['idna'] = None\n"
        "from altcraft import ConnectError, HttpRequest\n"
        "from altcraft.wire.transport import TransportRegistry\n"
        f"transport = TransportRegistry().create({name!r}, 'http://x')\n"
        "try:\n    transport.send(HttpRequest('POST', 'http://\\u043f.invalid/', {}, b''), timeout=5)\n"
        "except ConnectError as error:\n    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60)
    assert done.stdout.startswith("no connection: "), done.stderr
