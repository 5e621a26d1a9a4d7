"""The sensor: waits for a task that was submitted elsewhere."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import BaseSensorOperator, PokeReturnValue

from airflow_provider_altcraft.hooks import AltcraftHook
from airflow_provider_altcraft.links import AltcraftLink
from airflow_provider_altcraft.outcomes import RefreshFailed, Rows, plain, taken
from airflow_provider_altcraft.triggers import AltcraftTaskTrigger

__all__ = ["AltcraftTaskSensor"]


class AltcraftTaskSensor(BaseSensorOperator):
    """Waits for a task of the platform, and returns its rows. `altcraft_task` is its id, or a resume token.

    From a bare id, the rows don't say which segment or database was counted. `deferrable` has the triggerer wait, by
    the library's schedule; else the worker pokes, as `mode` and `poke_interval` say.
    """

    template_fields = ("altcraft_conn_id", "altcraft_task")
    operator_extra_links = (AltcraftLink(),)
    ui_color = "#e8f4ea"

    def __init__(
        self,
        *,
        altcraft_task: str,
        altcraft_conn_id: str = AltcraftHook.default_conn_name,
        deferrable: bool = True,
        **keywords: Any,
    ) -> None:
        super().__init__(**keywords)
        self.altcraft_task = altcraft_task
        self.altcraft_conn_id = altcraft_conn_id
        self.deferrable = deferrable

    def execute(self, context: Any) -> Rows | Any:
        """Defers, or pokes. Returns the rows."""
        if not self.deferrable:
            return super().execute(context)
        return self.defer(
            trigger=AltcraftTaskTrigger(self.altcraft_task, self.altcraft_conn_id),
            method_name="execute_complete",
            timeout=timedelta(seconds=self.timeout),
        )

    def execute_complete(self, context: Any, event: dict[str, Any] | None = None) -> Rows:
        """Returns the rows that the trigger has brought. Raises RefreshFailed."""
        return taken(event)

    def poke(self, context: Any) -> PokeReturnValue:
        """Polls the task once, unless the schedule in its token wants no poll yet."""
        from altcraft import AltcraftError

        with AltcraftHook(self.altcraft_conn_id) as client:
            try:
                task = client.tasks.resume(self.altcraft_task)
                if not task.step().done:
                    return PokeReturnValue(is_done=False)
                return PokeReturnValue(is_done=True, xcom_value=plain(task.result(timeout=0), task))
            except (AltcraftError, LookupError) as error:
                raise RefreshFailed(type(error).__name__, str(error)) from error
