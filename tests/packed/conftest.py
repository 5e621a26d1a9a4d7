"""A sandbox for packed programs to talk to, and the marks of the tests that pack them."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from altcraft_plugins.sandbox import Sandbox
from integration.servers import serving

PROGRAM = Path(__file__).parent / "program.py"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here):
            item.add_marker(pytest.mark.slow)
            item.add_marker(pytest.mark.leaves_threads)  # the sandbox serves a whole module
            if item.path.name == "test_pyinstaller.py":
                item.add_marker(pytest.mark.frozen)
                if find_spec("PyInstaller") is None:
                    item.add_marker(pytest.mark.skip(reason="not installed: pyinstaller"))


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with Sandbox(pace=0) as sandbox, serving(sandbox) as url:
        yield url
