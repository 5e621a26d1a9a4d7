from __future__ import annotations

from collections.abc import Iterator

import pytest

from altcraft_plugins.sandbox import Sandbox


@pytest.fixture
def app() -> Iterator[Sandbox]:
    """A small sandbox in memory, without a worker: step() advances its tasks."""
    with Sandbox(worker=False, profiles=50) as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def shared_app() -> Iterator[Sandbox]:
    """The same, shared by the tests of a module, which leave its rows alone."""
    with Sandbox(worker=False, profiles=50) as sandbox:
        yield sandbox
