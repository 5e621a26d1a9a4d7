"""The trigger: follows a task in the triggerer, beside thousands of others.

Imports nothing of altcraft at the top: the triggerer imports this module in its event loop, and the library's first
import and first client take several hundred milliseconds. Both happen in a thread, without the garbage collector:
their many new objects would have it search all of Airflow's, for which it stops every thread for 150 ms and more.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

__all__ = ["AltcraftTaskTrigger"]


class AltcraftTaskTrigger(BaseTrigger):
    """Follows a task until it is done. `task` is a resume token, or the platform's id of the task.

    The event's payload holds `rows` after success, as JSON's values; or `error`, the name of the error's class, and
    `message`.
    """

    def __init__(self, task: str, altcraft_conn_id: str = "altcraft_default") -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Airflow's
        self.task_token = task
        self.altcraft_conn_id = altcraft_conn_id

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """The class and its arguments; they hold no secret."""
        arguments = {"task": self.task_token, "altcraft_conn_id": self.altcraft_conn_id}
        return "airflow_provider_altcraft.triggers.AltcraftTaskTrigger", arguments

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Polls by the schedule, and yields one event."""
        settings = await asyncio.to_thread(_ready, self.altcraft_conn_id)
        from airflow_provider_altcraft.following import follow  # loaded by the thread

        yield TriggerEvent(await follow(settings, self.task_token))  # type: ignore[no-untyped-call]  # Airflow's


def _ready(altcraft_conn_id: str) -> Any:
    """In a thread: reads the connection, and makes the next client a quick one."""
    collects = gc.isenabled()
    gc.disable()
    try:
        from airflow_provider_altcraft.following import warm_up
        from airflow_provider_altcraft.hooks import AltcraftHook

        settings = AltcraftHook(altcraft_conn_id).settings()
        warm_up(settings)
        return settings
    finally:
        if collects:
            gc.enable()
