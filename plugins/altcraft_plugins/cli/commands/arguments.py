"""Arguments of the commands that are about a segment, a database or a resource."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

import click

__all__ = ["IDS", "RESOURCE", "database_options", "database_parameter"]

F = TypeVar("F", bound="Callable[..., object]")

IDS = click.argument("ids", metavar="ID...", nargs=-1, required=True, type=int)
RESOURCE = click.option(
    "--resource", "--resource-id", "resource_id", type=int, required=True, metavar="N", help="Resource ID."
)


def database_options(command: F) -> F:
    """Three spellings of the database's id: the pages of different versions call the parameter differently."""
    for name, text in (
        ("--list-id", "The same, sent as `list_id`."),
        ("--db-id", "The same, sent as `db_id`."),
        ("--database", "Database ID, sent as the method's page names it."),
    ):
        command = click.option(name, type=int, metavar="N", help=text)(command)
    return command


def database_parameter(name: str, given: Mapping[str, int | None]) -> tuple[int | None, int | None]:
    """The parameters `db_id` and `list_id`, at most one of them not None. `name` is what `--database` is sent as."""
    if sum(value is not None for value in given.values()) > 1:
        raise click.UsageError("Give one of --database, --db-id and --list-id.", click.get_current_context())
    sent = {name if option == "database" else option: value for option, value in given.items() if value is not None}
    return sent.get("db_id"), sent.get("list_id")
