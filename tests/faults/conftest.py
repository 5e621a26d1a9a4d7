from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any

import pytest

from altcraft import Polling, Retry
from integration.carriers import Session, over_a_socket, session

# An AsyncClient runs the other transports in threads, so that `threads` stands for them all.
CARRIERS = [
    (kind, name, codec)
    for kind, name in over_a_socket()
    if kind == "Client" or name in ("threads", "aiohttp", "httpx")
    for codec in ("json", "xml")
]
DEFAULTS = [("Client", "urllib3", "json"), ("AsyncClient", "threads", "json")]

BRISK = {
    "polling": Polling(initial=0.01, maximum=0.02),
    "retry": Retry(attempts=5, base=0.01, maximum=2.0),
    "request_timeout": 0.4,
}
IMPATIENT = Retry(attempts=3, base=0.01, patience=0.2)
"""For a platform that never recovers."""


class Side:
    """A client of one kind over one transport in one format, and what carries out its calls."""

    def __init__(self, made: Session, transport: str, codec: str) -> None:
        self.do = made.do
        self.is_async = made.is_async
        self._session = made
        self._given = {**BRISK, "transport": transport, "codec": codec}

    def client(self, url: str, **settings: Any) -> AbstractContextManager[Any]:
        return self._session.client(url, "a-token", **{**self._given, **settings})


@pytest.fixture(
    params=[
        pytest.param(carrier, id="-".join(carrier), marks=() if carrier in DEFAULTS else pytest.mark.slow)
        for carrier in CARRIERS
    ]
)
def side(request: pytest.FixtureRequest) -> Iterator[Side]:
    """Both clients over every transport in both formats. All but the default ones are slow."""
    kind, name, codec = request.param
    with session(kind) as made:
        yield Side(made, name, codec)
