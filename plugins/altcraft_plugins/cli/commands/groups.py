"""The program itself and its groups of commands."""

from __future__ import annotations

import re
from importlib.machinery import SourceFileLoader
from importlib.util import find_spec

import click

from altcraft_plugins.cli.commands.click_classes import Group, Later
from altcraft_plugins.cli.options import EVERY, OUTPUT, shared

__all__ = ["databases", "plan", "resources", "root", "sandbox", "segments", "tasks"]


def _show_version(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    if not value or ctx.resilient_parsing:
        return
    click.echo(f"altcraft {_version()}")
    ctx.exit()


def _version() -> str:
    """`altcraft.__version__`, read from its source where there is one: the import would cost ten times as much."""
    spec = find_spec("altcraft")
    loader = spec.loader if spec is not None else None
    source = loader.get_source("altcraft") if isinstance(loader, SourceFileLoader) else None
    stated = re.search(r'^__version__ = "(.+)"$', source or "", re.MULTILINE)
    if stated is not None:
        return stated[1]
    from altcraft import __version__

    return __version__


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
    later={
        "completion": Later(
            "completion",
            "Print the script that completes commands and options in SHELL: bash 4.4 or newer, zsh, or fish.",
        ),
        "demo": Later("demo", "Recount a segment and a database of the embedded sandbox."),
        "history": Later("history", "Show how the counters of NAME have changed, channel by channel."),
        "listen": Later("listen", "Receive feedback until Ctrl-C, and print a line for each delivery."),
        "plugins": Later(
            "plugins",
            "List the plugins of all installed distributions and of --plugin, with their hooks, "
            "and what failed to load.",
        ),
        "report": Later(
            "report",
            "Make a page of the history: what changed most, what failed today, a chart for each channel of each NAME.",
        ),
        "run": Later("run", "Make the recounts of a plan, and show what has changed since the last count."),
    },
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


@root.group(
    "segments",
    params=shared(*EVERY),
    later={
        "counters": Later("counters", "Show the numbers of the last count of segments."),
        "refresh": Later("refresh", "Recount segments, and show the new numbers."),
    },
)
def segments() -> None:
    """Statistics of segments."""


@root.group(
    "databases",
    params=shared(*EVERY),
    later={
        "counters": Later("counters", "Show the numbers of the last count of databases."),
        "refresh": Later("refresh", "Recount databases, and show the new numbers."),
    },
)
def databases() -> None:
    """Statistics of databases."""


@root.group(
    "resources",
    params=shared(*EVERY),
    later={"refresh": Later("refresh", "Recount resources, in one database, and show the new numbers.")},
)
def resources() -> None:
    """Statistics of resources."""


@root.group(
    "tasks",
    params=shared(*EVERY),
    later={
        "list": Later("tasks", "Show what the journal holds: tasks that run, submissions in doubt, outcomes."),
        "status": Later("tasks", "Poll tasks once, and show their status."),
        "wait": Later("tasks", "Wait for tasks, and show each result as soon as it is there."),
    },
)
def tasks() -> None:
    """Tasks that were submitted before."""


@root.group(
    "plan",
    params=shared(OUTPUT),
    later={"init": Later("run", "Write a plan with comments to begin with, in plan.toml or FILE.")},
)
def plan() -> None:
    """Plans: files that name the recounts of `altcraft run`."""


@root.group(
    "sandbox",
    params=shared(OUTPUT),
    later={"serve": Later("sandbox", "Serve the sandbox over HTTP until Ctrl-C.")},
)
def sandbox() -> None:
    """The sandbox: a small platform with invented profiles, on this machine."""
