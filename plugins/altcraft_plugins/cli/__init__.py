"""The command line, `altcraft`. Page: docs/reference/command-line.md."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.util import find_spec

__all__ = ["main"]

LIBRARIES = ("click", "rich")


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code. `argv` has no program name; None stands for the process's own."""
    if any(find_spec(name) is None for name in LIBRARIES):
        if sys.stderr is not None:
            sys.stderr.write("altcraft: the command line needs the packages click and rich: pip install click rich\n")
        return 2
    try:
        from altcraft_plugins.cli.app import run

        return run(sys.argv[1:], is_last=True) if argv is None else run(argv)
    except KeyboardInterrupt:  # Ctrl-C while the modules are imported; run() handles every later one
        return 130
