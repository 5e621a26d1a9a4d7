"""DAGs of the tests for a whole Airflow: one for the kill of the triggerer, and one whose first try fails."""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG
from airflow_provider_altcraft.operators import AltcraftRefreshDatabaseOperator


class FailsOnce(AltcraftRefreshDatabaseOperator):
    """An operator whose first try fails after the platform's task has ended."""

    def execute_complete(self, context, event=None):
        if context["ti"].try_number == 1:
            raise RuntimeError("the first try fails")
        return super().execute_complete(context, event)


with DAG("killed", schedule=None):
    AltcraftRefreshDatabaseOperator(task_id="recount", database_id=5, resource_id=24)

with DAG("retried", schedule=None):
    FailsOnce(task_id="recount", database_id=5, resource_id=24, retries=1, retry_delay=timedelta(seconds=1))
