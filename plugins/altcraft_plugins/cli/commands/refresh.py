"""`altcraft segments refresh`, and the same for databases and resources."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click

from altcraft_plugins.cli.commands.arguments import IDS, RESOURCE, database_options, database_parameter
from altcraft_plugins.cli.commands.groups import databases, resources, segments
from altcraft_plugins.cli.options import EVERY, shared
from altcraft_plugins.cli.receiver import ReportTo

if TYPE_CHECKING:
    from altcraft import Feedback, TaskRequest
    from altcraft_plugins.cli.invocation import Invocation

__all__ = ["databases_refresh", "resources_refresh", "segments_refresh"]

F = TypeVar("F", bound="Callable[..., object]")

NO_WAIT = click.option(
    "--no-wait", is_flag=True, help="Print the resume token of each task at once, instead of waiting for its result."
)


def _refresh(
    invocation: Invocation,
    requests: Callable[[Callable[[], Feedback | None]], Sequence[TaskRequest[Any]]],
    *,
    waits: bool,
    report_to: ReportTo | None = None,
) -> int:
    from altcraft_plugins.cli.following import refresh

    with (
        invocation.session() as session,
        (report_to or ReportTo()).feedback(session.client) as feedback,
    ):
        return refresh(session, requests(feedback), waits=waits)


def _takes_feedback(command: F) -> F:
    """--feedback, --listen and what belongs to it, as one argument `report_to`."""

    @functools.wraps(command)
    def wrapped(
        *args: object,
        feedback: str | None,
        listen: bool,
        listen_host: str,
        listen_port: int,
        public_url: str | None,
        no_wait: bool,
        **others: object,
    ) -> object:
        if listen and (feedback or no_wait):
            other = "--feedback" if feedback else "--no-wait"
            raise click.UsageError(f"Give one of --listen and {other}.", click.get_current_context())
        report_to = ReportTo(feedback, listen, listen_host, listen_port, public_url)
        return command(*args, report_to=report_to, no_wait=no_wait, **others)

    made: Any = wrapped
    for option in (
        click.option(
            "--public-url", metavar="URL", help="Where the platform reaches --listen. [default: the address itself]"
        ),
        click.option(
            "--listen-port",
            type=click.IntRange(0, 65535),
            default=0,
            metavar="PORT",
            help="Port of --listen. [default: any]",
        ),
        click.option(
            "--listen-host", default="127.0.0.1", metavar="HOST", show_default=True, help="Address of --listen."
        ),
        click.option("--listen", is_flag=True, help="Listen for the platform's own word that the task is done."),
        click.option("--feedback", metavar="URL", help="Have the platform send the statistics to this URL, too."),
    ):
        made = option(made)
    return cast(F, made)


@segments.command(
    "refresh",
    params=shared(*EVERY),
    examples="""
        altcraft segments refresh 7 --resource 24 --database 1
        altcraft segments refresh 7 8 11 --resource 24 --database 1 --timeout 10m
        altcraft segments refresh 7 --resource 24 --database 1 --no-wait
    """,
)
@IDS
@RESOURCE
@database_options
@NO_WAIT
@click.pass_obj
def segments_refresh(
    invocation: Invocation, /, ids: tuple[int, ...], resource_id: int, no_wait: bool, **database: int | None
) -> int:
    """Recount segments, and show the new numbers. A dynamic segment needs its database."""
    from altcraft.schema import SegmentsRefreshCounters

    db_id, list_id = database_parameter("db_id", database)
    return _refresh(
        invocation,
        lambda feedback: [SegmentsRefreshCounters(id, resource_id, db_id, list_id) for id in ids],
        waits=not no_wait,
    )


@databases.command(
    "refresh",
    params=shared(*EVERY),
    examples="""
        altcraft databases refresh 5 --resource 24
        altcraft databases refresh 5 9 --resource 12 --json
        altcraft databases refresh 5 --resource 24 --listen
    """,
)
@IDS
@RESOURCE
@_takes_feedback
@NO_WAIT
@click.pass_obj
def databases_refresh(
    invocation: Invocation, ids: tuple[int, ...], resource_id: int, report_to: ReportTo, no_wait: bool
) -> int:
    """Recount databases, and show the new numbers."""
    from altcraft.schema import DatabasesRefreshCounters

    return _refresh(
        invocation,
        lambda feedback: [DatabasesRefreshCounters(id, resource_id, feedback()) for id in ids],
        waits=not no_wait,
        report_to=report_to,
    )


@resources.command(
    "refresh",
    params=shared(*EVERY),
    examples="""
        altcraft resources refresh 24
        altcraft resources refresh 12 24 --database 5
    """,
)
@IDS
@click.option("--database", "--list-id", "--db-id", "list_id", type=int, metavar="N", help="Database ID.")
@_takes_feedback
@NO_WAIT
@click.pass_obj
def resources_refresh(
    invocation: Invocation, ids: tuple[int, ...], list_id: int | None, report_to: ReportTo, no_wait: bool
) -> int:
    """Recount resources, in one database, and show the new numbers."""
    from altcraft.schema import ResourcesRefreshCounters

    return _refresh(
        invocation,
        lambda feedback: [ResourcesRefreshCounters(id, list_id, feedback()) for id in ids],
        waits=not no_wait,
        report_to=report_to,
    )
