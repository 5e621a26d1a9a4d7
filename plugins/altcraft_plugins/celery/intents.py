"""Intents: what a job wrote down before it submitted, so that a second delivery of its message submits nothing."""

from __future__ import annotations

import threading
from typing import Protocol

import msgspec

from altcraft import Submission, TaskHandle, hookimpl
from altcraft_plugins.celery.api import KeyValues
from altcraft_plugins.celery.errors import SubmissionInDoubt

__all__ = ["Intent", "Intents", "IntentsInMemory", "IntentsInRedis", "KeepsIntents"]

_PREFIX = "altcraft-intent-"


class Intent(msgspec.Struct, frozen=True):
    """A submission that began at `submitted_at` (UTC, ISO 8601). `resume_token` is empty until the task id is there."""

    submitted_at: str
    resume_token: str = ""


class Intents(Protocol):
    """Where intents are kept, by the id of the job. All workers must reach the same one."""

    def begin(self, key: str, intent: Intent) -> bool:
        """Keeps a new intent. False where the key has one already, which stays as it is. One worker succeeds."""
        ...

    def get(self, key: str) -> Intent | None:
        """The intent of a job, None where it has none."""
        ...

    def complete(self, key: str, intent: Intent) -> None:
        """Keeps the intent with its token."""
        ...

    def forget(self, key: str) -> None:
        """Nothing was started: the job may submit again."""
        ...


class IntentsInMemory:
    """Intents of one process: for workers in a thread, and for tests. A restart forgets them."""

    def __init__(self) -> None:
        self._intents: dict[str, Intent] = {}
        self._lock = threading.Lock()

    def begin(self, key: str, intent: Intent) -> bool:
        """As Intents.begin."""
        with self._lock:
            return self._intents.setdefault(key, intent) is intent

    def get(self, key: str) -> Intent | None:
        """As Intents.get."""
        return self._intents.get(key)

    def complete(self, key: str, intent: Intent) -> None:
        """As Intents.complete."""
        self._intents[key] = intent

    def forget(self, key: str) -> None:
        """As Intents.forget."""
        self._intents.pop(key, None)


class IntentsInRedis:
    """Intents in a Redis database, for `keep` seconds. A message that comes back later than that submits again."""

    def __init__(self, redis: KeyValues, keep: int = 7 * 86400) -> None:
        self._redis = redis
        self._keep = keep

    def begin(self, key: str, intent: Intent) -> bool:
        """As Intents.begin."""
        return bool(self._redis.set(_PREFIX + key, _text(intent), ex=self._keep, nx=True))

    def get(self, key: str) -> Intent | None:
        """As Intents.get."""
        kept = self._redis.get(_PREFIX + key)
        return None if kept is None else msgspec.json.decode(kept, type=Intent)

    def complete(self, key: str, intent: Intent) -> None:
        """As Intents.complete."""
        self._redis.set(_PREFIX + key, _text(intent), ex=self._keep)

    def forget(self, key: str) -> None:
        """As Intents.forget."""
        self._redis.delete(_PREFIX + key)


class KeepsIntents:
    """A client's plugin: keeps the intent before anything is sent, and the token before `submit` returns."""

    def __init__(self, intents: Intents) -> None:
        self._intents = intents
        self._begun: set[str] = set()

    @hookimpl(tryfirst=True)
    def altcraft_submitting(self, submission: Submission) -> None:
        """Keeps the intent. SubmissionInDoubt for a job that has one; what the store raises ends the submission."""
        while not self._intents.begin(submission.key, Intent(submission.submitted_at.isoformat())):
            known = self._intents.get(submission.key)
            if known is not None:  # else the other delivery has just been refused by the platform
                raise SubmissionInDoubt(submission.key, known.submitted_at)
        self._begun.add(submission.key)

    @hookimpl(tryfirst=True)
    def altcraft_task_submitted(self, task: TaskHandle, submission: Submission) -> None:
        """Keeps the token."""
        self._begun.discard(submission.key)
        self._intents.complete(submission.key, Intent(submission.submitted_at.isoformat(), task.resume_token))

    @hookimpl(tryfirst=True)
    def altcraft_submission_failed(self, submission: Submission, in_doubt: bool) -> None:
        """Forgets the intent, unless the platform may have started a task."""
        if submission.key in self._begun:
            self._begun.discard(submission.key)
            if not in_doubt:
                self._intents.forget(submission.key)


def _text(intent: Intent) -> str:
    return msgspec.json.encode(intent).decode()
