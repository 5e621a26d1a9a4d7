"""The operators: each recounts one thing, and returns the statistics as rows."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from datetime import timedelta
from threading import Thread
from typing import Any

from airflow.sdk import BaseOperator
from altcraft import AltcraftError, Client, TaskRequest
from altcraft.schema import DatabasesRefreshCounters, ResourcesRefreshCounters, SegmentsRefreshCounters

from airflow_provider_altcraft.begun import Begun
from airflow_provider_altcraft.hooks import AltcraftHook
from airflow_provider_altcraft.links import AltcraftLink
from airflow_provider_altcraft.outcomes import RefreshFailed, Rows, failure, success, taken
from airflow_provider_altcraft.triggers import AltcraftTaskTrigger

__all__ = ["AltcraftRefreshDatabaseOperator", "AltcraftRefreshResourceOperator", "AltcraftRefreshSegmentOperator"]

_OVER = {"TaskFailed", "NotFound", "BadResumeToken"}
"""The errors after which a task is of no use to the next try."""


class _RefreshOperator(BaseOperator):
    """Submits a recount, waits for it, and returns its rows.

    * `deferrable`: the triggerer waits. False has the worker wait.
    * `wait_timeout`: seconds, or a timedelta, for which one try waits; None waits without an end.
    * `wait_for_completion`: False returns the resume token at once, for `AltcraftTaskSensor`.

    The platform can't cancel a task: it counts on after a kill, a clear or a timeout. A retry follows the task that an
    earlier try has submitted; after a clear, the operator submits anew.
    """

    template_fields: Sequence[str] = ("altcraft_conn_id",)
    operator_extra_links = (AltcraftLink(),)
    ui_color = "#e8f4ea"

    def __init__(
        self,
        *,
        altcraft_conn_id: str = AltcraftHook.default_conn_name,
        deferrable: bool = True,
        wait_timeout: float | timedelta | None = None,
        wait_for_completion: bool = True,
        **keywords: Any,
    ) -> None:
        super().__init__(**keywords)
        self.altcraft_conn_id = altcraft_conn_id
        self.deferrable = deferrable
        self.wait_timeout = wait_timeout
        self.wait_for_completion = wait_for_completion
        self._hook: AltcraftHook | None = None

    @abstractmethod
    def request(self) -> TaskRequest[Any]:
        """What is submitted."""
        raise NotImplementedError

    def execute(self, context: Any) -> Rows | str:
        """Submits, or takes over what an earlier try has submitted; then waits, defers, or returns the token."""
        begun = Begun(context)
        hook = self._hook = AltcraftHook(self.altcraft_conn_id)
        with hook as client:
            token = begun.token()
            if token is None:
                task = client.submit(self.request())
                token = task.resume_token
                begun.keep(token)
                self.log.info("Submitted %s: task %s", task.operation, task.id)
            else:
                self.log.info("An earlier try has submitted the task %s", client.tasks.resume(token).id)
            if not self.wait_for_completion:
                return token
            if not self.deferrable:
                return self._ended(begun, self._waited(client, token))
        return self.defer(
            trigger=AltcraftTaskTrigger(token, self.altcraft_conn_id),
            method_name="execute_complete",
            timeout=_timedelta(self.wait_timeout),
        )

    def execute_complete(self, context: Any, event: dict[str, Any] | None = None) -> Rows:
        """Returns the rows that the trigger has brought. Raises RefreshFailed."""
        return self._ended(Begun(context), event)

    def on_kill(self) -> None:
        """Ends the worker's wait. The platform goes on counting, since it can't cancel a task."""
        if self._hook is not None:
            # In a thread: Airflow calls this from a signal's handler, which must not wait for the client's lock.
            Thread(target=self._hook.close, name="altcraft-kill", daemon=True).start()

    def _waited(self, client: Client, token: str) -> dict[str, Any]:
        limit = _timedelta(self.wait_timeout)
        try:
            task = client.tasks.resume(token)
            return success(task.result(None if limit is None else limit.total_seconds()), task)
        except (AltcraftError, LookupError) as error:
            return failure(error)

    def _ended(self, begun: Begun, event: dict[str, Any] | None) -> Rows:
        try:
            told: Rows = taken(event)
        except RefreshFailed as error:
            if error.kind in _OVER:
                begun.forget()
            raise
        begun.succeeded()
        return told


class AltcraftRefreshSegmentOperator(_RefreshOperator):
    """Recounts a segment. A dynamic one needs its database: `db_id`, or `list_id` as newer pages call it."""

    template_fields = ("altcraft_conn_id", "segment_id", "resource_id", "db_id", "list_id")

    def __init__(
        self,
        *,
        segment_id: int | str,
        resource_id: int | str,
        db_id: int | str | None = None,
        list_id: int | str | None = None,
        **keywords: Any,
    ) -> None:
        super().__init__(**keywords)
        self.segment_id = segment_id
        self.resource_id = resource_id
        self.db_id = db_id
        self.list_id = list_id

    def request(self) -> TaskRequest[Any]:
        """segments/refresh_counters."""
        return SegmentsRefreshCounters(
            int(self.segment_id), int(self.resource_id), _optional(self.db_id), _optional(self.list_id)
        )


class AltcraftRefreshDatabaseOperator(_RefreshOperator):
    """Recounts a database."""

    template_fields = ("altcraft_conn_id", "database_id", "resource_id")

    def __init__(self, *, database_id: int | str, resource_id: int | str, **keywords: Any) -> None:
        super().__init__(**keywords)
        self.database_id = database_id
        self.resource_id = resource_id

    def request(self) -> TaskRequest[Any]:
        """databases/refresh_counters."""
        return DatabasesRefreshCounters(int(self.database_id), int(self.resource_id))


class AltcraftRefreshResourceOperator(_RefreshOperator):
    """Recounts a resource, in the database `list_id`."""

    template_fields = ("altcraft_conn_id", "resource_id", "list_id")

    def __init__(self, *, resource_id: int | str, list_id: int | str | None = None, **keywords: Any) -> None:
        super().__init__(**keywords)
        self.resource_id = resource_id
        self.list_id = list_id

    def request(self) -> TaskRequest[Any]:
        """resources/refresh_counters."""
        return ResourcesRefreshCounters(int(self.resource_id), _optional(self.list_id))


def _optional(value: int | str | None) -> int | None:
    """A template that renders to nothing stands for an id that is not given."""
    return None if value is None or value in ("", "None") else int(value)


def _timedelta(seconds: float | timedelta | None) -> timedelta | None:
    return seconds if seconds is None or isinstance(seconds, timedelta) else timedelta(seconds=seconds)
