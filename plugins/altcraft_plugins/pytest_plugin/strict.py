"""A script that was not played to its end fails its test."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING

import pytest

from altcraft_plugins.pytest_plugin.markers import settings
from altcraft_plugins.pytest_plugin.script import Script

if TYPE_CHECKING:
    from altcraft.testing import FakeClock

__all__ = ["script"]

_SCRIPTS = pytest.StashKey[Script]()
_NAME = "altcraft-strict"
_SHOWN = 5
"""Replies that the message shows."""


def script(request: pytest.FixtureRequest, clock: FakeClock) -> Script:
    """The script of a test, which is checked when the test has passed, unless its marker says otherwise."""
    given = settings(request.node, "altcraft_script")
    strict = given.pop("strict", True)
    made = Script(clock, **given)
    if strict:
        request.node.stash[_SCRIPTS] = made
        plugins = request.config.pluginmanager
        if not plugins.has_plugin(_NAME):  # with the first script of the run: other runs have no hook of ours
            plugins.register(_Strict(), _NAME)
    return made


class _Strict:
    """Looks at the scripts of the tests that have passed."""

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, object, object]:
        """Fails a test whose script has replies left. What the test itself raises goes through."""
        result = yield
        played = item.stash.get(_SCRIPTS, None)
        if played is not None and played.remaining:
            left = played.remaining
            shown = "".join(f"\n  {reply!r}" for reply in left[:_SHOWN])
            pytest.fail(
                f"{len(left)} of altcraft_script's replies were not asked for:{shown}\n"
                f"@pytest.mark.altcraft_script(strict=False) allows that.",
                pytrace=False,
            )
        return result
