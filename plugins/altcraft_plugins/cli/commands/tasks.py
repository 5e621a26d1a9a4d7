"""`altcraft tasks list`, `altcraft tasks status` and `altcraft tasks wait`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from altcraft_plugins.cli.commands.groups import tasks
from altcraft_plugins.cli.options import CONNECTION, EVERY, JOURNAL, OUTPUT, POLLS, RESULTS, VERBOSE, shared

if TYPE_CHECKING:
    from altcraft import Client, Task
    from altcraft_plugins.cli.invocation import Invocation

__all__ = ["tasks_list", "tasks_status", "tasks_wait"]

TASK_IDS = click.argument("ids", metavar="TASK_ID...", nargs=-1, required=True)
SOME_TASK_IDS = click.argument("ids", metavar="[TASK_ID...]", nargs=-1)


def _resumed(client: Client, id_or_token: str) -> Task[object]:
    """A handle on the task. A token of an operation that no plugin declares here stands for its task id."""
    from altcraft.tasks.resume import parse_resume_token
    from altcraft_plugins.cli.stopping import Misuse

    try:
        return client.tasks.resume(id_or_token)
    except LookupError:
        return client.tasks.resume(parse_resume_token(id_or_token).task_id)
    except ValueError as error:
        raise Misuse(str(error)) from None


@tasks.command(
    "status",
    params=shared(RESULTS, OUTPUT, VERBOSE, CONNECTION, POLLS),
    examples="""
        altcraft tasks status 930bfdb0-a5a8-4207-a77d-6b989bdea326
        altcraft tasks status "$first" "$second" --json
    """,
)
@TASK_IDS
@click.pass_obj
def tasks_status(invocation: Invocation, ids: tuple[str, ...]) -> int:
    """Poll tasks once, and show their status. TASK_ID is the platform's id of a task, or a resume token."""
    from altcraft import AltcraftError, Polling
    from altcraft_plugins.cli.exit_codes import DONE, FAILED, worst
    from altcraft_plugins.cli.output.reporter import Result
    from altcraft_plugins.cli.subjects import subject_of

    codes: list[int] = []
    with invocation.session() as session:
        failed = (session.connection.polling or Polling()).failed
        for task in [_resumed(session.client, each) for each in ids]:
            try:
                status = task.poll()
            except AltcraftError as error:
                codes.append(session.fail_call(error, subject_of(task.request), named=len(ids) > 1))
            else:
                session.reporter.status(task, status)
                codes.append(FAILED if status.status in failed else DONE)
                if status.result is not None:
                    codes.append(session.show(Result(task.operation, status.result, subject_of(task.request), task.id)))
    return worst(codes)


@tasks.command(
    "wait",
    params=shared(*EVERY),
    examples="""
        altcraft tasks wait 930bfdb0-a5a8-4207-a77d-6b989bdea326
        altcraft tasks wait "$first" "$second" --timeout 10m
        altcraft tasks wait --all --journal tasks.journal
    """,
)
@SOME_TASK_IDS
@click.option("--all", "waits_for_all", is_flag=True, help="Wait for all tasks that the journal knows of.")
@click.pass_obj
def tasks_wait(invocation: Invocation, ids: tuple[str, ...], waits_for_all: bool) -> int:
    """Wait for tasks, and show each result as soon as it is there. TASK_ID is the platform's id, or a resume token.

    --timeout is for all tasks together. The exit code is that of the worst outcome. --all goes on with those tasks of
    the journal that no running command follows.
    """
    from altcraft_plugins.cli.exit_codes import DONE
    from altcraft_plugins.cli.following import wait

    if bool(ids) == waits_for_all:
        raise click.UsageError("Give at least one TASK_ID, or --all.", click.get_current_context())
    with invocation.session() as session:
        if not waits_for_all:
            resumed = [_resumed(session.client, each) for each in ids]
        elif session.journal is None:
            raise click.UsageError("--all needs --journal FILE, or ALTCRAFT_JOURNAL.", click.get_current_context())
        else:
            resumed = session.journal.resume(session.client)
        return wait(session, resumed, named=len(resumed) > 1) if resumed else DONE


@tasks.command(
    "list",
    params=shared(OUTPUT, JOURNAL),
    examples="""
        altcraft tasks list --journal tasks.journal
        altcraft tasks list --json
    """,
)
@click.pass_obj
def tasks_list(invocation: Invocation) -> int:
    """Show what the journal holds: tasks that run, submissions in doubt, outcomes. Sends nothing.

    A submission is in doubt when it was sent and its task id never arrived: the platform may have started a task.
    """
    from altcraft_plugins.cli.exit_codes import DONE

    with invocation.journal() as journal:
        invocation.reporter.entries(journal.entries())
    return DONE
