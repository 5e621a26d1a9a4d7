"""`altcraft history`."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import click

from altcraft_plugins.cli.commands.groups import root
from altcraft_plugins.cli.exit_codes import DONE, FAILED
from altcraft_plugins.cli.options import HISTORY, OUTPUT, RESULTS, shared
from altcraft_plugins.cli.parameter_types import MOMENT
from altcraft_plugins.cli.stopping import Misuse

if TYPE_CHECKING:
    from altcraft_plugins.cli.invocation import Invocation
    from altcraft_plugins.history import History, Imported

__all__ = ["history"]


@root.command(
    "history",
    params=shared(HISTORY, RESULTS, OUTPUT),
    examples="""
        altcraft history --history counts.history
        altcraft history "Newsletter, active" --since 30d --channel email
        altcraft history "Newsletter, active" --csv -o newsletter.csv
        altcraft history --import collected.jsonl
    """,
)
@click.argument("name", metavar="[NAME]", required=False)
@click.option("--since", type=MOMENT, metavar="WHEN", help="Leave out older counts: 30d, or 2026-11-01.")
@click.option("--channel", "channels", multiple=True, metavar="NAME", help="This channel. Give it several times.")
@click.option(
    "--import",
    "files",
    multiple=True,
    metavar="FILE",
    help="Take in the counts of a file of JSON lines, as --json prints them, under NAME if given; - is stdin.",
)
@click.pass_obj
def history(
    invocation: Invocation, name: str | None, since: datetime | None, channels: tuple[str, ...], files: tuple[str, ...]
) -> int:
    """Show how the counters of NAME have changed, channel by channel. Without NAME, list what the history knows.

    NAME is the plan's name for what was counted, or such as "segment 7, database 1, resource 24". The history is that
    of --history. `share` is the last share of all profiles, and `points` its change in percentage points.
    """
    with invocation.history(is_made=bool(files)) as kept:
        if files:
            return _import(invocation, kept, files, name)
        if name is None:
            if since is not None or channels:
                raise click.UsageError("--since and --channel need a NAME.", click.get_current_context())
            invocation.reporter.items(kept.items())
            return DONE
        _show(invocation, kept, name, since, channels)
    return DONE


def _show(invocation: Invocation, kept: History, name: str, since: datetime | None, channels: tuple[str, ...]) -> None:
    from altcraft_plugins.history import series_of

    every = kept.rows(name)
    if not every:
        raise Misuse(f"The history has no count of {name!r}.{_meant(name, [item.name for item in kept.items()])}")
    rows = [row for row in every if since is None or row.at >= since]
    if not rows:
        raise Misuse(f"The last count of {name!r} was at {every[-1].at:%F %T} UTC, before --since.")
    known = sorted({row.channel for row in rows})
    for channel in channels:
        if channel not in known:
            raise Misuse(f"--channel: {name!r} has no channel {channel!r}. It has {', '.join(known)}.")
    invocation.reporter.trends(series_of(row for row in rows if not channels or row.channel in channels))


def _meant(name: str, known: list[str]) -> str:
    """Names that are like the one that was typed."""
    from difflib import get_close_matches

    lower = {each.casefold(): each for each in known}
    near = [lower[match] for match in get_close_matches(name.casefold(), lower, n=3)]
    return f" Did you mean {' or '.join(map(repr, near))}?" if near else " `altcraft history` lists the names."


def _import(invocation: Invocation, kept: History, files: tuple[str, ...], name: str | None) -> int:
    outcomes: list[Imported] = []
    for file in files:
        try:
            with click.open_file(file, encoding="utf-8", errors="replace") as lines:
                outcomes.append(kept.import_lines(lines, name=name))
        except OSError as error:
            raise Misuse(f"--import: {file} cannot be read: {error.strerror}") from None
        invocation.reporter.imported(file, outcomes[-1])
    return FAILED if any(outcome.broken for outcome in outcomes) else DONE
