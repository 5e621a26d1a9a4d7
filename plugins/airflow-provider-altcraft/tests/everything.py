"""A DAG of the tests: each operator, both ways of waiting, the sensor, and what is kept for a retry in a Variable."""

from __future__ import annotations

import json

from airflow.sdk import dag, get_current_context, task
from airflow_provider_altcraft.begun import Begun
from airflow_provider_altcraft.operators import (
    AltcraftRefreshDatabaseOperator,
    AltcraftRefreshResourceOperator,
    AltcraftRefreshSegmentOperator,
)
from airflow_provider_altcraft.sensors import AltcraftTaskSensor


@dag(schedule=None)
def everything():
    resource = AltcraftRefreshResourceOperator(task_id="resource", resource_id=24, list_id=1)
    database = AltcraftRefreshDatabaseOperator(task_id="database", database_id=5, resource_id=24, deferrable=False)
    submitted = AltcraftRefreshSegmentOperator(
        task_id="submitted", segment_id=7, resource_id=24, db_id=1, wait_for_completion=False
    )
    waited = AltcraftTaskSensor(task_id="waited", altcraft_task=submitted.output, timeout=120)

    @task
    def variable():
        """What an Airflow before 3.3 does, which has no store."""
        before = {name: value for name, value in get_current_context().items() if name != "task_state_store"}
        told = [Begun(before).token()]
        Begun(before).keep("a token")
        told.append(Begun(before).token())
        Begun(before).succeeded()
        told.append(Begun(before).token())
        return told

    @task
    def told(*results):
        print("RESULT " + json.dumps([list(rows) for rows in results]))

    told(resource.output, database.output, waited.output, variable())


everything()
