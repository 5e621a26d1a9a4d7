"""One run from its beginning to its end: connections, journal, groups, outcomes, what the journal keeps of it."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path
from queue import SimpleQueue
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

from altcraft import Feedback, TaskRequest
from altcraft_plugins.cli.exit_codes import FAILED, worst
from altcraft_plugins.cli.planned.group import Event, Group, lost_answer
from altcraft_plugins.cli.planned.outcomes import Outcome, Previous
from altcraft_plugins.cli.planned.runs import Run, find_runs
from altcraft_plugins.cli.problems import Problem
from altcraft_plugins.cli.receiver import ReportTo
from altcraft_plugins.cli.signals import as_interrupted
from altcraft_plugins.cli.stopping import Stopped

if TYPE_CHECKING:
    from altcraft import Client
    from altcraft_plugins.cli.connection import Connection
    from altcraft_plugins.cli.invocation import Invocation
    from altcraft_plugins.history import History, Row
    from altcraft_plugins.journal import Entry, Journal
    from altcraft_plugins.plan import Plan, PlanConnection

__all__ = ["Ended", "carry_out"]


RECENT: Final = timedelta(days=40)
"""So far back the history is read first: a year of 300 recounts takes seconds."""


class Ended(Struct, frozen=True, kw_only=True):
    """A run that has ended, with its outcomes in the plan's order. `again` is the command that starts it again."""

    plan: Plan
    run_id: str
    outcomes: Sequence[Outcome]
    seconds: float
    again: str

    def count(self, state: str) -> int:
        """How many recounts have ended so."""
        return sum(outcome.state == state for outcome in self.outcomes)

    @property
    def is_finished(self) -> bool:
        """Whether the next start begins a new run."""
        return all(outcome.is_final for outcome in self.outcomes)

    @property
    def exit_code(self) -> int:
        """That of the worst outcome."""
        return worst(outcome.exit_code for outcome in self.outcomes)


def carry_out(
    invocation: Invocation, plan: Plan, *, again: str, history: History | None, is_whole: bool = True
) -> Ended:
    """Makes the recounts of a plan, and reports them. Stopped where another process carries out the plan now.

    `again` is the command that starts the run again. `is_whole` says that the plan has all of its recounts.
    """
    begun = monotonic()
    connections = {name: invocation.planned_connection(name, plan) for name in _used(plan)}
    reporter = invocation.reporter  # opens the output file, so that a bad path ends the command before it submits
    with ExitStack() as stack:
        journal = stack.enter_context(_journal(invocation, plan, list(connections.values())))
        run = _begin(journal, plan, again)
        previous = {} if history is None else _previous(history, run)
        events: SimpleQueue[Event | BaseException | None] = SimpleQueue()
        groups: list[Group] = []
        for name, connection in connections.items():
            client = stack.enter_context(invocation.client(connection))
            client.hooks.register(journal)
            if history is not None:
                client.hooks.register(history)
            recounts = [recount for recount in plan.recounts if recount.connection == name]
            feedback = stack.enter_context(_feedback(client, None if name is None else plan.connections[name]))
            groups.append(
                Group(client, connection, journal, run, recounts, plan.limits, previous, events.put, feedback)
            )
        reporter.run_begun(run, len(plan.recounts))
        outcomes = _carried_out(groups, events, invocation, plan, again)
        if history is not None:
            _record(history, run, outcomes)
        ended = Ended(
            plan=plan,
            run_id=run.id,
            outcomes=[outcomes[recount.name] for recount in plan.recounts],
            seconds=monotonic() - begun,
            again=again,
        )
        reporter.run_ended(ended)
        if ended.is_finished:
            _finish(journal, run, is_whole)
    return ended


def _carried_out(
    groups: Sequence[Group],
    events: SimpleQueue[Event | BaseException | None],
    invocation: Invocation,
    plan: Plan,
    again: str,
) -> dict[str, Outcome]:
    """The outcomes by name. Every thread has ended when this returns or raises."""
    timeout = invocation.settings.timeout
    threads = [threading.Thread(target=_work, args=(group, timeout, events.put)) for group in groups]
    outcomes: dict[str, Outcome] = {}
    try:
        with invocation.reporter.running(plan) as show:
            for thread in threads:
                thread.start()
            left = len(threads)
            while left:
                event = events.get()
                if event is None:
                    left -= 1
                elif isinstance(event, BaseException):
                    raise event
                else:
                    if isinstance(event, Outcome):
                        outcomes[event.recount.name] = event
                    show(event)
    except KeyboardInterrupt as error:
        interrupted = as_interrupted(error)
        message = f"{interrupted.cause}; {len(outcomes)} of {len(plan.recounts)} recounts have ended"
        hint = f"the tasks go on; go on with: {again}"
        raise Stopped(Problem("Interrupted", message, interrupted.exit_code, hint=hint)) from None
    finally:
        for group in groups:
            group.stop()
        for group in groups:
            group.close()
        for thread in threads:
            if thread.ident is not None:
                thread.join()
    return outcomes


def _work(group: Group, timeout: float | None, tell: Callable[[BaseException | None], None]) -> None:
    try:
        group.work(timeout)
    except BaseException as error:
        tell(error)
    else:
        tell(None)


def _used(plan: Plan) -> list[str | None]:
    """The connections of the recounts."""
    return list(dict.fromkeys(recount.connection for recount in plan.recounts))


@contextmanager
def _journal(invocation: Invocation, plan: Plan, connections: Sequence[Connection]) -> Iterator[Journal]:
    """The journal of the command, or the plan's, or one beside the plan.

    A run on an embedded sandbox gets one that is thrown away: its tasks end with this process.
    """
    with ExitStack() as stack:
        path = Path(invocation.settings.journal) if invocation.settings.journal else plan.journal
        if not any(connection.outlives_the_command for connection in connections):
            path = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "journal"
        yield stack.enter_context(invocation.opened_journal(path or plan.path.with_suffix(".journal")))


@contextmanager
def _feedback(client: Client, planned: PlanConnection | None) -> Iterator[Callable[[], Feedback | None]]:
    if planned is None or planned.listen is None:
        yield lambda: None
        return
    host, _, port = planned.listen.rpartition(":")
    with ReportTo(None, True, host, int(port), planned.public_url).feedback(client) as feedback:
        yield feedback


def _begin(journal: Journal, plan: Plan, again: str) -> Run:
    runs = find_runs(plan, journal.entries(), datetime.now(timezone.utc))
    if runs.present.is_followed:
        message = f"another process carries out {plan.path} now"
        raise Stopped(Problem("Busy", message, FAILED, hint=f"wait for it, then: {again}"))
    for run in runs.given_up:
        _acknowledge(journal, run.entries.values())
    return runs.present


def _previous(history: History, run: Run) -> Previous:
    """The last rows of each name, as far back as there is one from before this run."""
    begun = run.begun_at or datetime.now(timezone.utc)
    found: dict[str, list[Row]] = {}
    for recount in run.plan.recounts:
        rows = history.rows(recount.name, since=begun - RECENT)
        is_enough = any(row.at < begun for row in rows)
        found[recount.name] = rows if is_enough else history.rows(recount.name)
    return found


def _record(history: History, run: Run, outcomes: dict[str, Outcome]) -> None:
    """Records what a killed process could not: the history passes over what it has."""
    for outcome in outcomes.values():
        recount = outcome.recount
        entry = run.entry(recount)
        if outcome.state == "done":
            counted = _Counted(outcome.task_id, recount.operation, recount.request, recount.name)
            history.record(recount.name, outcome.value, counted, took=outcome.took)
        elif outcome.state == "in doubt" and entry is not None:
            history.record_failure(recount.name, lost_answer(entry), recount.request, at=entry.submitted_at)


class _Counted(Struct, frozen=True):
    """A task that has ended, as a history wants it."""

    id: str | None
    operation: str
    request: TaskRequest[Any]
    note: str


def _finish(journal: Journal, run: Run, is_whole: bool) -> None:
    """Acknowledges what became of the run's recounts; of a whole plan, also of those that the plan had before."""
    keys = {run.key(recount) for recount in run.plan.recounts}
    entries = find_runs(run.plan, journal.entries(), datetime.now(timezone.utc)).present
    if entries.id == run.id:
        _acknowledge(journal, [entry for entry in entries.entries.values() if is_whole or entry.key in keys])


def _acknowledge(journal: Journal, entries: Iterable[Entry]) -> None:
    """Closes entries, all in one step. A task that still runs is given up: no later run will follow it."""
    left = [entry for entry in entries if not entry.is_acknowledged]
    for entry in left:
        if entry.state == "running":
            journal.give_up(entry.key, "it belongs to a run that is over")
    journal.acknowledge(*(entry.key for entry in left))
