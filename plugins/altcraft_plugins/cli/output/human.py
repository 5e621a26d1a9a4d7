"""The reporter for people: results and resume tokens on stdout, everything else on stderr."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from altcraft_plugins.cli.output.destination import Destination
from altcraft_plugins.cli.output.reporter import Exchanged, Follow, Result
from altcraft_plugins.cli.output.streams import printable, write_line
from altcraft_plugins.cli.problems import Problem
from altcraft_plugins.cli.subjects import Subject, subject_of

if TYPE_CHECKING:
    from altcraft import Delivery, Plugin, TaskHandle, TaskStatus
    from altcraft_plugins.cli.planned.carrying_out import Ended
    from altcraft_plugins.cli.planned.group import Event
    from altcraft_plugins.cli.planned.runs import Run
    from altcraft_plugins.history import Imported, Item, Series
    from altcraft_plugins.journal import Entry
    from altcraft_plugins.plan import Plan

__all__ = ["HumanReporter"]


class HumanReporter:
    """Shows progress bars on a terminal, and results as tables or, with `csv`, as rows.

    `command_for` makes the command that goes on with a resume token. Rows on stdout stay alone there: everything else
    then goes to stderr.
    """

    def __init__(
        self, destination: Destination, command_for: Callable[[str], str], *, csv: bool = False, bom: bool = False
    ) -> None:
        self._destination = destination
        self._command_for = command_for
        self._rows_on_stdout = csv and destination.is_stdout
        self._rows: Rows | None = None
        if csv:
            from altcraft_plugins.cli.output.rows import Rows

            self._rows = Rows(destination, bom=bom)
        self._seen: dict[TaskHandle, tuple[str, int | float | None]] = {}

    def say(self, text: str) -> None:
        """On stdout."""
        self._print(text)

    def heading(self, task: TaskHandle) -> None:
        """A line above a table; rows need none."""
        if self._rows is None:
            self._destination.write(f"task {printable(task.id)}:\n")

    def submitted(self, task: TaskHandle, *, waits: bool, resumable: bool) -> None:
        """Without a wait, the resume token. With one, the progress bar says the rest."""
        if waits:
            return
        if not resumable:
            write_line("the task ends with this command: its sandbox is in this process", to_stderr=True)
        elif sys.stderr.isatty():
            go_on = self._command_for(task.resume_token)
            write_line(f"task {printable(task.id)} is submitted; wait for it with: {go_on}", to_stderr=True)
        self._print(task.resume_token)

    @contextmanager
    def following(self, tasks: Sequence[TaskHandle]) -> Iterator[Follow]:
        """Progress bars on stderr, if that and stdout are terminals: one that stays, or several that go."""
        if not _has_screen():
            yield lambda task, status, progress: None
            return
        from altcraft_plugins.cli.output.progress import progress_bars

        with progress_bars(
            {task: _label(task) for task in tasks}, transient=len(tasks) > 1 or bool(self._seen)
        ) as show:
            for task in tasks:
                if task in self._seen:
                    show(task, *self._seen[task])

            def follow(task: TaskHandle, status: str, progress: int | float | None) -> None:
                self._seen[task] = (status, progress)
                show(task, status, progress)

            yield follow

    def status(self, task: TaskHandle, status: TaskStatus[object]) -> None:
        """A line."""
        self._print(_status_line(task, status))

    def result(self, result: Result) -> None:
        """Tables of statistics, or rows of them; any other result as JSON."""
        if self._rows is not None:
            self._rows.add(result)
            return
        from altcraft_plugins.cli.output.sheets import as_json, sheets

        tables = sheets(result)
        if tables is None:
            self._destination.write(as_json(result.value) + "\n")
        elif not tables:
            name = result.subject.name if result.subject else "the task"
            self._destination.write(f"{name}: a result without statistics\n")
        else:
            from altcraft_plugins.cli.output.tables import drawn

            for sheet in tables:
                self._destination.write(drawn(sheet, self._destination.stream))

    def event(self, text: str, exchanged: Exchanged | None) -> None:
        """A line on stderr."""
        write_line(f"  {printable(text)}", to_stderr=True)

    def warning(self, text: str) -> None:
        """A line on stderr."""
        write_line(f"altcraft: warning: {printable(text)}", to_stderr=True)

    def serving(self, what: str, url: str) -> None:
        """A line on stdout."""
        self._print(f"{what} at {url} (Ctrl-C stops it)")

    def handed_out(self, url: str) -> None:
        """Alone on its line."""
        self._print(url)

    def delivery(self, delivery: Delivery) -> None:
        """A line: which URL, what came, and how it begins."""
        kind = printable(delivery.content_type) or "no type"
        begin = printable(delivery.body[:60].decode("utf-8", "replace"))
        self._print(f"delivery {delivery.key}: {kind}, {len(delivery.body)} bytes: {begin}")

    def plugin(self, plugin: Plugin) -> None:
        """A line that says where the plugin comes from, and below it its hooks, or why it failed to load."""
        origin = f"{plugin.distribution} {plugin.version}, {plugin.value}" if plugin.distribution else "--plugin"
        self._print(printable(f"{plugin.name} ({origin})"))
        if plugin.error is not None:
            self._print(printable(f"    failed to load: {plugin.error}"))
        for hook in plugin.hooks:
            self._print(f"    {printable(hook)}")

    def entries(self, entries: Sequence[Entry]) -> None:
        """Outstanding tasks, submissions in doubt and outcomes, each under its heading."""
        for heading, states in _STATES.items():
            chosen = [entry for entry in entries if entry.state in states]
            if chosen:
                self._print(f"{heading}:")
            for entry in chosen:
                self._print(f"  {_entry_line(entry)}")
        if not entries:
            self._print("The journal is empty.")

    def items(self, items: Sequence[Item]) -> None:
        """A line for each, with its counts and their times; or a row."""
        from altcraft_plugins.cli.output.trends import item_rows

        if self._rows is not None:
            self._rows.put(*item_rows(items))
            return
        for item in items:
            times = f"{item.last:%F %T}" if item.counts == 1 else f"{item.first:%F %T} to {item.last:%F %T}"
            count = f"{item.counts} count{'' if item.counts == 1 else 's'}"
            self._destination.write(f"{printable(item.name)}: {count}, {times} UTC\n")
        if not items:
            self._destination.write("The history is empty.\n")

    def trends(self, series: Sequence[Series]) -> None:
        """A table for each channel; or a row for each count and channel, the oldest first."""
        from altcraft_plugins.cli.output.trends import count_rows, drawn

        if self._rows is not None:
            self._rows.put(*count_rows(row for each in series for row in each.rows))
            return
        self._destination.write(drawn(series, self._destination.stream))

    def imported(self, file: str, imported: Imported) -> None:
        """A line, and one for each line of the file that is broken, on stderr."""
        self._print(
            f"{printable(file)}: {imported.counts} new, {imported.known} known already, "
            f"{imported.passed_over} lines without a result, {len(imported.broken)} broken"
        )
        for number, reason in imported.broken:
            write_line(f"altcraft: {printable(file)}, line {number}: {printable(reason)}", to_stderr=True)

    def planned(self, plan: Plan) -> None:
        """A line for each recount, below that of its section."""
        section = None
        for recount in plan.recounts:
            if recount.section != section:
                section = recount.section
                self._print(f"{printable(section)}:")
            subject = subject_of(recount.request)
            where = f" at {printable(plan.connections[recount.connection].url)}" if recount.connection else ""
            asked = " ".join(f"{name}={value}" for name, value in (subject.parameters if subject else {}).items())
            self._print(f"  {printable(recount.name)}: {recount.operation} {asked}{where}")
        number = len(plan.recounts)
        self._print(f"{number} recount{'' if number == 1 else 's'}; nothing was sent")

    def run_begun(self, run: Run, size: int) -> None:
        """A line on stderr where an earlier run goes on."""
        if run.begun_at is not None:
            line = f"going on with the run of {run.begun_at:%F %T} UTC: {run.known} of {size} recounts are submitted"
            write_line(line, to_stderr=True)

    @contextmanager
    def running(self, plan: Plan) -> Iterator[Callable[[Event], None]]:
        """One progress bar on stderr, if that and stdout are terminals, and what runs now."""
        if not _has_screen():
            yield lambda event: None
            return
        from altcraft_plugins.cli.output.run_progress import run_progress

        with run_progress(len(plan.recounts)) as show:
            yield show

    def run_ended(self, ended: Ended) -> None:
        """The table; then, on stderr, what failed, and a line that sums it up."""
        from altcraft_plugins.cli.output.summary import drawn, failures, summed_up

        if self._rows is not None:
            for outcome in ended.outcomes:
                if outcome.state == "done":
                    self._rows.add(outcome.result)
        else:
            self._destination.write(drawn(ended, self._destination.stream))
        for line in failures(ended):
            write_line(line, to_stderr=True)
        write_line(summed_up(ended), to_stderr=True)
        if not ended.is_finished:
            write_line(f"  go on with: {ended.again}", to_stderr=True)

    def problem(self, problem: Problem, subject: Subject | None = None, *, named: bool = False) -> None:
        """One line, perhaps with a hint below it; then the resume token, alone, on stdout."""
        name = f"{subject.name}: " if subject is not None and named else ""
        write_line(f"altcraft: {name}{printable(problem.message)}", to_stderr=True)
        if problem.hint:
            write_line(f"  {printable(problem.hint)}", to_stderr=True)
        if problem.resume_token:
            write_line(f"  go on with: {self._command_for(problem.resume_token)}", to_stderr=True)
            if not self._rows_on_stdout:  # the command holds the token, too
                write_line(problem.resume_token)

    def finish(self) -> None:
        """Writes the rows, and completes the destination."""
        if self._rows is not None:
            self._rows.finish()
        self._destination.finish()

    def _print(self, text: str) -> None:
        write_line(text, to_stderr=self._rows_on_stdout)


def _has_screen() -> bool:
    return sys.stdout.isatty() and sys.stderr.isatty() and os.environ.get("TERM") != "dumb"


_STATES = {
    "Outstanding": ("submitting", "running"),
    "In doubt, sent without an answer": ("in doubt",),
    "Done": ("completed", "failed"),
}


def _entry_line(entry: Entry) -> str:
    """As in "2026-11-28 04:12:05  segments/refresh_counters id=7 resource_id=24  running 40 %  task 930bfdb0"."""
    request = " ".join(f"{name}={value}" for name, value in entry.request.items())
    progress = f" {entry.progress:g} %" if entry.progress is not None and -1e6 < entry.progress < 1e6 else ""
    reason = f": {entry.error}" if entry.error else ""
    if entry.ended_at is not None and not entry.is_acknowledged:
        reason += ", not acknowledged"
    task = f"  task {entry.task_id}" if entry.task_id else f"  key {entry.key}"
    note = f"  {entry.note}" if entry.note else ""
    state = f"{entry.status or entry.state}{progress}{reason}"
    return printable(f"{entry.submitted_at:%F %T}  {entry.operation} {request}  {state}{task}{note}")


def _status_line(task: TaskHandle, status: TaskStatus[object]) -> str:
    line = f"task {printable(task.id)}: {printable(status.status)}"
    if status.progress is None or not -1e6 < status.progress < 1e6:  # the platform may send any number
        return line
    return f"{line}, {status.progress:g} %"


def _label(task: TaskHandle) -> str:
    subject = subject_of(task.request)
    return printable(subject.name if subject else f"task {task.id}")
