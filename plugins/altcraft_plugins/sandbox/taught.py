"""Methods that plugins teach the sandbox. Page: docs/how-to/extending.md.

A teacher is a function that registers methods, and the files that the platform hands out. `Sandbox(teachers=[…])` takes
teachers, and an installed distribution offers them in the entry-point group `altcraft.sandbox`. The sandbox looks at
that group when it is asked for a path that it does not know, and not before.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from typing import Final, NamedTuple, Protocol, TypeVar

import msgspec

from altcraft import Reply
from altcraft.codecs import Codec
from altcraft_plugins.sandbox.data.store import Store
from altcraft_plugins.sandbox.methods import Call, Method
from altcraft_plugins.sandbox.schema.replies import SUCCESS, Started
from altcraft_plugins.sandbox.schema.requests import Parameters
from altcraft_plugins.sandbox.tasks.table import Submission, TaskTable
from altcraft_plugins.sandbox.tasks.worker import TaskWorker

__all__ = ["ENTRY_POINTS", "File", "MethodRegistry", "Platform", "SandboxPlatform", "Taught", "Teacher"]

logger = logging.getLogger("altcraft.sandbox")

ENTRY_POINTS: Final = "altcraft.sandbox"
"""The entry-point group in which installed distributions offer teachers."""

P = TypeVar("P", bound=Parameters)


class File(NamedTuple):
    """A file that the platform hands out."""

    body: bytes
    content_type: str = "application/octet-stream"


class Platform(Protocol):
    """What a taught method may use of the sandbox. Thread-safe."""

    def rows(self) -> AbstractContextManager[sqlite3.Connection]:
        """The tables, to read and to change, in a transaction that is committed at the end of the `with` block.

        docs/reference/sandbox.md lists the tables.
        """
        ...

    def start(self, asked: Parameters, result: object) -> object:
        """Starts a task that ends with `result`, and returns the data of the reply, which names the task.

        The task takes as long as the sandbox's pace says. `result` is made of structs, dicts, lists, texts and numbers.
        """
        ...


class SandboxPlatform:
    """The Platform of one method: its tasks name the method's path."""

    def __init__(self, store: Store, tasks: TaskTable, worker: TaskWorker, path: str) -> None:
        self._store = store
        self._tasks = tasks
        self._worker = worker
        self._path = path

    def rows(self) -> AbstractContextManager[sqlite3.Connection]:
        """As `Platform.rows`."""
        return self._store.transaction()

    def start(self, asked: Parameters, result: object) -> object:
        """As `Platform.start`."""
        task_id = self._tasks.add_taught(Submission(self._path, asked.as_json()), result)
        self._worker.add(task_id)
        return Started(task_id)


class MethodRegistry:
    """Methods by path, and files by the beginning of their path. `platform` makes the Platform of a path."""

    def __init__(self, platform: Callable[[str], Platform]) -> None:
        self._platform = platform
        self.methods: dict[str, Callable[[Codec, bytes], Call]] = {}
        self.files: dict[str, Callable[[str], File | None]] = {}

    def register(self, path: str, parameters: type[P], answer: Callable[[P, Platform], object]) -> None:
        """Teaches a method, in place of a known one with that path below the root of the API.

        `parameters` derives from `Parameters`; what does not fit it is refused with 400. `answer` returns the `data` of
        the reply, or a whole `altcraft.Reply`, and raises `Refusal`.
        """
        path = path.strip("/")
        platform = self._platform(path)

        def run(asked: P) -> msgspec.Struct:
            data = answer(asked, platform)
            return data if isinstance(data, Reply) else _Answer(data)

        self.methods[path] = Method(parameters, run).read

    def serve(self, prefix: str, file: Callable[[str, Platform], File | None]) -> None:
        """Hands out files to a GET with the token as a bearer. `prefix` is the beginning of the path, from the host.

        `file` gets the whole path. It returns None where there is no such file.
        """
        platform = self._platform(prefix)
        self.files[prefix] = lambda path: file(path, platform)


Teacher = Callable[[MethodRegistry], object]
"""Registers methods and files."""


class Taught:
    """The methods and files of all teachers. Thread-safe."""

    def __init__(self, platform: Callable[[str], Platform], teachers: Iterable[Teacher]) -> None:
        self._platform = platform
        self._registry = MethodRegistry(platform)
        self._has_scanned = False
        for teach in teachers:
            teach(self._registry)

    @property
    def methods(self) -> dict[str, Callable[[Codec, bytes], Call]]:
        """The methods that are known now, by path."""
        return self._registry.methods

    def method(self, path: str) -> Callable[[Codec, bytes], Call] | None:
        """The method with that path. None where no teacher knows it, installed ones included."""
        if path not in self._registry.methods:
            self._scan()
        return self._registry.methods.get(path)

    def file(self, path: str) -> Callable[[str], File | None] | None:
        """The function that reads the file at that path. None where no teacher has any there."""
        if not any(map(path.startswith, self._registry.files)):
            self._scan()
        return next((read for prefix, read in self._registry.files.items() if path.startswith(prefix)), None)

    def _scan(self) -> None:
        """Adds what installed teachers know, once. What was given to the sandbox goes before it."""
        if self._has_scanned:
            return
        from importlib.metadata import entry_points  # slow, for a sandbox that is asked for what it does not know

        registry = MethodRegistry(self._platform)
        for entry_point in entry_points(group=ENTRY_POINTS):
            try:
                entry_point.load()(registry)
            except KeyboardInterrupt:
                raise
            except BaseException as error:  # a module may call sys.exit when it is imported
                logger.warning("the teacher %s (%s) failed: %r", entry_point.name, entry_point.value, error)
        given = self._registry.files
        registry.files = given | registry.files | given  # in front, and with their own functions
        self._registry, self._has_scanned = registry, True  # no lock: two threads that scan come to the same


class _Answer(msgspec.Struct):
    """The envelope around taught data."""

    data: object
    error: int = 0
    error_text: str = SUCCESS
