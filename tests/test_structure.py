"""The walls of the house, read off the syntax trees: private names stay in their modules, machines behind one wall."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SOURCES = [
    path
    for package in ("core/altcraft", "transports/altcraft_transports", "plugins/altcraft_plugins")
    for path in sorted((ROOT / package).rglob("*.py"))
]
# Python documents the first, and the type of what zlib.decompressobj() returns has no other name. OpenTelemetry's own
# exporters and instrumentations share the key by that name.
EXCEPTIONS = {"sys._getframe", "zlib._Decompress", "opentelemetry.context._SUPPRESS_HTTP_INSTRUMENTATION_KEY"}
WALL = ROOT / "core/altcraft/engine/followed.py"


def is_private(name: str) -> bool:
    return name.startswith("_") and not re.fullmatch(r"__\w+__|_+", name)


def module_of(path: Path) -> str:
    """The dotted name of a source file."""
    parts = path.relative_to(ROOT).with_suffix("").parts[1:]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_of(path) for path in SOURCES}
OURS = {module.partition(".")[0] for module in MODULES}


def own_names(tree: ast.AST) -> Iterator[str]:
    """The private names that a module defines: functions, classes, variables, attributes, slots, parameters."""
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            yield node.name
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and is_own(node.value):
            yield node.attr
        elif isinstance(node, ast.Assign) and any(
            isinstance(t, ast.Name) and t.id == "__slots__" for t in node.targets
        ):
            yield from (part.value for part in ast.walk(node) if isinstance(part, ast.Constant))


def is_own(value: ast.expr) -> bool:
    """Whether an attribute is looked up on the object or the class itself."""
    if isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id == "super":
        return True
    return isinstance(value, ast.Name) and value.id in ("self", "cls")


def may_import(importer: str, imported: str) -> bool:
    """A private module is for its own package: `a._b` for `a` and everything in it. Other projects have other rules."""
    parts = imported.split(".")
    return parts[0] not in OURS or all(
        (importer + ".").startswith(".".join(parts[:place]) + ".")
        for place, part in enumerate(parts)
        if is_private(part)
    )


def trespasses(path: Path, source: str) -> Iterator[str]:
    """Where a module uses a private name of another one."""
    tree, module = ast.parse(source), module_of(path)
    own = set(own_names(tree))
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Attribute)
            and is_private(node.attr)
            and node.attr not in own
            and not is_own(node.value)
        ):
            used = [ast.unparse(node)]
        elif isinstance(node, ast.Import):
            used = [alias.name for alias in node.names if not may_import(module, alias.name)]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            private = [alias.name for alias in node.names if is_private(alias.name)]
            used = [name for name in names if not may_import(module, name)] or [
                name for name in names if name not in MODULES and name.rpartition(".")[2] in private
            ]
        else:
            continue
        yield from (f"{module}:{node.lineno}: {name}" for name in used if name not in EXCEPTIONS)


def feeders(source: str) -> list[str]:
    """The functions of a module that hand an event to a machine, apart from those that made it for a single call."""
    tree = ast.parse(source)
    holders = [tree, *(node for node in ast.walk(tree) if isinstance(node, ast.ClassDef))]
    functions = (node for holder in holders for node in holder.body if isinstance(node, ast.FunctionDef))
    return [
        function.name
        for function in functions
        if re.search(r"machine\.handle\b", ast.unparse(function)) and "CallMachine(" not in ast.unparse(function)
    ]


def test_no_module_uses_a_private_name_of_another() -> None:
    assert [found for path in SOURCES for found in trespasses(path, path.read_text("utf-8"))] == []


@pytest.mark.parametrize(
    ("source", "used"),
    [
        ("import altcraft.hooks\naltcraft.hooks._static('x')", "altcraft.hooks._static"),
        ("def f(task): return task._followed", "task._followed"),
        ("def f(task): task._followed = None", "task._followed"),
        ("class A:\n    def f(self): return self.engine._lock", "self.engine._lock"),
        ("from altcraft.hooks import _static", "altcraft.hooks._static"),
        ("import altcraft_transports._common.body", "altcraft_transports._common.body"),
        ("from altcraft_transports._common import body", "altcraft_transports._common.body"),
    ],
)
def test_the_use_of_another_modules_private_name_is_found(source: str, used: str) -> None:
    assert list(trespasses(WALL, source)) == [f"altcraft.engine.followed:{source.count(chr(10)) + 1}: {used}"]


@pytest.mark.parametrize(
    "source",
    [
        "class A:\n    def f(self): return self._x, super()._y",
        "class A:\n    __slots__ = ('_x',)\n    def __eq__(self, other): return other._x == 1",
        "class A:\n    def __init__(self): self._x = 1\ndef f(a): return a._x",
        "_x = 1\nimport sys\nsys._getframe(1)",
        "def f(a): return a.__class__, a.__dict__",
    ],
)
def test_the_use_of_a_modules_own_private_name_is_allowed(source: str) -> None:
    assert list(trespasses(WALL, source)) == []


def test_a_private_module_is_open_to_its_own_package() -> None:
    inside = ROOT / "transports/altcraft_transports/urllib3.py"
    assert list(trespasses(inside, "from altcraft_transports._common.body import Body")) == []


def test_only_followed_hands_events_to_the_machine_of_a_task() -> None:
    found = {path: feeders(path.read_text("utf-8")) for path in SOURCES}
    assert {path for path, functions in found.items() if functions} == {WALL}


def test_a_function_that_hands_an_event_to_a_machine_is_found() -> None:
    assert feeders("def f(self, event): self._machine.handle(event)") == ["f"]
    assert feeders("def f(task):\n    machine = task.machine\n    return machine.handle(1)") == ["f"]
    assert feeders("def f():\n    machine = CallMachine(1)\n    return machine.handle(1)") == []
