"""The commands: their names, arguments and help. What a command needs beyond that is imported when it runs."""

from altcraft_plugins.cli.commands import (
    completion,
    counters,
    demo,
    history,
    listen,
    plugins,
    refresh,
    report,
    run,
    sandbox,
    tasks,
)
from altcraft_plugins.cli.commands.groups import root

__all__ = [
    "completion",
    "counters",
    "demo",
    "history",
    "listen",
    "plugins",
    "refresh",
    "report",
    "root",
    "run",
    "sandbox",
    "tasks",
]
