"""Many submissions at once: a few workers make them one after the other, and nothing of what came about is lost."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Generic, TypeVar

from altcraft.engine.effects import Effects
from altcraft.engine.engine import Engine
from altcraft.engine.followed import TaskBase
from altcraft.errors import SubmissionsFailed
from altcraft.operations import Operation
from altcraft.schema import TaskRequest

__all__ = ["Submissions"]

TaskT = TypeVar("TaskT", bound=TaskBase[Any])


class Submissions(Generic[TaskT]):
    """Submissions that are made together; `work` is one worker's share.

    Whoever hires tells of a worker that broke off by `failed`, and has the batch `stop`, whatever happens.
    """

    def __init__(
        self,
        engine: Engine,
        requests: Iterable[TaskRequest[Any]],
        operation_of: Callable[[TaskRequest[Any]], Operation[Any]],
        task_of: Callable[[str, Operation[Any], TaskRequest[Any]], TaskT],
    ) -> None:
        self._conductor = engine
        self._requests = list(requests)
        self._operations = [operation_of(request) for request in self._requests]
        self._task_of = task_of
        self._taken = 0
        self._tasks: dict[int, TaskT] = {}
        self._errors: dict[int, Exception] = {}
        self._broken: BaseException | None = None
        for operation in self._operations:
            if operation.status is None:
                raise TypeError(f"{operation.path} starts no task: use client.call")

    @property
    def size(self) -> int:
        """How many submissions there are."""
        return len(self._requests)

    def work(self) -> Effects[None]:
        """One worker's share: submits until nothing is left."""
        while True:
            with self._conductor.lock:
                index = self._taken
                if index >= self.size:
                    return
                self._taken += 1
            operation = self._operations[index]
            try:
                task_id = yield from self._conductor.submit(operation, self._requests[index])
            except Exception as error:
                self._errors[index] = error
                continue
            task = self._tasks[index] = self._task_of(task_id, operation, self._requests[index])
            self._conductor.submitted(task)

    def failed(self, error: BaseException) -> None:
        """A worker has broken off, over something that is no Exception."""
        self._broken = error
        self.stop()

    def stop(self) -> None:
        """No submission starts any more. May be called twice."""
        with self._conductor.lock:
            self._taken = self.size

    def tasks(self) -> list[TaskT]:
        """The tasks in the order of their requests. SubmissionsFailed, with all that came about, where one failed."""
        if self._broken is not None:
            raise self._broken
        if self._errors:
            raise SubmissionsFailed(dict(sorted(self._tasks.items())), dict(sorted(self._errors.items())))
        return [self._tasks[index] for index in range(self.size)]
