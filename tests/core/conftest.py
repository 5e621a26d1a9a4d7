from __future__ import annotations

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from core.stage import Stage
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


@pytest.fixture
def stage() -> Stage:
    return Stage()


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(32) as pool:
        yield pool


@pytest.fixture
def restless() -> Iterator[None]:
    """Threads take turns as often as the interpreter can do it."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)
