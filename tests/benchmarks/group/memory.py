"""What an outstanding task takes in memory, byte by byte: run by the benchmark, prints a line of JSON.

    python -m tests.benchmarks.group.memory TASKS WITH_PROGRESS POLLS

Every task has been polled POLLS times, and stands in the schedule. The figure is the memory allocated since the ids
were made, over the number of tasks: the handle, the machine, what its polls have shown, the place in the schedule, all
the times; `listed` with the caller's list of handles, and `with_ids` with the ids too.
"""

from __future__ import annotations

import gc
import json
import sys
import threading
import tracemalloc

from altcraft import Client, HttpRequest, HttpResponse, Polling

_JSON = {"Content-Type": "application/json"}


class Platform:
    """Answers so many polls, and holds back the next one; lives by the machine's clock."""

    def __init__(self, polls: int, *, with_progress: bool) -> None:
        self.left = polls
        self.progress = with_progress
        self.tasks = 1
        self.answered = 0
        self.all_polled = threading.Event()
        self._closed = threading.Event()

    def send(self, request: HttpRequest, *, timeout: float) -> HttpResponse:
        if self.answered == self.left:
            self.all_polled.set()
            self._closed.wait()
        shown = b',"progress":%d' % (10 * (1 + self.answered // self.tasks)) if self.progress else b""
        self.answered += 1
        return HttpResponse(200, _JSON, b'{"data":{"status":"running"%s},"error":0,"error_text":""}' % shown)

    def sleep(self, seconds: float) -> None:
        self._closed.wait(seconds)

    def wake(self) -> None: ...

    def close(self) -> None:
        self._closed.set()


def measure(tasks: int, polls: int, *, with_progress: bool) -> dict[str, float]:
    """Bytes a task."""
    platform = Platform(tasks * polls, with_progress=with_progress)
    platform.tasks = tasks
    with Client(
        "https://example.com", "t", transport=platform, polling=Polling(initial=0.5, maximum=0.5, predict=False)
    ) as client:
        gc.collect()
        tracemalloc.start(1)
        start = _traced()
        ids = [f"930bfdb0-5b24-4f77-9c7b-{number:012}" for number in range(tasks)]
        named = _traced()
        handles = [client.tasks.resume(task_id) for task_id in ids]
        made = _traced()
        iteration = client.tasks.as_completed(handles, max_in_flight=1)
        consumer = threading.Thread(target=_first, args=(iteration,))
        consumer.start()
        platform.all_polled.wait()
        gc.collect()
        outstanding = _traced()
    consumer.join()
    tracemalloc.stop()
    listed = sys.getsizeof(handles)
    return {
        "handle": (made - named - listed) / tasks,
        "outstanding": (outstanding - named - listed) / tasks,
        "listed": (outstanding - named) / tasks,
        "with_ids": (outstanding - start) / tasks,
    }


def _traced() -> int:
    return tracemalloc.get_traced_memory()[0]


def _first(iteration: object) -> None:
    from altcraft import ClientClosed

    try:
        next(iteration)  # type: ignore[call-overload]
    except ClientClosed:
        return


if __name__ == "__main__":
    count, with_progress, polls = map(int, sys.argv[1:])
    print(json.dumps(measure(count, polls, with_progress=bool(with_progress))))
