from __future__ import annotations

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from altcraft import Client
from engine.loops import LOOPS
from engine.stage import FOREVER, Stage


@pytest.fixture
def stage() -> Stage:
    return Stage()


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(32) as pool:
        yield pool


@pytest.fixture
def client(stage: Stage, pool: ThreadPoolExecutor) -> Iterator[Client]:
    """Closed before the pool waits for its threads, so that a failing test ends."""
    with Client("https://example.com", token="a-token", transport=stage, polling=FOREVER) as client:
        yield client


@pytest.fixture
def restless() -> Iterator[None]:
    """Threads take turns as often as the interpreter can do it."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.fixture(params=list(LOOPS))
def loop_kind(request: pytest.FixtureRequest) -> str:
    return request.param
