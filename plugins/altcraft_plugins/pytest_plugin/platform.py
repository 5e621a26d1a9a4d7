"""The sandboxes of the fixtures."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from altcraft_plugins.pytest_plugin.markers import settings
from altcraft_plugins.sandbox import FaultPlan, Sandbox, SandboxServer, serve

if TYPE_CHECKING:
    import pytest

    from altcraft.testing import FakeClock

__all__ = ["TOKEN", "sandbox", "server"]

TOKEN = "sandbox"  # noqa: S105  # the sandbox's public token


@contextmanager
def sandbox(node: pytest.Item, clock: FakeClock) -> Iterator[Sandbox]:
    """A sandbox in this process, in the clock's time."""
    made = Sandbox(**_settings(node, clock=clock))
    try:
        yield made
    finally:
        made.close()


@contextmanager
def server(node: pytest.Item) -> Iterator[SandboxServer]:
    """A sandbox on a free port."""
    with serve(port=0, **_settings(node, pace=0.0, tokens=[TOKEN])) as made:
        yield made


def _settings(node: pytest.Item, **defaults: Any) -> dict[str, Any]:
    given = {**defaults, **settings(node, "altcraft_sandbox")}
    mark = node.get_closest_marker("altcraft_faults")
    if mark is not None:
        (plan,) = mark.args
        given["faults"] = plan if isinstance(plan, (FaultPlan, str, os.PathLike)) else FaultPlan(plan)
    return given
