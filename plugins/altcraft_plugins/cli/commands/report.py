"""`altcraft report`."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import click

from altcraft_plugins.cli.commands.groups import root
from altcraft_plugins.cli.exit_codes import DONE
from altcraft_plugins.cli.options import HISTORY, INTO_FILE, shared
from altcraft_plugins.cli.parameter_types import MOMENT
from altcraft_plugins.cli.stopping import Misuse

if TYPE_CHECKING:
    from altcraft_plugins.cli.invocation import Invocation

__all__ = ["report"]


@root.command(
    "report",
    params=shared(HISTORY, INTO_FILE),
    examples="""
        altcraft report --history counts.history -o report.html
        altcraft report "Newsletter, active" "Club members" --since 90d --drop 5 -o report.html
    """,
)
@click.argument("names", metavar="[NAME...]", nargs=-1)
@click.option("--since", type=MOMENT, metavar="WHEN", help="Leave out older counts: 90d, or 2026-11-01.")
@click.option(
    "--drop",
    type=click.FloatRange(0, min_open=True),
    metavar="PERCENT",
    help="Alert where `subscribed` fell by more than this from one count to the next. [default: no alerts]",
)
@click.option("--title", default="Subscriptions", metavar="TEXT", show_default=True, help="The heading of the page.")
@click.pass_obj
def report(
    invocation: Invocation, names: tuple[str, ...], since: datetime | None, drop: float | None, title: str
) -> int:
    """Make a page of the history: what changed most, what failed today, a chart for each channel of each NAME.

    It is one HTML file without scripts, which loads nothing. Without NAME, it has all that the history knows.
    """
    from altcraft_plugins.cli.output.destination import Destination
    from altcraft_plugins.report import report as made

    destination = Destination(invocation.settings.output)
    try:
        with invocation.history(is_made=False) as history:
            known = {item.name for item in history.items()} | {failure.name for failure in history.failures()}
            for name in names:
                if name not in known:
                    raise Misuse(f"The history does not know {name!r}. `altcraft history` lists the names.")
            destination.write(made(history, names=names or None, since=since, drop=drop, title=title))
    finally:
        destination.finish()
    return DONE
