"""`altcraft demo`: the main job against the embedded sandbox, over JSON and over XML."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

from altcraft_plugins.cli.commands.groups import root
from altcraft_plugins.cli.options import OUTPUT, RESULTS, TIMEOUT, VERBOSE, shared

if TYPE_CHECKING:
    from altcraft_plugins.cli.invocation import Invocation

__all__ = ["SNIPPET", "demo"]

SNIPPET: Final = """\
with Client("sandbox:") as json, Client("sandbox:", codec="xml") as xml:
    print(json.segments.refresh_counters(7, resource_id=24, db_id=1).result())
    print(xml.databases.refresh_counters(5, resource_id=24).result())
"""
"""Three lines that do the same, after `from altcraft import Client`."""


@root.command("demo", examples="altcraft demo", params=shared(TIMEOUT, RESULTS, OUTPUT, VERBOSE))
@click.pass_obj
def demo(invocation: Invocation) -> int:
    """Recount a segment and a database of the embedded sandbox.

    Needs no account, no network and no files.
    """
    from altcraft import Polling
    from altcraft.schema import DatabasesRefreshCounters, SegmentsRefreshCounters
    from altcraft_plugins.cli.exit_codes import DONE
    from altcraft_plugins.cli.following import refresh

    quick = Polling(initial=0.2, maximum=0.5)
    say = invocation.reporter.say
    say("The sandbox: a small platform inside this process, with invented profiles.\n")
    with invocation.sandbox("json", quick) as session:
        say("Recounting segment 7 over JSON.\n")
        code = refresh(session, [SegmentsRefreshCounters(7, 24, db_id=1)], waits=True)
    if code != DONE:
        return code
    with invocation.sandbox("xml", quick) as session:
        say("Recounting database 5 over XML.\n")
        code = refresh(session, [DatabasesRefreshCounters(5, 24)], waits=True)
    if code == DONE:
        say(f"Three lines of Python do the same, after `from altcraft import Client`:\n\n{SNIPPET}")
    return code
