"""Runs one trigger as a triggerer does, and prints the longest step of the event loop, in seconds.

`waited` is by the clock, which runs on while other processes have the processor. `blocked` counts no more of a step
than the processor time that this process took meanwhile, in all its threads.
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
        began, worked = time.perf_counter(), time.process_time()
        await asyncio.sleep(0.001)
        waited = time.perf_counter() - began - 0.001
        longest["waited"] = max(longest["waited"], waited)
        longest["blocked"] = max(longest["blocked"], min(waited, time.process_time() - worked))


async def main() -> None:
    longest = {"blocked": 0.0, "waited": 0.0}
    watching = asyncio.create_task(watch(longest))
    await asyncio.sleep(0)
    trigger = import_module(PATH).AltcraftTaskTrigger(sys.argv[1])  # in the loop, as a triggerer does
    events = [event async for event in trigger.run()]
    await asyncio.sleep(0.01)
    watching.cancel()
    assert events[0].payload["rows"]
    print(json.dumps(longest))


asyncio.run(main())
