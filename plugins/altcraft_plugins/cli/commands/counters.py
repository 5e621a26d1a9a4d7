"""`altcraft segments counters` and `altcraft databases counters`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timezone
from typing import TYPE_CHECKING

import click

from altcraft_plugins.cli.commands.arguments import IDS, RESOURCE, database_options, database_parameter
from altcraft_plugins.cli.commands.groups import databases, segments
from altcraft_plugins.cli.options import CONNECTION, OUTPUT, RESULTS, RETRIES, VERBOSE, shared

if TYPE_CHECKING:
    from altcraft.schema import DatabasesGetCounters, SegmentsGetCounters
    from altcraft_plugins.cli.invocation import Invocation

__all__ = ["databases_counters", "segments_counters"]

SHARED = (RESULTS, OUTPUT, VERBOSE, CONNECTION, RETRIES)


def _counters(
    invocation: Invocation, operation: str, requests: Sequence[SegmentsGetCounters | DatabasesGetCounters]
) -> int:
    from altcraft import AltcraftError
    from altcraft_plugins.cli.exit_codes import worst
    from altcraft_plugins.cli.output.reporter import Result
    from altcraft_plugins.cli.subjects import subject_of

    codes: list[int] = []
    with invocation.session() as session:
        for request in requests:
            subject = subject_of(request)
            try:
                value = session.client.call(request)
            except AltcraftError as error:
                codes.append(session.fail_call(error, subject, named=len(requests) > 1))
            else:
                result = Result(operation, value, subject, read_at=datetime.now(timezone.utc))
                codes.append(session.show(result, named=len(requests) > 1))
    return worst(codes)


@segments.command(
    "counters",
    params=shared(*SHARED),
    examples="""
        altcraft segments counters 7 --resource 24 --database 1
        altcraft segments counters 7 8 11 --resource 24 --database 1 --json
    """,
)
@IDS
@RESOURCE
@database_options
@click.pass_obj
def segments_counters(invocation: Invocation, /, ids: tuple[int, ...], resource_id: int, **database: int | None) -> int:
    """Show the numbers of the last count of segments."""
    from altcraft.schema import SegmentsGetCounters

    db_id, list_id = database_parameter("list_id", database)
    requests = [SegmentsGetCounters(id, resource_id, list_id, db_id) for id in ids]
    return _counters(invocation, "segments/get_counters", requests)


@databases.command(
    "counters",
    params=shared(*SHARED),
    examples="""
        altcraft databases counters 5 --resource 24
        altcraft databases counters 1 5 9 --resource 12 --csv -o counters.csv
    """,
)
@IDS
@RESOURCE
@click.pass_obj
def databases_counters(invocation: Invocation, ids: tuple[int, ...], resource_id: int) -> int:
    """Show the numbers of the last count of databases."""
    from altcraft.schema import DatabasesGetCounters

    return _counters(invocation, "databases/get_counters", [DatabasesGetCounters(id, resource_id) for id in ids])
