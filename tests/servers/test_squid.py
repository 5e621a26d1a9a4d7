"""The client through a real squid, which wants a password: forwarded requests, tunnels, refusals."""

from __future__ import annotations

import base64
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import altcraft
from altcraft import AltcraftError, ApiError, ConnectError, Retry, TransportSettings
from integration.carriers import Session
from integration.scenario import BRISK, TOKEN, scenario
from servers.programs import Authority, Nginx, Squid
from servers.wires import WIRES, every_format, every_wire, trusting

ONCE = Retry(attempts=1, patience=0)
WRONG = "user:wr0ng%20p%40ss"
SECRETS = [
    "s3cret",
    "wr0ng",
    *(base64.b64encode(pair)[:16].decode() for pair in (b"user:s3cret p@ss", b"user:wr0ng p@ss")),
]
TLS_TO_A_PROXY = {"urllib3", "threads", "pycurl"}
"""The transports that can speak TLS with a proxy."""
ROOTS = tuple(str(Path(altcraft.__file__).parents[2] / root) for root in ("core", "transports", "plugins"))

Proxied = Callable[..., dict[str, Any]]

every_scheme = pytest.mark.parametrize("scheme", ["http", "https"])
every_bad_password = pytest.mark.parametrize("credentials", [None, WRONG], ids=["no password", "wrong password"])


@pytest.fixture
def through(transport: str, authority: Authority, squid: Squid) -> Proxied:
    """Makes the arguments of a client that goes through squid, and trusts the private authority."""

    def through(credentials: str | None = squid.quoted, *, tls: bool = False) -> dict[str, Any]:
        return trusting(authority, transport, proxy=squid.address(credentials, tls=tls))

    return through


@pytest.fixture
def targets(nginx: Nginx) -> dict[str, str]:
    """The platform's URL by its scheme. Both lead to nginx: forwarded by squid, or tunnelled through it."""
    return {"http": nginx.places["plain"].url, "https": nginx.places["tls"].secure_url}


@every_format
@every_scheme
@every_wire
def test_the_scenario_passes(scheme: str, run: Session, codec: str, targets: dict[str, str], through: Proxied) -> None:
    scenario(run, lambda token=TOKEN: run.client(targets[scheme], token, codec=codec, polling=BRISK, **through()))


@every_scheme
@every_wire
def test_a_proxy_that_speaks_tls_works_or_is_refused_at_construction(
    scheme: str, run: Session, transport: str, targets: dict[str, str], through: Proxied
) -> None:
    """The proxy's certificate is of the private authority, too."""
    if transport in TLS_TO_A_PROXY:
        with run.client(targets[scheme], TOKEN, retry=ONCE, **through(tls=True)) as client:
            assert run.do(client.databases.get_counters(5, resource_id=24))
    else:
        with (
            pytest.raises(ValueError, match="has no https proxies") as caught,
            run.client(targets[scheme], TOKEN, **through(tls=True)),
        ):
            pass
        assert "s3cret" not in str(caught.value)


@every_scheme
@pytest.mark.parametrize(("kind", "transport"), [wire for wire in WIRES if wire[1] in TLS_TO_A_PROXY])
def test_a_proxy_with_an_unknown_certificate_is_refused(
    scheme: str, run: Session, transport: str, targets: dict[str, str], squid: Squid
) -> None:
    settings = TransportSettings(proxy=squid.address(squid.quoted, tls=True))
    with (
        run.client(targets[scheme], TOKEN, transport=transport, settings=settings, retry=ONCE) as client,
        pytest.raises(ConnectError, match=r"(?i)certificate") as caught,
    ):
        run.do(client.databases.get_counters(5, resource_id=24))
    assert_no_password(caught.value)


@every_bad_password
@every_wire
def test_a_forwarded_request_without_the_right_password_is_a_407(
    credentials: str | None, run: Session, targets: dict[str, str], through: Proxied
) -> None:
    with run.client(targets["http"], TOKEN, retry=ONCE, **through(credentials)) as client:
        for call in (client.databases.refresh_counters, client.databases.get_counters):
            with pytest.raises(ApiError) as caught:
                run.do(call(5, resource_id=24))
            assert (caught.value.code, caught.value.http_status) == (407, 407)
            assert_no_password(caught.value)


@every_bad_password
@every_wire
def test_a_tunnel_without_the_right_password_is_a_connect_error_that_names_407(
    credentials: str | None, run: Session, targets: dict[str, str], through: Proxied
) -> None:
    with (
        run.client(targets["https"], TOKEN, retry=ONCE, **through(credentials)) as client,
        pytest.raises(ConnectError, match="407") as caught,
    ):
        run.do(client.databases.refresh_counters(5, resource_id=24))
    assert_no_password(caught.value)


@every_wire
def test_a_tunnel_that_squid_forbids_is_a_connect_error_that_names_403(
    run: Session, nginx: Nginx, through: Proxied
) -> None:
    forbidden = f"https://localhost:{nginx.places['plain'].port}"
    with (
        run.client(forbidden, TOKEN, retry=ONCE, **through()) as client,
        pytest.raises(ConnectError, match="403") as caught,
    ):
        run.do(client.databases.refresh_counters(5, resource_id=24))
    assert_no_password(caught.value)


@every_wire
@pytest.mark.parametrize(("scheme", "error"), [("http", ApiError), ("https", ConnectError)])
def test_a_platform_that_squid_does_not_reach_is_a_503(
    scheme: str, error: type[AltcraftError], run: Session, closed: int, through: Proxied
) -> None:
    with (
        run.client(f"{scheme}://localhost:{closed}", TOKEN, retry=ONCE, **through()) as client,
        pytest.raises(error, match="503") as caught,
    ):
        run.do(client.databases.refresh_counters(5, resource_id=24))
    assert_no_password(caught.value)


@every_scheme
@every_wire
def test_a_proxy_that_is_down_is_a_connect_error(
    scheme: str, run: Session, transport: str, targets: dict[str, str], closed: int
) -> None:
    settings = TransportSettings(proxy=f"http://{WRONG}@127.0.0.1:{closed}")
    with (
        run.client(targets[scheme], TOKEN, transport=transport, settings=settings, retry=ONCE) as client,
        pytest.raises(ConnectError) as caught,
    ):
        run.do(client.databases.refresh_counters(5, resource_id=24))
    assert_no_password(caught.value)


@every_scheme
@every_wire
def test_the_environment_names_the_proxy_and_its_exceptions(
    scheme: str,
    run: Session,
    transport: str,
    targets: dict[str, str],
    squid: Squid,
    authority: Authority,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(f"{scheme.upper()}_PROXY", squid.address(squid.quoted))
    carried = squid.carried()
    cases = [("", {}, 1), ("localhost,127.0.0.1", {}, 0), ("", {"trust_env": False}, 0)]
    for exceptions, settings, by_squid in cases:
        monkeypatch.setenv("NO_PROXY", exceptions)
        with run.client(targets[scheme], TOKEN, retry=ONCE, **trusting(authority, transport, **settings)) as client:
            assert run.do(client.databases.get_counters(5, resource_id=24))
        carried += by_squid
        assert squid.carried() == carried, (exceptions, settings)


def assert_no_password(error: BaseException) -> None:
    """Neither an error's text nor the variables of the library's own frames show a proxy's password, in any writing."""
    queue = [traceback.TracebackException.from_exception(error, capture_locals=True)]
    shown = [str(error), repr(error), "".join(traceback.format_exception(error))]
    while queue:
        each = queue.pop()
        queue += [linked for linked in (each.__cause__, each.__context__) if linked is not None]
        shown += [
            f"{frame.filename}:{frame.lineno} {name}={value}"
            for frame in each.stack
            if frame.filename.startswith(ROOTS)
            for name, value in (frame.locals or {}).items()
        ]
    assert not [text for text in shown if any(secret in text for secret in SECRETS)]
