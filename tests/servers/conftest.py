"""The servers that the tests of this folder share, and the marks that keep them out of the quick line."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from altcraft_plugins.sandbox import Sandbox
from integration.carriers import Session, session
from servers.programs import Authority, Nginx, Squid, free_ports, missing_programs, temporary_folder
from servers.upstream import Upstream, serving_on


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark this folder's tests. They share servers, and are skipped where nginx or squid is not installed."""
    absent = missing_programs()
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here):
            item.add_marker(pytest.mark.slow)
            item.add_marker(pytest.mark.servers)
            item.add_marker(pytest.mark.leaves_threads)
            if absent:
                item.add_marker(pytest.mark.skip(reason=f"not installed: {', '.join(absent)} (Debian's packages)"))


@pytest.fixture(scope="session")
def authority() -> Iterator[Authority]:
    with temporary_folder() as folder:
        yield Authority(folder)


@pytest.fixture(scope="session")
def platform() -> Iterator[Upstream]:
    """The sandbox, which counts what reaches it."""
    with Sandbox(pace=0) as sandbox:
        yield Upstream(sandbox)


@pytest.fixture(scope="session")
def upstream(platform: Upstream) -> Iterator[int]:
    """The port on which the platform is served for the whole session."""
    with serving_on(0, platform) as port:
        yield port


@pytest.fixture(scope="session")
def silent() -> Iterator[int]:
    """The port of a server that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=256) as listening:
        yield listening.getsockname()[1]


@pytest.fixture(scope="session")
def vacant() -> int:
    """A port on which a test may start a platform. Nothing listens there between the tests."""
    return free_ports(1)[0]


@pytest.fixture(scope="session")
def nginx(authority: Authority, upstream: int, silent: int, vacant: int) -> Iterator[Nginx]:
    """nginx before the platform, with one place for each thing that a proxy does to a client."""
    onwards = f"location / {{ proxy_pass http://127.0.0.1:{upstream}; }}"
    places = {
        "plain": onwards,
        "gzip": f"gzip on; gzip_proxied any; gzip_min_length 1; gzip_types *; {onwards}",
        "brief": f"keepalive_timeout 150ms; keepalive_requests 3; {onwards}",
        "prefix": f"location /crm/ {{ proxy_pass http://127.0.0.1:{upstream}/; }}",
        "tls": onwards,
        "tight": f"client_max_body_size 1k; {onwards}",
        "abrupt": f"client_max_body_size 1k; lingering_close off; {onwards}",
        "throttled": f"limit_req zone=few; limit_req_status 429; {onwards}",
        "broken": f"location / {{ proxy_pass http://127.0.0.1:{vacant}; }}",
        "late": f"location / {{ proxy_pass http://127.0.0.1:{silent}; proxy_read_timeout 200ms; }}",
        "moved": "return 301 https://new.example/crm$request_uri;",
        "slashed": f"rewrite ^(.*[^/])$ $1/ permanent; {onwards}",
    }
    with temporary_folder() as folder:
        server = Nginx(folder, places, tls=frozenset({"tls"}), authority=authority)
        with server:
            yield server


@pytest.fixture(scope="session")
def closed() -> int:
    """A port on which nothing ever listens."""
    return free_ports(1)[0]


@pytest.fixture(scope="session")
def squid(authority: Authority, nginx: Nginx, closed: int) -> Iterator[Squid]:
    """squid, which tunnels to the TLS place of nginx and to the closed port."""
    with temporary_folder() as folder:
        server = Squid(folder, authority, [nginx.places["tls"].port, closed])
        with server:
            yield server


@pytest.fixture
def run(kind: str) -> Iterator[Session]:
    """Carries out the calls of a client whose kind is the test's parameter."""
    with session(kind) as made:
        yield made


@pytest.fixture
def kind() -> str:
    """Overridden by the tests' own parameter."""
    return "Client"
