"""A plan as values, and the error of a file that is none."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Final, Literal

import msgspec
from msgspec import Struct

from altcraft import TaskRequest
from altcraft.schema import DatabasesRefreshCounters, ResourcesRefreshCounters, SegmentsRefreshCounters

__all__ = ["Limits", "Mistake", "Plan", "PlanConnection", "PlanError", "Recount"]


class PlanConnection(Struct, frozen=True, kw_only=True):
    """An installation. `token_env` names the environment variable that holds the token; None for no token.

    `listen` is the "host:port" at which a run takes feedback, `public_url` the URL under which the platform reaches it.
    """

    url: str
    token_env: str | None = None
    codec: str | None = None
    auth: Literal["body", "bearer"] | None = None
    listen: str | None = None
    public_url: str | None = None


class Limits(Struct, frozen=True, kw_only=True):
    """How much a run asks of an installation at once.

    A process that is killed leaves up to `max_submissions` recounts in doubt. `max_in_flight` is how many polls are
    under way, `max_polls_per_second` how many begin in a second; None for no limit.
    """

    max_submissions: int = 1
    max_in_flight: int = 16
    max_polls_per_second: float | None = None


class Recount(Struct, frozen=True, kw_only=True):
    """One recount of a plan.

    `name` is unique in the plan. `entry` is the name as the file has it, which several recounts share where it stands
    for several ids. `connection` is a name of the plan's; None stands for the connection of the command.
    `alert_drop` is the fall, in percent, beyond which the report raises an alert; None for no alert.
    """

    name: str
    entry: str
    section: str
    connection: str | None
    request: TaskRequest[Any]
    alert_drop: float | None = None

    @property
    def operation(self) -> str:
        """The path of the operation that starts it."""
        return _OPERATIONS[type(self.request)]


class Plan(Struct, frozen=True, kw_only=True):
    """The recounts of one run, in the order of the file. Paths that the file names are relative to its folder.

    `url` is the installation of recounts without a connection, which the file does not know. `in_doubt` says what a run
    does with a submission whose answer was lost: it lists it, or submits it again, so that it may be made twice.
    """

    path: Path
    name: str
    connections: dict[str, PlanConnection]
    recounts: tuple[Recount, ...]
    limits: Limits = Limits()
    journal: Path | None = None
    history: Path | None = None
    report: Path | None = None
    url: str = ""
    in_doubt: Literal["list", "submit again"] = "list"

    @property
    def id(self) -> str:
        """Tells this plan from others in a journal that they share: its name, and a digest of its path and `url`."""
        return f"{re.sub(r'[^A-Za-z0-9]+', '-', self.name)[:40]}-{_digest(f'{self.path.absolute()} {self.url}')}"

    def key(self, recount: Recount) -> str:
        """Tells a recount from the others of the plan. It follows from what is asked of which installation.

        A recount that gets another name or another place in the file keeps its key.
        """
        url = self.connections[recount.connection].url if recount.connection is not None else self.url
        asked = {
            name: value for name, value in msgspec.to_builtins(recount.request).items() if name not in _CREDENTIALS
        }
        return _digest(json.dumps([url, type(recount.request).__name__, asked], sort_keys=True))

    def only(self, patterns: Sequence[str]) -> Plan:
        """The plan with those recounts alone whose name, entry or section is one of `patterns`, with `*` for any text.

        LookupError for a pattern without a recount; its argument is the pattern.
        """
        if not patterns:
            return self
        kept: set[str] = set()
        for pattern in patterns:
            found = {recount.name for recount in self.recounts if _matches(recount, pattern)}
            if not found:
                raise LookupError(pattern)
            kept |= found
        return msgspec.structs.replace(
            self, recounts=tuple(recount for recount in self.recounts if recount.name in kept)
        )


class Mistake(Struct, frozen=True):
    """A mistake in a plan's file. `line` counts from 1; `key` is the key's path, such as "section[1].recount[0].name".

    None where the mistake has no line or no key.
    """

    line: int | None
    key: str | None
    text: str


class PlanError(ValueError):
    """The file is no plan. `mistakes` are all that were found; each is a line of the message."""

    def __init__(self, path: Path, mistakes: Sequence[Mistake]) -> None:
        self.path = path
        self.mistakes = tuple(mistakes)
        super().__init__("\n".join(_said(path, mistake) for mistake in mistakes))


_OPERATIONS: Final[Mapping[type, str]] = {
    SegmentsRefreshCounters: "segments/refresh_counters",
    DatabasesRefreshCounters: "databases/refresh_counters",
    ResourcesRefreshCounters: "resources/refresh_counters",
}
_CREDENTIALS: Final = ("token", "format", "feedback")


def _said(path: Path, mistake: Mistake) -> str:
    place = str(path) if mistake.line is None else f"{path}:{mistake.line}"
    return f"{place}: {mistake.text}" if mistake.key is None else f"{place}: {mistake.key}: {mistake.text}"


def _matches(recount: Recount, pattern: str) -> bool:
    names = (recount.name, recount.entry, recount.section)
    return pattern in names or any(fnmatchcase(name, pattern) for name in names)


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=6).hexdigest()
