"""`altcraft run` and `altcraft plan init`."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import click

from altcraft_plugins.cli.commands.groups import plan, root
from altcraft_plugins.cli.exit_codes import DONE
from altcraft_plugins.cli.options import CONNECTION, EVERY, HISTORY, JOURNAL, OUTPUT, POLLS, TIMEOUT, shared
from altcraft_plugins.cli.problems import Misuse

if TYPE_CHECKING:
    from altcraft_plugins.cli.invocation import Invocation
    from altcraft_plugins.plan import Plan

__all__ = ["plan_init", "run"]


@root.command(
    "run",
    params=shared(*EVERY),
    examples="""
        altcraft run plan.toml --dry-run
        altcraft run plan.toml --history counts.history
        altcraft run plan.toml --only "Newsletter, active" --only "Region *"
        altcraft run plan.toml --csv -o counts.csv
    """,
)
@click.argument("path", metavar="PLAN", type=click.Path(dir_okay=False))
@click.option("--dry-run", is_flag=True, help="Show what would be asked, and send nothing.")
@click.option(
    "--only",
    "patterns",
    multiple=True,
    metavar="NAME",
    help="This recount, or this section; * stands for any text. Give it several times.",
)
@click.pass_obj
def run(invocation: Invocation, path: str, dry_run: bool, patterns: tuple[str, ...]) -> int:
    """Make the recounts of a plan, and show what has changed since the last count.

    A run that was killed or interrupted goes on when it is started again within 12 hours, and submits nothing twice.
    After a run that has ended, a new one begins. `altcraft plan init` writes a plan to begin with.
    """
    from altcraft_plugins.cli.planned.carrying_out import carry_out

    whole = _read(path)
    chosen = _chosen(whole, patterns)
    if whole.connections and invocation.typed("url"):
        raise click.UsageError("--url does not apply: the plan has connections.", click.get_current_context())
    if dry_run:
        invocation.reporter.planned(chosen)
        return DONE
    words = [word for pattern in patterns for word in ("--only", pattern)]
    again = invocation.command("run", *words, path, repeated=CONNECTION + POLLS + TIMEOUT + JOURNAL + HISTORY)
    with ExitStack() as stack:
        kept = None
        if invocation.settings.history is not None or whole.history is not None:
            kept = stack.enter_context(invocation.history(whole.history))
        ended = carry_out(invocation, chosen, again=again, history=kept, is_whole=not patterns)
    return ended.exit_code


def _read(path: str) -> Plan:
    from altcraft_plugins.plan import PlanError, read_plan

    try:
        return read_plan(path)
    except PlanError as error:
        raise Misuse(str(error)) from None


def _chosen(whole: Plan, patterns: tuple[str, ...]) -> Plan:
    try:
        return whole.only(patterns)
    except LookupError as error:
        from difflib import get_close_matches

        names = list(dict.fromkeys(name for each in whole.recounts for name in (each.name, each.entry, each.section)))
        near = get_close_matches(str(error.args[0]), names, 1)
        hint = f"Did you mean {near[0]!r}?" if near else "altcraft run --dry-run lists the names."
        raise Misuse(f"--only: the plan has no recount {error.args[0]!r}. {hint}") from None


@plan.command(
    "init",
    params=shared(OUTPUT),
    examples="""
        altcraft plan init
        altcraft plan init morning.toml
    """,
)
@click.argument("path", metavar="[FILE]", default="plan.toml", type=click.Path())
@click.pass_obj
def plan_init(invocation: Invocation, path: str) -> int:
    """Write a plan with comments to begin with, in plan.toml or FILE. A file that is there stays as it is."""
    from altcraft_plugins.plan import EXAMPLE

    try:
        with open(path, "x", encoding="utf-8") as file:
            file.write(EXAMPLE)
    except FileExistsError:
        raise Misuse(f"{path} is there already, and was left as it is: name another file") from None
    except OSError as error:
        raise Misuse(f"{path} cannot be written: {error.strerror}") from None
    invocation.reporter.say(f"{path} is written: put your ids into it, then: altcraft run {path} --dry-run")
    return DONE
