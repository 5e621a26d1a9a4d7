"""Time a poll, however many tasks there are: in a time of its own, without any I/O.

python -m tests.benchmarks.group.growth TASKS      prints microseconds of CPU a poll, as JSON
"""

from __future__ import annotations

import gc
import json
import sys
import time

from altcraft import Client, HttpRequest, HttpResponse, Polling
from altcraft.testing import FakeClock, FakeTransport

from .server import POLLS

_JSON = {"Content-Type": "application/json"}
_RUNNING = HttpResponse(200, _JSON, b'{"data":{"status":"running"},"error":0,"error_text":""}')
_DONE = HttpResponse(200, _JSON, b'{"data":{"status":"completed","result":[]},"error":0,"error_text":""}')


class Platform(FakeTransport):
    """A FakeTransport that keeps no requests, for they would outweigh the tasks; each third poll finds a task done."""

    def __init__(self, tasks: int) -> None:
        super().__init__([], clock=FakeClock())
        self.left = (POLLS - 1) * tasks

    def send(self, request: HttpRequest, *, timeout: float) -> HttpResponse:
        self.left -= 1
        return _RUNNING if self.left >= 0 else _DONE

    def sleep(self, seconds: float) -> None:
        self.clock.advance(seconds)


def measure(tasks: int) -> float:
    """Microseconds of CPU a poll. Each is polled once before any is polled again, so all stay outstanding."""
    platform = Platform(tasks)
    polling = Polling(initial=30, maximum=30, predict=False)
    with Client("https://example.com", "t", transport=platform, polling=polling) as client:
        handles = [client.tasks.resume(f"task-{number}") for number in range(tasks)]
        gc.collect()
        began = time.process_time()
        for _ in client.tasks.as_completed(handles, max_in_flight=1):
            pass
        return (time.process_time() - began) / (POLLS * tasks) * 1e6


if __name__ == "__main__":
    print(json.dumps(measure(int(sys.argv[1]))))
