"""`altcraft demo`: the main job against the embedded sandbox, over JSON and over XML."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from altcraft import Client, Polling
from altcraft_plugins.cli.connection import Connect, Connection, open_client
from altcraft_plugins.cli.facts import Asked
from altcraft_plugins.cli.outcome import DONE
from altcraft_plugins.cli.runs import refresh

if TYPE_CHECKING:
    from altcraft_plugins.cli.reporting import Reporter

__all__ = ["SNIPPET", "demo"]

SEGMENT: Final = Asked("Segment", 7, {"id": 7, "resource_id": 24, "db_id": 1})
DATABASE: Final = Asked("Database", 5, {"id": 5, "resource_id": 24})
BRISK: Final = Polling(initial=0.2, maximum=0.5)

SNIPPET: Final = """\
with Client("sandbox:") as json, Client("sandbox:", codec="xml") as xml:
    print(json.segments.refresh_counters(7, resource_id=24, db_id=1).result())
    print(xml.databases.refresh_counters(5, resource_id=24).result())
"""
"""The three lines that do the same, after `from altcraft import Client`."""


def demo(reporter: Reporter, connect: Connect, timeout: float | None) -> int:
    """Recounts a segment, then a database. Needs neither network nor files, and heeds no ALTCRAFT_ variable."""
    reporter.say("The sandbox: a small platform inside this process, with invented profiles.\n")
    with _client(connect, "json") as client:
        reporter.say("Recounting segment 7 over JSON.\n")
        code = refresh(
            client,
            reporter,
            lambda client: client.segments.refresh_counters(7, resource_id=24, db_id=1),
            SEGMENT,
            timeout=timeout,
        )
    if code != DONE:
        return code
    with _client(connect, "xml") as client:
        reporter.say("Recounting database 5 over XML.\n")
        code = refresh(
            client,
            reporter,
            lambda client: client.databases.refresh_counters(5, resource_id=24),
            DATABASE,
            timeout=timeout,
        )
    if code == DONE:
        reporter.say(f"Three lines of Python do the same, after `from altcraft import Client`:\n\n{SNIPPET}")
    return code


def _client(connect: Connect, codec: str) -> Client:
    return open_client(connect, Connection(url="sandbox:", codec=codec, polling=BRISK, anonymous=True))
