"""What became of a recount, and how it has changed since the last count."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from msgspec import Struct

from altcraft_plugins.cli.exit_codes import DONE, FAILED, TIMED_OUT
from altcraft_plugins.cli.output.reporter import Result
from altcraft_plugins.cli.output.sheets import sheets
from altcraft_plugins.cli.problems import Problem
from altcraft_plugins.cli.subjects import subject_of
from altcraft_plugins.plan import Recount

if TYPE_CHECKING:
    from altcraft_plugins.history import Row

__all__ = ["Change", "Outcome", "Previous", "changes_of"]

State: TypeAlias = Literal["done", "failed", "in doubt", "unfinished"]
Previous: TypeAlias = "Mapping[str, Sequence[Row]]"
"""The rows of the history, by name, the oldest first."""


class Change(Struct, frozen=True, kw_only=True):
    """One channel of a count, and its count before.

    `counter` is the telling one of the channel's counters, `share` its part of the whole, from 0 to 1. `database` is
    that of the entry where a result has several. None where it is not known.
    """

    channel: str
    database: int | None = None
    counter: str | None
    count: int | None
    share: float | None
    previous: int | None

    @property
    def change(self) -> int | None:
        """By how much the counter has grown."""
        return None if self.count is None or self.previous is None else self.count - self.previous

    @property
    def percent(self) -> float | None:
        """The same, in percent of the count before."""
        if self.change is None or not self.previous:
            return None
        try:
            return 100 * self.change / self.previous
        except OverflowError:  # a number beyond any float
            return None

    def is_alarming(self, alert_drop: float | None) -> bool:
        """Whether the counter has fallen by more than `alert_drop` percent."""
        return alert_drop is not None and self.percent is not None and self.percent < -alert_drop


class Outcome(Struct, frozen=True, kw_only=True):
    """What became of one recount.

    * "done": `value` is the result, and `changes` its channels
    * "failed": `problem` says why, and what to do
    * "in doubt": it was submitted and no answer came; it is not submitted again
    * "unfinished": the task goes on, or the platform could not be reached; the run goes on when it is started again

    `took` is the seconds from the submission to the end.
    """

    recount: Recount
    state: State
    task_id: str | None = None
    value: object = None
    changes: Sequence[Change] = ()
    problem: Problem | None = None
    took: float | None = None

    @property
    def exit_code(self) -> int:
        """The exit code of a command with this outcome alone."""
        return _CODES.get(self.state, FAILED) if self.problem is None else self.problem.exit_code

    @property
    def is_final(self) -> bool:
        """Whether starting the run again would change nothing."""
        return self.state != "unfinished"

    @property
    def result(self) -> Result:
        """The value, as commands report it."""
        request = self.recount.request
        about = {"section": self.recount.section, "name": self.recount.name}
        return Result(self.recount.operation, self.value, subject_of(request), self.task_id, about=about)

    @property
    def alerts(self) -> list[Change]:
        """The channels that have fallen beyond the plan's threshold."""
        return [change for change in self.changes if change.is_alarming(self.recount.alert_drop)]


_CODES: Final = {"done": DONE, "unfinished": TIMED_OUT}


def changes_of(recount: Recount, value: object, task_id: str | None, rows: Iterable[Row]) -> list[Change]:
    """The channels of a result beside those of the last count in `rows`, which are the history's of this name."""
    last: dict[tuple[str, int | None], Row] = {}
    for kept in rows:
        if task_id is None or kept.task_id != task_id:
            last[kept.channel, kept.list_id] = kept
    changes: list[Change] = []
    entries = value if isinstance(value, list) else []
    tables = sheets(Result("", value, subject_of(recount.request))) or []
    for entry, sheet in zip(entries, tables, strict=False):
        database = getattr(entry, "list_id", None)
        counter = sheet.measure[0] if sheet.measure else None
        for row in sheet.rows:
            before = last.get((row.channel, database)) or last.get((row.channel, None))
            changes.append(
                Change(
                    channel=row.channel,
                    database=database if len(tables) > 1 else None,
                    counter=counter,
                    count=_whole(row.counts, counter),
                    share=row.share,
                    previous=_whole(before.counters, counter) if before is not None else None,
                )
            )
    return changes


def _whole(counts: Mapping[str, object], counter: str | None) -> int | None:
    count = counts.get(counter) if counter is not None else None
    return count if type(count) is int else None
