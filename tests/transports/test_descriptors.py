"""A process that makes a client for each job: it runs out of nothing."""

from __future__ import annotations

import subprocess
import sys

import pytest

from altcraft.testing.transport.loopback import Loopback, answering, reply
from transports.bundled import every_transport_at_length

PROGRAM = """
import asyncio, gc, os, resource, sys
import altcraft
resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))
url, name, kind, number = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])

def threads():
    with altcraft.Client(url, token="t", transport=name) as client:
        assert client.tasks.status("x").progress == 40

async def tasks():
    async with altcraft.AsyncClient(url, token="t", transport=name) as client:
        assert (await client.tasks.status("x")).progress == 40

def descriptors():
    return len(os.listdir("/dev/fd"))

def main(once):
    gc.disable()
    once()
    before = descriptors()
    for _ in range(number):
        once()
    return descriptors() - before

async def in_one_loop():
    gc.disable()
    await tasks()
    before = descriptors()
    for _ in range(number):
        await tasks()
    return descriptors() - before

print(asyncio.run(in_one_loop()) if kind == "True" else main(threads))
"""


@every_transport_at_length
@pytest.mark.parametrize("number", [60, pytest.param(1000, marks=pytest.mark.slow)])
def test_clients_that_were_made_used_and_closed_leave_no_descriptor(name: str, is_async: bool, number: int) -> None:
    body = b'{"data": {"status": "in progress", "progress": 40}, "error": 0, "error_text": ""}'
    with Loopback(answering(reply(body, "Content-Type: application/json"))) as server:
        command = [sys.executable, "-c", PROGRAM, server.url, name, str(is_async), str(number)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert (done.stdout.strip(), done.stderr) == ("0", "")
