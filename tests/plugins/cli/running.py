"""Ways to run the command line: in this process on a fake transport, or as a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import pytest

from altcraft import Client, Retry
from altcraft.tasks.resume import parse_resume_token
from altcraft.testing import FakeTransport, reply
from altcraft_plugins.cli.app import run
from altcraft_plugins.cli.connection import Connection

COMMAND = (sys.executable, "-m", "altcraft_plugins.cli")
TOKEN = "recognisable-token-0123456789"
TASK_ID = "930bfdb0-a5a8-4207-a77d-6b989bdea326"

STARTED = reply({"task_id": TASK_ID})
EMAIL = {"channel": "email", "status": {"subscribed_sendable": 209, "unconfirmed_sendable": 0}}
SEGMENT = {
    "channels": [EMAIL, {"channel": "push", "status": {"subscribed_sendable": 11, "unconfirmed_sendable": 3}}],
    "in_progress": False,
    "list_id": 1,
    "refresh_task_id": "",
    "resource_id": 24,
    "updated": "2024-04-17T21:36:01.449Z",
}
DATABASE = {
    "channels": [{"channel": "email", "status": {"all": 1336, "subscribed": 925, "hardbounced": 411}}],
    "in_progress": True,
    "last_count_time": "counted at 2024-04-17T21:36:01Z in 82.746959ms",
    "refresh_task_id": "task_7",
    "resource_id": 24,
    "total_count": 1336,
    "updated": "2024-04-17T21:36:01.449Z",
}
RUNNING = reply({"status": "running", "progress": 40})
FAILED = reply({"status": "failed", "progress": 40})
REFRESH = ("segments", "refresh", "7", "--resource", "24", "--database", "1")


def completed(*entries: object):
    return reply({"status": "completed", "progress": 100, "result": list(entries)})


def task_of(token: str) -> str:
    """The id in a resume token."""
    return parse_resume_token(token.strip()).task_id


class Ran(NamedTuple):
    """What became of a run."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[dict[str, object]]:
        """stdout, every line of it as JSON."""
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def events(self) -> list[object]:
        return [line["event"] for line in self.lines]


class Terminal:
    """Runs commands in this process, with clients on a fake transport that answers from a script."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self.capsys = capsys
        self.connections: list[Connection] = []
        self.transports: list[FakeTransport] = []

    def __call__(self, *args: str, script: Sequence[object] = (), repeat: bool = False, retry: Retry | None = None):
        script = list(script)

        def connect(connection: Connection) -> Client:
            self.connections.append(connection)
            self.transports.append(FakeTransport(script, repeat=repeat))
            return Client("https://example.com", TOKEN, transport=self.transports[-1], retry=retry)

        self.capsys.readouterr()
        code = run(args, connect=connect)
        return Ran(code, *self.capsys.readouterr())

    @property
    def sent(self) -> list[tuple[str, dict[str, object]]]:
        """Method and parameters of each request of the last client, without the credentials."""
        return [
            (
                request.url.partition("/api/v1.1/")[2],
                {k: v for k, v in json.loads(request.body).items() if k not in ("token", "format")},
            )
            for request in self.transports[-1].requests
        ]


class Command:
    """Runs commands in this process, with the clients that they make themselves."""

    def __init__(self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        self.capsys = capsys
        self.monkeypatch = monkeypatch

    def __call__(self, *args: str, **variables: str) -> Ran:
        self.capsys.readouterr()
        with self.monkeypatch.context() as patch:
            for name, value in variables.items():
                patch.setenv(name, value)
            code = run(args)
        return Ran(code, *self.capsys.readouterr())


def environment(**changes: str) -> dict[str, str]:
    """The process's environment without what would steer the command line, and with changes."""
    kept = ("ALTCRAFT", "_ALTCRAFT", "COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR", "TTY_", "PYTHONIOENCODING")
    clean = {name: value for name, value in os.environ.items() if not name.startswith(kept)}
    return {**clean, "PYTHONUTF8": "0", "PYTHONIOENCODING": "utf-8", **changes}


def process(*args: str, env: Mapping[str, str] | None = None, **settings: object) -> Ran:
    """Runs a command as a process of its own, to its end."""
    done = subprocess.run(
        [*COMMAND, *args],
        env=environment(**(env or {})),
        capture_output=True,
        timeout=180,  # a busy machine may be slow
        check=False,
        **settings,  # type: ignore[call-overload]
    )
    return Ran(done.returncode, done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace"))


@contextmanager
def started(*args: str, env: Mapping[str, str]) -> Iterator[subprocess.Popen[str]]:
    """A command as a process that runs on; it does not outlive the block."""
    with subprocess.Popen(
        [*COMMAND, *args], env=environment(**env), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as running:
        try:
            yield running
        finally:
            if running.poll() is None:
                running.kill()
