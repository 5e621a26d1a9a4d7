"""The clients and transports that the tests of this folder run over."""

from __future__ import annotations

from typing import Any

import pytest

from altcraft import TransportSettings
from altcraft_transports.pycurl import PycurlTransport
from integration.carriers import over_a_socket
from servers.programs import Authority

__all__ = ["WIRES", "every_format", "every_wire", "trusting"]

# An AsyncClient runs the other transports in threads, so that `threads` stands for them all.
WIRES = [(kind, name) for kind, name in over_a_socket() if kind == "Client" or name in ("threads", "aiohttp", "httpx")]

every_wire = pytest.mark.parametrize(("kind", "transport"), WIRES, ids=["-".join(wire) for wire in WIRES])
every_format = pytest.mark.parametrize("codec", ["json", "xml"])


def trusting(authority: Authority, transport: str, **settings: Any) -> dict[str, Any]:
    """The arguments of a client whose transport has these settings, and trusts the authority.

    libcurl reads authorities from a file. Therefore a pycurl transport is made here.
    """
    if transport == "pycurl":
        return {"transport": PycurlTransport(TransportSettings(**settings), ca_file=str(authority.file))}
    context = authority.client_context()
    return {"transport": transport, "settings": TransportSettings(ssl_context=context, **settings)}
