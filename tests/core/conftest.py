from __future__ import annotations

from collections.abc import Iterator

import pytest

from core.worlds import KINDS, World

both_kinds = pytest.fixture(params=["threads", "asyncio"])


@both_kinds
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    """Every test that asks for it runs on both clients."""
    made = World(is_async=request.param == "asyncio")
    yield made
    made.close()


@both_kinds
def both_clients(request: pytest.FixtureRequest) -> Iterator[None]:
    """The same for those who make their clients with `plain_client`."""
    KINDS.append(request.param)
    yield
    KINDS.pop()
