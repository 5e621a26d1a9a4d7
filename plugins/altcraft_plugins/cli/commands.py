"""The commands: names, arguments, help. What they do stands elsewhere, and is imported when one runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

import click

from altcraft_plugins.cli.connection import open_client
from altcraft_plugins.cli.feedback import Where, listen, takes_feedback
from altcraft_plugins.cli.options import PACE, SECONDS, Invocation, connected, reported, versioned, waiting

if TYPE_CHECKING:
    from altcraft import ChannelStatistics, Client, Feedback, Task

__all__ = ["root"]

R = TypeVar("R")
F = TypeVar("F", bound="Callable[..., object]")

RESOURCE = click.option(
    "--resource", "--resource-id", "resource_id", type=int, required=True, metavar="N", help="Resource ID."
)
NO_WAIT = click.option(
    "--no-wait", is_flag=True, help="Print the resume token at once, instead of waiting for the result."
)


class NothingAsked(click.UsageError):
    """A group without its command: what there is gets listed."""


def _demand_command(ctx: click.Context) -> None:
    if ctx.invoked_subcommand is None:
        raise NothingAsked("Missing command.", ctx)


@click.group(name="altcraft", invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@versioned
@waiting
@connected
@click.pass_context
def root(ctx: click.Context) -> None:
    """Recount the Altcraft platform's subscription statistics, follow the tasks, read the numbers.

    The API token comes from the environment variable ALTCRAFT_TOKEN. The options below stand before a command or after
    it. Exit codes: 0 done, 1 the task or the API failed, 2 usage, 3 timed out, 130 interrupted; the last two leave
    a resume token for `altcraft tasks wait`. Try `altcraft demo` first: it needs nothing.
    """
    _demand_command(ctx)


def _group(name: str, summary: str) -> click.Group:
    @root.group(name=name, help=summary, invoke_without_command=True)
    @connected
    @click.pass_context
    def group(ctx: click.Context) -> None:
        _demand_command(ctx)

    return group


segments = _group("segments", "Statistics of segments.")
databases = _group("databases", "Statistics of databases.")
resources = _group("resources", "Statistics of resources.")
tasks = _group("tasks", "Tasks that were submitted before.")
sandbox = _group("sandbox", "The embedded sandbox.")
root.add_command(listen)


def _database_options(command: F) -> F:
    """One of three spellings: the pages of different versions call the parameter differently."""
    for name, text in (
        ("--list-id", "The same, sent as `list_id`."),
        ("--db-id", "The same, sent as `db_id`."),
        ("--database", "Database ID, sent as the documentation has it."),
    ):
        command = click.option(name, type=int, metavar="N", help=text)(command)
    return command


def _database(default: str, **given: int | None) -> dict[str, int]:
    """The parameter for the database, by the name under which it is sent."""
    named = {default if name == "database" else name: value for name, value in given.items() if value is not None}
    if sum(value is not None for value in given.values()) > 1:
        raise click.UsageError("Give one of --database, --db-id and --list-id.", click.get_current_context())
    return named


def _refresh(
    invocation: Invocation,
    submit: Callable[[Client, Feedback | None], Task[R]],
    kind: str,
    request: dict[str, object],
    *,
    waits: bool,
    where: Where | None = None,
) -> int:
    from altcraft_plugins.cli.facts import Asked
    from altcraft_plugins.cli.runs import refresh

    given = {name: value for name, value in request.items() if value is not None}
    asked = Asked(kind, int(str(given["id"])), given)
    with (
        open_client(invocation.connect, invocation.connection()) as client,
        (where or Where()).feedback(client) as feedback,
    ):
        return refresh(
            client,
            invocation.reporter,
            lambda client: submit(client, feedback),
            asked,
            waits=waits,
            timeout=invocation.timeout,
        )


def _counters(
    invocation: Invocation,
    read: Callable[[Client], list[ChannelStatistics]],
    kind: str,
    operation: str,
    request: dict[str, object],
) -> int:
    from altcraft_plugins.cli.facts import Asked
    from altcraft_plugins.cli.runs import counters

    asked = Asked(kind, int(str(request["id"])), request)
    with open_client(invocation.connect, invocation.connection()) as client:
        return counters(client, invocation.reporter, read, operation, asked)


@root.command()
@reported
@waiting
@click.pass_obj
def demo(invocation: Invocation) -> int:
    """Recount a segment and a database in the embedded sandbox.

    Needs nothing: no account, no network, no files.
    """
    from altcraft_plugins.cli.demo import demo as run

    return run(invocation.reporter, invocation.connect, invocation.timeout)


@segments.command("refresh")
@click.argument("id", type=int)
@RESOURCE
@_database_options
@NO_WAIT
@waiting
@connected
@click.pass_obj
def segments_refresh(
    invocation: Invocation,
    id: int,
    resource_id: int,
    database: int | None,
    db_id: int | None,
    list_id: int | None,
    no_wait: bool,
) -> int:
    """Have a segment recounted. A dynamic one needs its database."""
    where = _database("db_id", database=database, db_id=db_id, list_id=list_id)
    return _refresh(
        invocation,
        lambda client, feedback: client.segments.refresh_counters(id, resource_id=resource_id, **where),
        "Segment",
        {"id": id, "resource_id": resource_id, **where},
        waits=not no_wait,
    )


@segments.command("counters")
@click.argument("id", type=int)
@RESOURCE
@_database_options
@connected
@click.pass_obj
def segments_counters(
    invocation: Invocation, id: int, resource_id: int, database: int | None, db_id: int | None, list_id: int | None
) -> int:
    """Show a segment's counters as they stand."""
    where = _database("list_id", database=database, db_id=db_id, list_id=list_id)
    return _counters(
        invocation,
        lambda client: client.segments.get_counters(id, resource_id=resource_id, **where),
        "Segment",
        "segments/get_counters",
        {"id": id, "resource_id": resource_id, **where},
    )


@databases.command("refresh")
@click.argument("id", type=int)
@RESOURCE
@takes_feedback
@NO_WAIT
@waiting
@connected
@click.pass_obj
def databases_refresh(invocation: Invocation, id: int, resource_id: int, feedback: Where, no_wait: bool) -> int:
    """Have a database recounted."""
    return _refresh(
        invocation,
        lambda client, feedback: client.databases.refresh_counters(id, resource_id=resource_id, feedback=feedback),
        "Database",
        {"id": id, "resource_id": resource_id, "feedback": feedback.url},
        waits=not no_wait,
        where=feedback,
    )


@databases.command("counters")
@click.argument("id", type=int)
@RESOURCE
@connected
@click.pass_obj
def databases_counters(invocation: Invocation, id: int, resource_id: int) -> int:
    """Show a database's counters as they stand."""
    return _counters(
        invocation,
        lambda client: client.databases.get_counters(id, resource_id=resource_id),
        "Database",
        "databases/get_counters",
        {"id": id, "resource_id": resource_id},
    )


@resources.command("refresh")
@click.argument("id", type=int)
@click.option("--database", "--list-id", "--db-id", "list_id", type=int, metavar="N", help="Database ID.")
@takes_feedback
@NO_WAIT
@waiting
@connected
@click.pass_obj
def resources_refresh(invocation: Invocation, id: int, list_id: int | None, feedback: Where, no_wait: bool) -> int:
    """Have a resource recounted, in one database."""
    return _refresh(
        invocation,
        lambda client, feedback: client.resources.refresh_counters(id, list_id=list_id, feedback=feedback),
        "Resource",
        {"id": id, "list_id": list_id, "feedback": feedback.url},
        waits=not no_wait,
        where=feedback,
    )


@tasks.command("status")
@click.argument("task", metavar="TASK_ID")
@connected
@click.pass_obj
def tasks_status(invocation: Invocation, task: str) -> int:
    """Look at a task once. TASK_ID is its id or a resume token."""
    from altcraft_plugins.cli.runs import resume, status

    with open_client(invocation.connect, invocation.connection()) as client:
        return status(client, invocation.reporter, resume(client, task))


@tasks.command("wait")
@click.argument("ids", metavar="TASK_ID...", nargs=-1, required=True)
@waiting
@connected
@click.pass_obj
def tasks_wait(invocation: Invocation, ids: tuple[str, ...]) -> int:
    """Wait for tasks, all at once, and show each result when it is there. TASK_ID is an id or a resume token.

    --timeout is for all of them together. The exit code is the worst one's.
    """
    from altcraft_plugins.cli.runs import resume, wait

    with open_client(invocation.connect, invocation.connection()) as client:
        return wait(client, invocation.reporter, [resume(client, task) for task in ids], timeout=invocation.timeout)


@sandbox.command("serve")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=8080, show_default=True, help="0 takes a free one.")
@click.option("--db", metavar="FILE", help="Keep everything in this file. [default: in memory]")
@click.option("--profiles", type=click.IntRange(0), metavar="N", help="Size of database 9.")
@click.option("--pace", type=PACE, metavar="SECONDS", help="How long a recount takes, 2.5 or 0.5..5. [default: 2.5]")
@click.option("--feedback", metavar="HOW", help="Have deliveries go wrong: late, never:0.2 and so on.")
@click.option("--feedback-delay", type=SECONDS, metavar="SECONDS", help="How late late ones are. [default: 3]")
@click.option("--feedback-anywhere", is_flag=True, help="Deliver to other machines, too.")
@reported
@click.pass_obj
def sandbox_serve(invocation: Invocation, /, **settings: object) -> int:
    """Serve the sandbox over HTTP until Ctrl-C."""
    from altcraft_plugins.cli.serve import serve

    return serve(invocation.reporter, settings)
