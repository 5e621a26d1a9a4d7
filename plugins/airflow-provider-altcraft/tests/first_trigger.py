"""Runs one trigger as a triggerer does, and prints for how long the event loop was blocked at most, in seconds.

`blocked` is by the clock, `worked` by the processor time of the loop's thread.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from importlib import import_module

import airflow.jobs.triggerer_job_runner  # noqa: F401 - a triggerer has it

PATH = "airflow_provider_altcraft.triggers"


async def watch(longest: dict[str, float]) -> None:
    while True:
        began, worked = time.perf_counter(), time.thread_time()
        await asyncio.sleep(0.001)
        longest["blocked"] = max(longest["blocked"], time.perf_counter() - began - 0.001)
        longest["worked"] = max(longest["worked"], time.thread_time() - worked)


async def main() -> None:
    longest = {"blocked": 0.0, "worked": 0.0}
    watching = asyncio.create_task(watch(longest))
    await asyncio.sleep(0)
    trigger = import_module(PATH).AltcraftTaskTrigger(sys.argv[1])  # in the loop, as a triggerer does
    events = [event async for event in trigger.run()]
    await asyncio.sleep(0.01)
    watching.cancel()
    assert events[0].payload["rows"]
    print(json.dumps({**longest, "altcraft": "altcraft" in sys.modules}))


asyncio.run(main())
