"""Where whoever has nothing to do waits until there may be something: one notion, which each driver makes its own."""

from __future__ import annotations

from typing import Protocol

__all__ = ["Signal"]


class Signal(Protocol):
    """Opening it lets some of those who wait go on. `version` counts the openings, so that none goes unnoticed.

    Look at `version` under the engine's lock, decide that there is nothing to do, then wait for it to change.
    """

    @property
    def version(self) -> int:
        """How often the gate was opened."""
        ...

    def open(self, count: int | None = None) -> None:
        """Lets so many of those who wait go on, or all of them."""
        ...
