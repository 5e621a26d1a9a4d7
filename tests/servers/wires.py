"""The clients and transports that the tests of this folder run over."""

from __future__ import annotations

import pytest

from integration.carriers import over_a_socket

__all__ = ["WIRES", "every_format", "every_wire"]

# An AsyncClient runs the other transports in threads, so that `threads` stands for them all.
WIRES = [(kind, name) for kind, name in over_a_socket() if kind == "Client" or name in ("threads", "aiohttp", "httpx")]

every_wire = pytest.mark.parametrize(("kind", "transport"), WIRES, ids=["-".join(wire) for wire in WIRES])
every_format = pytest.mark.parametrize("codec", ["json", "xml"])
