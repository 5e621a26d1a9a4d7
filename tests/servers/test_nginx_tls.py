"""The client behind an nginx that speaks TLS with a private authority, and offers HTTP/2."""

from __future__ import annotations

from typing import Any

import pytest

from altcraft import ConnectError, Retry
from integration.carriers import Session
from integration.scenario import BRISK, TOKEN, scenario
from servers.programs import Authority, Nginx
from servers.wires import every_format, every_wire, trusting


@every_format
@every_wire
def test_the_scenario_passes_over_tls_where_http2_is_offered(
    run: Session, transport: str, codec: str, nginx: Nginx, authority: Authority
) -> None:
    def opener(token: str = TOKEN) -> Any:
        url = nginx.places["tls"].secure_url
        return run.client(url, token, codec=codec, polling=BRISK, **trusting(authority, transport))

    scenario(run, opener)


@every_wire
def test_a_certificate_of_an_unknown_authority_is_refused(run: Session, transport: str, nginx: Nginx) -> None:
    url = nginx.places["tls"].secure_url
    with (
        run.client(url, TOKEN, transport=transport, retry=Retry(attempts=1)) as client,
        pytest.raises(ConnectError, match=r"(?i)certificate"),
    ):
        run.do(client.databases.get_counters(5, resource_id=24))
