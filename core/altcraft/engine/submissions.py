"""Many submissions: a few workers make them one after the other, and the outcome of each is kept."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from altcraft.engine.effects import Effects
from altcraft.engine.engine import Engine
from altcraft.engine.followed import Handle, followed_of
from altcraft.errors import SubmissionsFailed
from altcraft.operations import Operation
from altcraft.schema import TaskRequest

__all__ = ["Submissions"]


class Submissions:
    """Submissions that are made together. `work` is one worker's share.

    The caller spawns the workers, reports one that broke off by `failed`, and calls `stop` in the end.
    """

    def __init__(
        self,
        engine: Engine,
        requests: Iterable[TaskRequest[Any]],
        operation_of: Callable[[TaskRequest[Any]], Operation[Any]],
    ) -> None:
        self._engine = engine
        self._requests = list(requests)
        self._operations = [operation_of(request) for request in self._requests]
        self._taken = 0
        self._tasks: dict[int, Handle[Any]] = {}
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
            with self._engine.lock:
                index = self._taken
                if index >= self.size:
                    return
                self._taken += 1
            try:
                self._tasks[index] = yield from self._engine.submit(self._operations[index], self._requests[index])
            except Exception as error:
                self._errors[index] = error

    def failed(self, error: BaseException) -> None:
        """A worker has broken off, over something that is no Exception."""
        self._broken = error
        self.stop()

    def stop(self) -> None:
        """Starts no further submission. May be called twice."""
        with self._engine.lock:
            self._taken = self.size

    def tasks(self) -> list[Handle[Any]]:
        """The tasks in the order of their requests. SubmissionsFailed, with all that is known, where one failed."""
        if self._broken is not None:
            raise self._broken
        if self._errors:
            tokens = {place: followed_of(task).resume_token for place, task in sorted(self._tasks.items())}
            raise SubmissionsFailed(tokens, dict(sorted(self._errors.items())))
        return [self._tasks[index] for index in range(self.size)]
