"""The reference pages of docs/ are held against the code: a table or a section that lags behind fails here."""

from __future__ import annotations

import inspect
import itertools
import re
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from altcraft import Polling, Retry, TaskStatus, errors, hooks, schema
from altcraft.errors import AltcraftError, ConnectionLost, RequestTimeout, Unauthorized
from altcraft.tasks import events
from altcraft.tasks.events import (
    Began,
    Cancelled,
    Command,
    Emit,
    Event,
    Failed,
    Finish,
    Notified,
    Observed,
    Responded,
    Woke,
)
from altcraft.tasks.machine import CallMachine, Policies, TaskMachine

DOCS = Path(__file__).resolve().parent.parent / "docs"

CLASSES = {name: kind for name in errors.__all__ if inspect.isclass(kind := getattr(errors, name))}
ERRORS = {name: kind for name, kind in CLASSES.items() if issubclass(kind, AltcraftError)}
WARNINGS = {name for name, kind in CLASSES.items() if issubclass(kind, Warning)} - {"AltcraftWarning"}
HOOKS = {name: hook for name, hook in vars(hooks.Specifications).items() if name.startswith("altcraft_")}
STRUCTS = {name: struct for name in schema.__all__ if (struct := getattr(schema, name)).__module__ != "builtins"}


def text(page: str) -> str:
    return (DOCS / page).read_text("utf-8")


def section(page: str, heading: str) -> str:
    """What stands under a heading, up to the next one of its level or above."""
    found = re.search(rf"^(#+) {re.escape(heading)}\n(.*?)(?=^#{{1,9}} |\Z)", text(page), flags=re.M | re.S)
    assert found, f"{page} has no section {heading!r}"
    return found[2]


def rows(page: str, heading: str, columns: int) -> Iterator[list[str]]:
    """The body rows of the first table with that many columns in a section, cell by cell."""
    table = [line for line in section(page, heading).splitlines() if line.startswith("|")]
    for line in table[2:]:
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == columns:
            yield cells


# ------------------------------------------------------------------------------------- task-machine.md

Transition = tuple[str, str, str, str]
"""State, event, commands, next state."""

RUNS: TaskStatus[object] = TaskStatus("running")
DONE: TaskStatus[object] = TaskStatus("completed", 100)
FAILED: TaskStatus[object] = TaskStatus("failed")
FLAKY, FATAL, SLOW = ConnectionLost("gone"), Unauthorized(401), RequestTimeout("too long")


def told(page_section: str) -> set[Transition]:
    return {
        (state, event.strip(), commands, after)
        for state, events, _when, commands, after in rows("explanation/task-machine.md", page_section, 5)
        for event in events.split(",")
    }


def named(command: Command, event: Event) -> str:
    if isinstance(command, Emit):
        return f"Emit({command.what})"
    if not isinstance(command, Finish):
        return type(command).__name__
    if command.error is None:
        return "Finish(result)"
    own = isinstance(event, Failed) and command.error is event.error
    return f"Finish({'its error' if own else type(command.error).__name__})"


def possible(at: float) -> Iterator[Event]:
    """Every event that may come at a time, in all its kinds."""
    yield from (Began(at), Began(at, at + 3), Woke(at), Notified(at), Cancelled(at))
    yield from (Responded(at, answer) for answer in (RUNS, DONE, FAILED))
    yield from (Observed(at, answer) for answer in (RUNS, DONE, FAILED))
    yield from (Failed(at, error) for error in (FLAKY, FATAL, SLOW))


def step(tried: TaskMachine | CallMachine, path: list[Event], event: Event) -> Transition | None:
    """The transition that an event makes after others; None where the machine's table has none."""
    for earlier in path:
        tried.handle(earlier)
    before = tried.state
    if (before, type(event)) not in tried.TABLE:
        with pytest.raises(RuntimeError):
            tried.handle(event)
        return None
    commands = ", ".join(named(command, event) for command in tried.handle(event))
    return before.name, type(event).__name__, commands, tried.state.name


def task_transitions() -> set[Transition]:
    """What a task's machine does: from every state, under every setting that matters, on every event."""
    made = set()
    for stall_after, attempts, deadline in itertools.product((None, 5.0), (1, 4), (None, 3.0)):
        began = Began(0, deadline)
        paths: list[list[Event]] = [
            [],
            [began],
            [began, Notified(0)],
            [began, Responded(0, RUNS)],
            [began, Failed(0, FLAKY)],
            [began, Failed(0, FLAKY), Notified(0)],
            [Observed(0, DONE)],
            [Observed(0, FAILED)],
        ]
        for path, at in itertools.product(paths, (0, 100)):
            if attempts == 1 and any(isinstance(earlier, Failed) for earlier in path):
                continue
            for event in possible(at):
                polling, retry = Polling(stall_after=stall_after), Retry(attempts=attempts)
                tried = TaskMachine("id", "path", Policies(polling, retry, 10.0), at=0, submitted=True)
                made.add(step(tried, path, event))
    return {transition for transition in made if transition is not None}


def call_transitions() -> set[Transition]:
    began = Began(0)
    paths: list[list[Event]] = [[], [began], [began, Failed(0, FLAKY)]]
    made = {
        step(CallMachine(Policies(Polling(), Retry(), 10.0), safe=True), path, event)
        for path, at in itertools.product(paths, (0, 100))
        for event in possible(at)
    }
    return {transition for transition in made if transition is not None}


def test_the_table_of_the_task_machine_is_what_it_does() -> None:
    assert told("Transitions of `TaskMachine`") == task_transitions()


def test_the_table_of_the_call_machine_is_what_it_does() -> None:
    assert told("Transitions of `CallMachine`") == call_transitions()


def test_no_entry_of_a_machines_table_goes_untried() -> None:
    for kind, transitions in ((TaskMachine, task_transitions()), (CallMachine, call_transitions())):
        tried = {(state, event) for state, event, _commands, _after in transitions}
        assert tried == {(state.name, event.__name__) for state, event in kind.TABLE}


def test_every_event_and_command_is_described_with_its_fields() -> None:
    public = [value for name in events.__all__ if inspect.isclass(value := getattr(events, name))]
    table = rows("explanation/task-machine.md", "Events and commands", 3)
    described = {name.strip("`"): fields for name, fields, _ in table}
    for kind in public:
        if issubclass(kind, msgspec.Struct) and kind is not Event:
            fields = [field for field in kind.__struct_fields__ if field != "at"]
            assert re.findall(r"`(\w+)`", described[kind.__name__]) == fields


# ------------------------------------------------------------------------------------------- errors.md


@pytest.mark.parametrize("error", ERRORS)
def test_every_error_says_when_it_comes_whether_it_was_processed_and_what_to_do(error: str) -> None:
    described = section("reference/errors.md", error)
    for question in ("Comes", "Processed", "Do"):
        assert re.search(rf"^- \*\*{question}:\*\* \S", described, flags=re.M), f"{error} does not say: {question}"


def test_the_tree_of_errors_is_the_classes_own() -> None:
    def tree(error: type[AltcraftError], depth: int = 0) -> Iterator[str]:
        yield "  " * depth + error.__name__
        for below in ERRORS.values():
            if error in below.__bases__:
                yield from tree(below, depth + 1)

    drawn = re.search(r"```text\n(.*?)```", text("reference/errors.md"), flags=re.S)
    assert drawn
    lines = [re.sub(r" +#.*", "", line) for line in drawn[1].splitlines()]
    assert sorted(lines) == sorted(tree(AltcraftError))
    parents = {}
    for line in lines:
        depth = (len(line) - len(line.lstrip())) // 2
        parents[depth] = line.strip()
        if depth:
            assert ERRORS[parents[depth - 1]] in ERRORS[line.strip()].__bases__


def test_the_table_of_warnings_has_all_of_them() -> None:
    assert {name.strip("`") for name, _ in rows("reference/errors.md", "Warnings", 2)} == WARNINGS


def test_no_section_describes_an_error_that_does_not_exist() -> None:
    assert set(re.findall(r"^### (\w+)$", text("reference/errors.md"), flags=re.M)) == set(ERRORS)


# -------------------------------------------------------------------------------------------- hooks.md


@pytest.mark.parametrize("hook", HOOKS)
def test_every_hook_is_described_with_its_arguments_its_moment_and_its_thread(hook: str) -> None:
    described = section("reference/hooks.md", hook)
    for question in ("When", "Thread", "If it raises"):
        assert re.search(rf"^- \*\*{question}:\*\* \S", described, flags=re.M), f"{hook} does not say: {question}"
    arguments = [name for name in inspect.signature(HOOKS[hook]).parameters if name != "self"]
    given = re.search(r"^- \*\*Arguments:\*\* (.*?)(?=^- |\Z)", described, flags=re.M | re.S)
    assert given
    assert [name for name in re.findall(r"`(\w+)`", given[1]) if name in arguments] == arguments


@pytest.mark.parametrize("hook", HOOKS)
def test_every_hook_is_implemented_in_an_example(hook: str) -> None:
    assert re.search(rf"@(altcraft\.)?hookimpl\n    def {hook}\(", text("reference/hooks.md"))


def test_no_section_describes_a_hook_that_does_not_exist() -> None:
    assert set(re.findall(r"^### (\w+)$", text("reference/hooks.md"), flags=re.M)) == set(HOOKS)


# ------------------------------------------------------------------------------------------- schema.md


@pytest.mark.parametrize("name", STRUCTS)
def test_every_struct_of_the_wire_is_described_with_its_fields(name: str) -> None:
    described = text("reference/schema.md")
    assert f"`{name}`" in described
    struct = STRUCTS[name]
    if issubclass(struct, msgspec.Struct):
        missing = [field for field in struct.__struct_fields__ if f"`{field}`" not in described]
        assert not missing


def test_every_documented_counter_is_described() -> None:
    described = [cells[0].strip("`") for cells in rows("reference/schema.md", "Counters", 2)]
    assert tuple(described) == schema.Counters.documented


# -------------------------------------------------------------------------------------------- index.md


def test_every_page_is_reached_from_the_index() -> None:
    linked = set(re.findall(r"\]\(([\w./-]+\.md)", text("index.md")))
    pages = {page.relative_to(DOCS).as_posix() for page in DOCS.rglob("*.md")} - {"index.md"}
    apart = {page for page in pages if page.startswith(("examples/", "reference/api/"))} - {"reference/api/index.md"}
    assert pages - apart <= linked
