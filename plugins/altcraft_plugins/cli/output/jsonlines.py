"""The reporter of `--json`: one object a line, in ASCII. Page: docs/reference/command-line.md."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import msgspec

from altcraft_plugins.cli.output.destination import Destination
from altcraft_plugins.cli.output.reporter import Exchanged, Follow, Result
from altcraft_plugins.cli.output.streams import write_line
from altcraft_plugins.cli.problems import Problem
from altcraft_plugins.cli.subjects import Subject, subject_of

if TYPE_CHECKING:
    from altcraft import Delivery, Plugin, TaskHandle, TaskStatus
    from altcraft_plugins.cli.planned.carrying_out import Ended
    from altcraft_plugins.cli.planned.group import Event
    from altcraft_plugins.cli.planned.outcomes import Outcome
    from altcraft_plugins.cli.planned.runs import Run
    from altcraft_plugins.history import Imported, Item, Series
    from altcraft_plugins.journal import Entry
    from altcraft_plugins.plan import Plan, Recount

__all__ = ["JsonReporter"]


class JsonReporter:
    """Writes results to the destination and every other line to stdout."""

    def __init__(self, destination: Destination) -> None:
        self._destination = destination

    def say(self, text: str) -> None:
        """Nothing: prose is for people."""

    def heading(self, task: TaskHandle) -> None:
        """Nothing: every line says which task it is about."""

    def submitted(self, task: TaskHandle, *, waits: bool, resumable: bool) -> None:
        """A "submitted" line."""
        self._write("submitted", _submitted(task))

    @contextmanager
    def following(self, tasks: Sequence[TaskHandle]) -> Iterator[Follow]:
        """A "progress" line for every status."""
        yield self._progress

    def status(self, task: TaskHandle, status: TaskStatus[object]) -> None:
        """A "progress" line."""
        self._progress(task, status.status, status.progress)

    def result(self, result: Result) -> None:
        """A "result" line."""
        from altcraft_plugins.cli.output.sheets import as_json

        about: dict[str, object] = {"event": "result"}
        if result.task_id is not None:
            about["task_id"] = result.task_id
        about |= {"operation": result.operation, **_request(result.subject), **result.about}
        if result.read_at is not None:
            about["read_at"] = msgspec.to_builtins(result.read_at)
        self._destination.write(as_json(result.value, about) + "\n")

    def event(self, text: str, exchanged: Exchanged | None) -> None:
        """An "exchange" line. For a poll nothing: there is a "progress" line."""
        if exchanged is not None:
            self._write("exchange", msgspec.to_builtins(exchanged))

    def warning(self, text: str) -> None:
        """A "warning" line."""
        self._write("warning", {"message": text})

    def serving(self, what: str, url: str) -> None:
        """A "serving" line."""
        self._write("serving", {"url": url, "message": f"{what} at {url}"})

    def handed_out(self, url: str) -> None:
        """A "feedback_url" line."""
        self._write("feedback_url", {"url": url})

    def delivery(self, delivery: Delivery) -> None:
        """A "delivery" line; its body as text, where it is text."""
        about = {"key": delivery.key, "task_id": delivery.task_id, "content_type": delivery.content_type}
        self._write("delivery", about | {"size": len(delivery.body), "body": _text(delivery.body)})

    def plugin(self, plugin: Plugin) -> None:
        """A "plugin" line."""
        self._write("plugin", msgspec.to_builtins(plugin))

    def entries(self, entries: Sequence[Entry]) -> None:
        """An "entry" line for each."""
        for entry in entries:
            self._write("entry", msgspec.to_builtins(entry))

    def items(self, items: Sequence[Item]) -> None:
        """An "item" line for each."""
        for item in items:
            self._result("item", msgspec.to_builtins(item))

    def trends(self, series: Sequence[Series]) -> None:
        """A "count" line for each count and channel, the oldest first."""
        for row in sorted((row for each in series for row in each.rows), key=lambda row: row.at):
            self._result("count", msgspec.to_builtins(row))

    def imported(self, file: str, imported: Imported) -> None:
        """An "imported" line."""
        broken = [{"line": number, "message": reason} for number, reason in imported.broken]
        self._write("imported", {"file": file, **msgspec.to_builtins(imported), "broken": broken})

    def planned(self, plan: Plan) -> None:
        """A "planned" line for each recount."""
        for recount in plan.recounts:
            url = plan.connections[recount.connection].url if recount.connection is not None else None
            about = {**_about(recount), "connection": recount.connection, "url": url}
            self._write("planned", about | {"operation": recount.operation, **_request(subject_of(recount.request))})

    def run_begun(self, run: Run, size: int) -> None:
        """A "run" line."""
        begun = None if run.begun_at is None else msgspec.to_builtins(run.begun_at)
        about = {"plan": run.plan.name, "run": run.id, "recounts": size}
        self._write("run", about | {"submitted_before": run.known, "begun_at": begun})

    @contextmanager
    def running(self, plan: Plan) -> Iterator[Callable[[Event], None]]:
        """A line for every event, with the section and the name of its recount."""
        yield self._event

    def _event(self, event: Event) -> None:
        from altcraft_plugins.cli.planned.group import Progressed, Submitted

        about = _about(event.recount)
        if isinstance(event, Submitted):
            self._write("submitted", about | _submitted(event.task))
        elif isinstance(event, Progressed):
            told = {"task_id": event.task.id, "status": event.status, "progress": event.progress}
            self._write("progress", about | told)
        elif event.problem is not None:
            problem = msgspec.to_builtins(event.problem)
            self._write(
                "error", about | {"state": event.state, **problem, **_request(subject_of(event.recount.request))}
            )
        else:
            self._outcome(event)

    def _outcome(self, outcome: Outcome) -> None:
        from altcraft_plugins.cli.output.sheets import as_json

        result = outcome.result
        changes = [{**msgspec.to_builtins(each), "change": each.change} for each in outcome.changes]
        about: dict[str, object] = {"event": "result", **_about(outcome.recount), "task_id": outcome.task_id}
        about |= {"operation": result.operation, **_request(result.subject)}
        about |= {"took": None if outcome.took is None else round(outcome.took, 3), "changes": changes}
        self._destination.write(as_json(result.value, about) + "\n")

    def run_ended(self, ended: Ended) -> None:
        """A "summary" line."""
        states = ("done", "failed", "in doubt", "unfinished")
        counts: dict[str, object] = {state.replace(" ", "_"): ended.count(state) for state in states}
        alerts = [
            {**_about(outcome.recount), "channel": change.channel, "counter": change.counter, "count": change.count,
             "previous": change.previous, "percent": round(change.percent or 0.0, 3)}
            for outcome in ended.outcomes for change in outcome.alerts
        ]  # fmt: skip
        about = {"plan": ended.plan.name, "run": ended.run_id, "recounts": len(ended.outcomes), **counts}
        about |= {"seconds": round(ended.seconds, 3), "alerts": alerts, "exit_code": ended.exit_code}
        self._write("summary", about)

    def problem(self, problem: Problem, subject: Subject | None = None, *, named: bool = False) -> None:
        """An "error" line."""
        self._write("error", {**msgspec.to_builtins(problem), **_request(subject)})

    def finish(self) -> None:
        """Completes the destination."""
        self._destination.finish()

    def _progress(self, task: TaskHandle, status: str, progress: int | float | None) -> None:
        self._write("progress", {"task_id": task.id, "status": status, "progress": progress})

    def _result(self, event: str, fields: Mapping[str, object]) -> None:
        self._destination.write(json.dumps({"event": event, **fields}) + "\n")

    def _write(self, event: str, fields: Mapping[str, object]) -> None:
        write_line(json.dumps({"event": event, **fields}))


def _text(body: bytes) -> str | None:
    try:
        return body.decode()
    except UnicodeDecodeError:
        return None


def _submitted(task: TaskHandle) -> dict[str, object]:
    about: dict[str, object] = {"task_id": task.id, "operation": task.operation}
    return {**about, **_request(subject_of(task.request)), "resume_token": task.resume_token}


def _about(recount: Recount) -> dict[str, object]:
    return {"section": recount.section, "name": recount.name}


def _request(subject: Subject | None) -> dict[str, object]:
    return {} if subject is None else {"request": subject.parameters}
