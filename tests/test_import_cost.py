"""`import altcraft` is cheap: what is needed later comes with its first use."""

from __future__ import annotations

import subprocess
import sys

import pytest

LATER = [
    "urllib3",
    "defusedxml",
    "ssl",
    "sqlite3",
    "asyncio",
    "importlib.metadata",
    "logging",
    "concurrent.futures",
]


def modules_after(statement: str) -> set[str]:
    """The modules of a new interpreter once it has run a statement."""
    program = f"import sys; {statement}; print(*sys.modules, sep='\\n')"
    # Isolated and without site: nothing else comes in before the statement; only the paths are kept.
    prepare = f"import sys; sys.path[:] = {sys.path!r}; "
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", prepare + program],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return set(done.stdout.split())


@pytest.fixture(scope="module")
def drawn_in() -> set[str]:
    return modules_after("import altcraft")


@pytest.mark.parametrize("module", LATER)
def test_importing_altcraft_leaves_a_module_for_later(module: str, drawn_in: set[str]) -> None:
    assert "altcraft" in drawn_in
    assert module not in drawn_in


def test_importing_altcraft_draws_in_no_transport_and_no_plugin(drawn_in: set[str]) -> None:
    assert not {name for name in drawn_in if name.startswith(("altcraft_transports", "altcraft_plugins"))}
