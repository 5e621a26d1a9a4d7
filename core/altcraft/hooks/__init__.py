"""The hooks: their specifications, the plugins of a client, and the calls to both. Page: docs/reference/hooks.md."""

from altcraft.hooks.callbacks import guarded, refuse_coroutines
from altcraft.hooks.plugins import ENTRY_POINTS, Hooks, Plugin, register_everywhere, unregister_everywhere
from altcraft.hooks.specifications import (
    PROJECT,
    ObservedExchange,
    ObservedWait,
    Specifications,
    Submission,
    TaskHandle,
    hookimpl,
)

__all__ = [
    "ENTRY_POINTS",
    "PROJECT",
    "Hooks",
    "ObservedExchange",
    "ObservedWait",
    "Plugin",
    "Specifications",
    "Submission",
    "TaskHandle",
    "guarded",
    "hookimpl",
    "refuse_coroutines",
    "register_everywhere",
    "unregister_everywhere",
]
