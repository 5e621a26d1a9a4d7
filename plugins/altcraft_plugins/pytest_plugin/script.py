"""`Script`: the transport of altcraft_script."""

from __future__ import annotations

from collections.abc import Iterable

from altcraft.testing import FakeClock, FakeTransport
from altcraft.testing.fakes import Scripted
from altcraft_plugins.pytest_plugin.sent import Sent

__all__ = ["Script"]


class Script(FakeTransport):
    """A FakeTransport to which a test adds replies; `sent` tells what it was asked."""

    def __init__(self, clock: FakeClock, *, repeat: bool = False) -> None:
        super().__init__((), clock=clock, repeat=repeat)
        self.sent = Sent(self.requests)

    def __call__(self, script: Iterable[Scripted]) -> Script:
        """Adds to the end of the script; returns the transport itself."""
        self.extend(script)
        return self
