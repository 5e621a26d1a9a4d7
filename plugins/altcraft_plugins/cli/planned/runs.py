"""Which run of a plan this is: one that was begun and not finished goes on, else a new one begins. Pure.

The journal alone tells: the key of a submission is "plan/run/recount". A run is unfinished while an entry of it is
outstanding, in doubt, or not acknowledged. A finished run acknowledges all of its entries in one step.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

from msgspec import Struct

from altcraft_plugins.journal import Entry
from altcraft_plugins.plan import Plan, Recount

__all__ = ["CONTINUED_WITHIN", "Run", "Runs", "find_runs"]

CONTINUED_WITHIN: Final = timedelta(hours=12)
"""A run that was begun longer ago is given up: its counts are no longer this morning's."""


class Run(Struct, frozen=True):
    """One run of a plan. `entries` are the journal's, by the plan's key of the recount."""

    plan: Plan
    id: str
    entries: dict[str, Entry]

    @property
    def begun_at(self) -> datetime | None:
        """When its first recount was submitted; None for a run that is new."""
        return min((entry.submitted_at for entry in self.entries.values()), default=None)

    @property
    def is_followed(self) -> bool:
        """Whether a living process follows a task of it, or submits one."""
        return any(entry.is_owned for entry in self.entries.values())

    @property
    def is_finished(self) -> bool:
        """Whether it has acknowledged all that became of it."""
        return all(entry.is_acknowledged for entry in self.entries.values())

    @property
    def known(self) -> int:
        """How many of the plan's recounts are submitted."""
        return sum(self.entry(recount) is not None for recount in self.plan.recounts)

    def entry(self, recount: Recount) -> Entry | None:
        """What the journal knows of a recount in this run; None where it was not submitted."""
        return self.entries.get(self.plan.key(recount))

    def key(self, recount: Recount) -> str:
        """The key of the recount's submission in this run."""
        return f"{self.plan.id}/{self.id}/{self.plan.key(recount)}"


class Runs(Struct, frozen=True):
    """The run that this command carries out, and unfinished ones that are too old to go on."""

    present: Run
    given_up: list[Run]


def find_runs(plan: Plan, entries: Iterable[Entry], now: datetime) -> Runs:
    """The latest run that is unfinished and not too old, or a new one. `entries` are all that the journal holds."""
    found: dict[str, dict[str, Entry]] = {}
    for entry in entries:
        plan_id, _, rest = entry.key.partition("/")
        run_id, _, recount = rest.partition("/")
        if plan_id == plan.id and recount:
            found.setdefault(run_id, {})[recount] = entry
    runs = [Run(plan, run_id, its) for run_id, its in found.items()]
    unfinished = [run for run in runs if not run.is_finished]
    unfinished.sort(key=lambda run: run.begun_at or now)
    present = unfinished.pop() if unfinished and _is_recent(unfinished[-1], now) else None
    return Runs(present or Run(plan, _next_id([run.id for run in runs], now), {}), unfinished)


def _is_recent(run: Run, now: datetime) -> bool:
    return run.begun_at is not None and now - run.begun_at <= CONTINUED_WITHIN


def _next_id(known: list[str], now: datetime) -> str:
    """The day and a number. It follows from what the journal holds: two commands that start at once get the same.

    Their submissions then have the same keys, and the journal lets each key through once.
    """
    day = f"{now:%Y-%m-%d}."
    numbers = [int(run_id.removeprefix(day)) for run_id in known if run_id.startswith(day)]
    return f"{day}{max(numbers, default=0) + 1}"
