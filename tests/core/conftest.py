from __future__ import annotations

from collections.abc import Iterator

import pytest

from core.worlds import World


@pytest.fixture(params=["threads", "asyncio"])
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    """Every test that asks for it runs on both clients."""
    made = World(is_async=request.param == "asyncio")
    yield made
    made.close()
