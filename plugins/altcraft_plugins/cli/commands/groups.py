"""The program itself and its groups of commands."""

from __future__ import annotations

import click

from altcraft_plugins.cli.commands.click_classes import Group
from altcraft_plugins.cli.options import EVERY, OUTPUT, shared

__all__ = ["databases", "plan", "resources", "root", "sandbox", "segments", "tasks"]


def _show_version(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    if not value or ctx.resilient_parsing:
        return
    from importlib.metadata import PackageNotFoundError, version

    try:
        found = version("altcraft-client")
    except PackageNotFoundError:  # run from its sources, or packed. The import takes longer: it draws in the client
        from altcraft import __version__ as found
    click.echo(f"altcraft {found}")
    ctx.exit()


@click.group(
    name="altcraft",
    params=shared(*EVERY),
    cls=Group,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    examples="""
        altcraft demo
        altcraft --url https://your.host segments refresh 7 --resource 24 --database 1
        altcraft databases counters 5 --resource 24
        altcraft run plan.toml --history counts.history --report report.html
    """,
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_show_version,
    help="Show the version and exit.",
)
def root() -> None:
    """Recount the Altcraft platform's subscription statistics, follow the tasks, read the numbers.

    To recount (`refresh`) is to have the platform count anew how many profiles each channel reaches. That is a task
    of some seconds or minutes, and the command waits for it. `counters` shows the numbers of the last count at once.
    `run` makes the recounts of a plan, every morning, say, and shows what has changed.

    The API token comes from the environment: ALTCRAFT_TOKEN holds it, or ALTCRAFT_TOKEN_FILE names a file that does.
    The options below stand before a command or after it. Those of the sections Connection, Retries and polls, and
    --timeout can also be set in the environment: --request-timeout as ALTCRAFT_REQUEST_TIMEOUT, and so on. A DURATION
    is 30s, 5m, 1h30m, or a number of seconds.

    Exit codes: 0 done, 1 the task or the API failed, 2 usage, 3 timed out, 130 Ctrl-C, 143 SIGTERM, 129 SIGHUP. After
    the last four, a resume token leads back to the task: `altcraft tasks wait TOKEN`.
    """


@root.group("segments", params=shared(*EVERY))
def segments() -> None:
    """Statistics of segments."""


@root.group("databases", params=shared(*EVERY))
def databases() -> None:
    """Statistics of databases."""


@root.group("resources", params=shared(*EVERY))
def resources() -> None:
    """Statistics of resources."""


@root.group("tasks", params=shared(*EVERY))
def tasks() -> None:
    """Tasks that were submitted before."""


@root.group("plan", params=shared(OUTPUT))
def plan() -> None:
    """Plans: files that name the recounts of `altcraft run`."""


@root.group("sandbox", params=shared(OUTPUT))
def sandbox() -> None:
    """The sandbox: a small platform with invented profiles, on this machine."""
