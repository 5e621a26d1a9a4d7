"""The transport keeps the contract, and clients find it by its name when this distribution is installed."""

from __future__ import annotations

import ssl
from collections.abc import Callable

import pytest
from altcraft import AsyncClient, Client, TransportSettings
from altcraft.testing import TransportContract
from altcraft.testing.transport_contract import Trust

from altcraft_h11 import H11Transport


class TestH11(TransportContract):
    """Not supported: proxies, a limit of connections, connections that are kept. See the contract's `waivers`."""

    options = frozenset({"max_response", "tls"})
    keeps_connections = False

    @pytest.fixture
    def make_transport(self) -> Callable[..., H11Transport]:
        def make(*, tls: Trust | None = None, max_response: int = 64 << 20) -> H11Transport:
            settings = TransportSettings(max_response=max_response)
            if tls is not None:
                context = ssl.create_default_context(cafile=tls.authorities)
                if tls.certificate is not None:
                    context.load_cert_chain(tls.certificate)
                settings = settings.replace(ssl_context=context)
            return H11Transport(settings)

        return make


def test_a_client_finds_the_installed_transport_by_its_name() -> None:
    with Client("https://your.host", token="t", transport="h11") as client:
        (plugin,) = client.plugins()
    assert (plugin.name, plugin.distribution, plugin.error) == ("h11", "altcraft-h11", None)
    assert plugin.hooks == ("altcraft_register_transports",)


def test_an_async_client_runs_it_in_worker_threads() -> None:
    client = AsyncClient("https://your.host", token="t", transport="h11")
    assert [plugin.name for plugin in client.plugins()] == ["h11"]


@pytest.mark.parametrize(
    "settings", [TransportSettings(proxy="http://proxy.example:3128"), TransportSettings(connections=3)]
)
def test_a_setting_that_it_cannot_heed_is_refused(settings: TransportSettings) -> None:
    with pytest.raises(ValueError, match="the transport h11 knows no proxy"):
        Client("https://your.host", token="t", transport="h11", settings=settings)
