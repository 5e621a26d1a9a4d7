"""Events of clients as records of the standard library's `logging`. Page: docs/how-to/logging.md."""

from typing import Final

from altcraft.hooks import register_everywhere, unregister_everywhere
from altcraft_plugins.logs.logs import KINDS, Logs

__all__ = ["KINDS", "Logs", "disable", "enable", "plugin"]

plugin: Final = Logs()
"""What the entry point offers, and `enable` registers."""


def enable() -> None:
    """Has every client of this process log: those that exist, and those that are made later. May be called twice.

    Call it while the program starts: it is not thread-safe.
    """
    disable()
    register_everywhere(plugin)


def disable() -> None:
    """Ends what `enable` has begun."""
    unregister_everywhere(plugin, missing_ok=True)
