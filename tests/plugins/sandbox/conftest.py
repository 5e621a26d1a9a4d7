from __future__ import annotations

from collections.abc import Iterator

import pytest

from altcraft_plugins.sandbox import Sandbox


@pytest.fixture
def app() -> Iterator[Sandbox]:
    """A sandbox in memory whose tasks move by step() alone."""
    with Sandbox(worker=False) as sandbox:
        yield sandbox
