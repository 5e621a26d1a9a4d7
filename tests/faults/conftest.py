from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import pytest

from altcraft import Polling, Retry
from integration.carriers import Session, over_a_socket, session

# An AsyncClient runs the other transports in threads, so that `threads` stands for them all.
CARRIERS = [
    (kind, name) for kind, name in over_a_socket() if kind == "Client" or name in ("threads", "aiohttp", "httpx")
]
DEFAULTS = [("Client", "urllib3"), ("AsyncClient", "threads")]

BRISK = {
    "polling": Polling(initial=0.01, maximum=0.02),
    "retry": Retry(attempts=5, base=0.01, maximum=2.0),
    "request_timeout": 0.4,
}


class Side:
    """A client of one kind over one transport, and what carries out its calls."""

    def __init__(self, made: Session, transport: str) -> None:
        self.do = made.do
        self.is_async = made.is_async
        self._session = made
        self._transport = transport

    def client(self, url: str, **settings: Any) -> AbstractContextManager[Any]:
        return self._session.client(url, "a-token", transport=self._transport, **{**BRISK, **settings})


@contextmanager
def _side(carrier: tuple[str, str]) -> Iterator[Side]:
    kind, name = carrier
    with session(kind) as made:
        yield Side(made, name)


@pytest.fixture(
    params=[
        pytest.param(carrier, id="-".join(carrier), marks=() if carrier in DEFAULTS else pytest.mark.slow)
        for carrier in CARRIERS
    ]
)
def side(request: pytest.FixtureRequest) -> Iterator[Side]:
    """Both clients over every transport: the default ones in the README's line, the others among the slow tests."""
    with _side(request.param) as made:
        yield made
