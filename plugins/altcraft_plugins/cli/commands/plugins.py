"""`altcraft plugins`: what is loaded, and what failed to load."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from altcraft_plugins.cli.commands.groups import root
from altcraft_plugins.cli.exit_codes import DONE
from altcraft_plugins.cli.options import OUTPUT, PLUGINS, shared

if TYPE_CHECKING:
    from altcraft_plugins.cli.invocation import Invocation

__all__ = ["plugins"]


@root.command(
    "plugins",
    params=shared(PLUGINS, OUTPUT),
    examples="""
        altcraft plugins
        altcraft plugins --plugin acme.audit --json
    """,
)
@click.pass_obj
def plugins(invocation: Invocation) -> int:
    """List the plugins of all installed distributions and of --plugin, with their hooks, and what failed to load."""
    with _quiet(), invocation.plugins() as found:
        for plugin in found:
            invocation.reporter.plugin(plugin)
    return DONE


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the log lines about plugins that failed to load: the list says the same."""
    logger, handler = logging.getLogger("altcraft.hooks"), logging.NullHandler()
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
