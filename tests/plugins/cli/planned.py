"""A platform in memory for `altcraft run`: it counts what it is asked, and answers single recounts as a test wants."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

from altcraft import Client, ConnectionLost, HttpRequest, HttpResponse
from altcraft.testing import FakeTransport, reply
from altcraft_plugins.cli.app import run
from altcraft_plugins.cli.connection import Connection
from plugins.cli.running import TOKEN, Ran

__all__ = ["PLAN", "PlanRuns", "Platform"]

PLAN = """\
[defaults]
resource = 24
database = 1

[[section]]
name = "Newsletter"

[[section.recount]]
name = "Newsletter, active"
segments = 7

[[section.recount]]
name = "Region {id}"
segments = [8, 11]

[[section]]
name = "Databases"

[[section.recount]]
name = "Members"
databases = 5
"""


class Platform:
    """`submitted` counts the submissions it has processed, by id. A task ends at its first poll.

    `counts` are the email counts by id. `submissions` and `polls` hold other answers, by id, in the order in which they
    are given; an exception is raised as the transport's.
    """

    def __init__(self) -> None:
        self.submitted: Counter[int] = Counter()
        self.counts: dict[int, int] = {}
        self.submissions: dict[int, list[HttpResponse | Exception]] = {}
        self.polls: dict[int, list[HttpResponse | Exception]] = {}
        self.hosts: set[str] = set()

    def answer(self, request: HttpRequest) -> HttpResponse:
        """The reply to a request."""
        self.hosts.add(request.url.split("/")[2])
        body = json.loads(request.body)
        if request.url.endswith("/tasks/status"):
            id = int(body["task_id"].split("-")[1])
            return self._next(self.polls, id) or reply(
                {"status": "completed", "progress": 100, "result": [self._result(body["task_id"])]}
            )
        id = body["id"]
        planned = self.submissions.get(id, [])
        if not planned or isinstance(planned[0], ConnectionLost):
            self.submitted[id] += 1
        return self._next(self.submissions, id) or reply({"task_id": f"task-{id}-{self.submitted[id]}"})

    def _result(self, task_id: str) -> Mapping[str, object]:
        id = int(task_id.split("-")[1])
        counts = {"all": 1000, "subscribed": self.counts.get(id, 100 + id)}
        channels = [
            {"channel": "email", "status": counts},
            {"channel": "push", "status": {"all": 1000, "subscribed": 0}},
        ]
        return {"channels": channels, "resource_id": 24, "list_id": 1}

    @staticmethod
    def _next(planned: dict[int, list[HttpResponse | Exception]], id: int) -> HttpResponse | None:
        if not planned.get(id):
            return None
        found = planned[id].pop(0)
        if isinstance(found, Exception):
            raise found
        return found


class PlanRuns:
    """Runs `altcraft run` in this process, on a plan in a folder of its own and a platform in memory."""

    def __init__(self, capsys: pytest.CaptureFixture[str], folder: Path) -> None:
        self.capsys = capsys
        self.folder = folder
        self.plan = folder / "plan.toml"
        self.plan.write_text(PLAN, "utf-8")
        self.platform = Platform()
        self.connections: list[Connection] = []
        self.plugins: Sequence[object] = ()

    def __call__(self, *options: str, connect: Callable[[Connection], Client] | None = None) -> Ran:
        self.capsys.readouterr()
        code = run(["run", str(self.plan), *options], connect=connect or self.connect)
        return Ran(code, *self.capsys.readouterr())

    def connect(self, connection: Connection) -> Client:
        """A client on the platform in memory."""
        self.connections.append(connection)
        transport = FakeTransport([self.platform.answer], repeat=True)
        return Client(
            connection.url, TOKEN, transport=transport, retry=connection.retry, polling=connection.polling,
            plugins=self.plugins,
        )  # fmt: skip
