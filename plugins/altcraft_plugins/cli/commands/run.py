"""`altcraft run` and `altcraft plan init`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import click
import msgspec

from altcraft_plugins.cli.commands.groups import plan, root
from altcraft_plugins.cli.exit_codes import DONE
from altcraft_plugins.cli.options import CONNECTION, EVERY, HISTORY, JOURNAL, OUTPUT, POLLS, TIMEOUT, shared
from altcraft_plugins.cli.problems import problem_of
from altcraft_plugins.cli.stopping import Misuse, Stopped

if TYPE_CHECKING:
    from altcraft_plugins.cli.invocation import Invocation
    from altcraft_plugins.cli.output.destination import Destination
    from altcraft_plugins.history import History
    from altcraft_plugins.plan import Plan

__all__ = ["plan_init", "run"]


@root.command(
    "run",
    params=shared(*EVERY),
    examples="""
        altcraft run plan.toml --dry-run
        altcraft run plan.toml --history counts.history --report report.html
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
@click.option("--report", "page", metavar="FILE", help="Write the report of the history to FILE, too: an HTML page.")
@click.pass_obj
def run(invocation: Invocation, path: str, dry_run: bool, patterns: tuple[str, ...], page: str | None) -> int:
    """Make the recounts of a plan, and show what has changed since the last count.

    A run that was killed or interrupted goes on when it is started again within 12 hours, and submits nothing twice.
    After a run that has ended, a new one begins. `altcraft plan init` writes a plan to begin with.
    """
    from altcraft_plugins.cli.planned.carrying_out import carry_out
    from altcraft_plugins.journal import JournalError

    whole = msgspec.structs.replace(_read(path), url=invocation.settings.url)
    chosen = _chosen(whole, patterns)
    if whole.connections and invocation.typed("url"):
        raise click.UsageError("--url does not apply: the plan has connections.", click.get_current_context())
    if dry_run:
        invocation.reporter.planned(chosen)
        return DONE
    page = page or (None if whole.report is None else str(whole.report))
    has_history = invocation.settings.history is not None or whole.history is not None
    if page is not None and not has_history:
        hint = 'give --history FILE, or write history = "counts.history" into the plan.'
        raise click.UsageError(f"A report needs a history: {hint}", click.get_current_context())
    words = [word for pattern in patterns for word in ("--only", pattern)]
    again = invocation.command("run", *words, path, repeated=CONNECTION + POLLS + TIMEOUT + JOURNAL + HISTORY)
    with ExitStack() as stack:
        kept = stack.enter_context(invocation.history(whole.history)) if has_history else None
        # Before anything is sent, so that a path that can't be written ends the command.
        destination = None if page is None else stack.enter_context(_destination(page))
        try:
            ended = carry_out(invocation, chosen, again=again, history=kept, is_whole=not patterns)
        except JournalError as error:
            raise Stopped(problem_of(error)) from None
        if destination is not None and kept is not None:
            destination.write(_report(kept, whole))
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


@contextmanager
def _destination(page: str) -> Iterator[Destination]:
    from altcraft_plugins.cli.output.destination import Destination

    destination = Destination(page, option="--report")
    try:
        yield destination
    finally:
        destination.finish()


def _report(history: History, whole: Plan) -> str:
    """The report on the plan's recounts, in its order, with its thresholds."""
    from altcraft_plugins.report import report

    known = [item.name for item in history.items()] + [failure.name for failure in history.failures()]
    names = [recount.name for recount in whole.recounts if recount.name in set(known)]
    drops = {recount.name: recount.alert_drop for recount in whole.recounts if recount.alert_drop is not None}
    return report(history, names=names, drop=drops, title=whole.name)


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
