"""What a program has imported at each stage: each library comes with its first use, none before."""

from __future__ import annotations

import subprocess
import sys

import pytest

CARRIER = """
import altcraft
class Carrier:
    def send(self, request, *, timeout):
        kind = request.headers["Accept"]
        data = b'{"data": [], "error": 0}' if "json" in kind else b"<xml><error>0</error><data></data></xml>"
        return altcraft.HttpResponse(200, {"Content-Type": kind}, data)
    def sleep(self, seconds): pass
    def close(self): pass
"""
MADE = CARRIER + "client = altcraft.Client('https://x', token='a-token', transport=Carrier())\n"
CALLED = MADE + "client.databases.get_counters(1, resource_id=2)\n"
XML = MADE.replace("'a-token'", "'a-token', codec='xml'") + "client.databases.get_counters(1, resource_id=2)\n"
DEFAULT = "import altcraft; client = altcraft.Client('https://x', token='a-token')\n"
CONNECTED = DEFAULT.replace("https://x", "http://127.0.0.1:9").replace(
    "'a-token'", "'a-token', retry=altcraft.Retry(attempts=1)"
)
CONNECTED += "try: client.check()\nexcept altcraft.ConnectError: pass\n"
ASYNC = "import altcraft; client = altcraft.AsyncClient('https://x', token='a-token')\n"
FAKE = "from altcraft.testing import FakeTransport, reply\nFakeTransport([reply([])])\n"

HEAVY = {
    "altcraft_plugins", "altcraft_transports", "asyncio", "concurrent.futures", "defusedxml", "http.client",
    "importlib.metadata", "logging", "sqlite3", "ssl", "trio", "urllib3", "xml.etree.ElementTree",
    "xml.parsers.expat",
}  # fmt: skip
URLLIB3 = {"altcraft_transports", "http.client", "logging", "ssl", "urllib3"}  # urllib3 and what it imports
STAGES = {
    "imported": ("import altcraft", set()),
    "a client over a transport of the user's": (MADE, set()),
    "a call over it": (CALLED, set()),
    "a call in XML": (XML, {"xml.etree.ElementTree"}),
    "a client over urllib3": (DEFAULT, {"altcraft_transports", "logging"}),
    "a connection by urllib3": (CONNECTED, URLLIB3),
    "an AsyncClient": (ASYNC, {"altcraft_transports", "concurrent.futures", "logging"}),
}


def modules_after(program: str) -> set[str]:
    """The modules of a new interpreter after a program. Neither site nor the environment adds any."""
    program = f"import sys; sys.path[:] = {sys.path!r}\n{program}\nprint(*sys.modules, sep='\\n')"
    command = [sys.executable, "-I", "-S", "-c", program]
    return set(subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout.split())


@pytest.mark.parametrize("stage", STAGES)
def test_each_stage_imports_what_it_uses_and_nothing_else(stage: str) -> None:
    program, expected = STAGES[stage]
    drawn = modules_after(program) & HEAVY
    if "urllib3" in expected:
        drawn.discard("importlib.metadata")  # some versions of urllib3 import it
    assert drawn == expected


def test_the_fakes_need_no_transport_and_no_library() -> None:
    assert not modules_after(FAKE) & {"altcraft_plugins", "altcraft_transports", "defusedxml", "httpx", "urllib3"}
