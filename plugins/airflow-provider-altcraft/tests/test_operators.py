"""The operators and the sensor, without a database: their context is a fake one."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import DAG
from airflow.exceptions import TaskDeferred
from airflow_provider_altcraft import begun
from airflow_provider_altcraft.hooks import AltcraftHook
from airflow_provider_altcraft.links import AltcraftLink
from airflow_provider_altcraft.operators import (
    AltcraftRefreshDatabaseOperator,
    AltcraftRefreshResourceOperator,
    AltcraftRefreshSegmentOperator,
)
from airflow_provider_altcraft.outcomes import RefreshFailed
from airflow_provider_altcraft.sensors import AltcraftTaskSensor


class Store:
    """A task instance's store, as Airflow 3.3 has it."""

    def __init__(self) -> None:
        self.kept: dict[str, str] = {}

    def get(self, key: str, default: Any = None) -> Any:
        return json.loads(self.kept[key]) if key in self.kept else default

    def set(self, key: str, value: Any) -> None:
        self.kept[key] = json.dumps(value)

    def delete(self, key: str) -> None:
        self.kept.pop(key, None)


class Variables:
    """Airflow's Variables."""

    def __init__(self) -> None:
        self.kept: dict[str, str] = {}

    def get(self, key: str, default: Any, deserialize_json: bool) -> Any:
        assert deserialize_json
        return json.loads(self.kept[key]) if key in self.kept else default

    def set(self, key: str, value: Any, description: str, serialize_json: bool) -> None:
        assert serialize_json
        self.kept[key] = json.dumps(value)

    def delete(self, key: str) -> None:
        self.kept.pop(key, None)


@pytest.fixture(params=["store", "variables"])
def kept(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Store | None:
    """Where tries of a task instance find what earlier ones have begun: Airflow 3.3's store, or Variables before it."""
    monkeypatch.setattr(begun, "Variable", Variables())
    return Store() if request.param == "store" else None


def context(store: Store | None, max_tries: int = 2, clears: int = 0, map_index: int = -1) -> dict[str, Any]:
    ti = SimpleNamespace(dag_id="dag", run_id="run", task_id="recount", map_index=map_index, max_tries=max_tries)
    told = {"ti": ti, "dag_run": SimpleNamespace(clear_number=clears)}
    return told if store is None else {**told, "task_state_store": store}


def segment(segment_id: int = 7, **settings: Any) -> AltcraftRefreshSegmentOperator:
    return AltcraftRefreshSegmentOperator(task_id="recount", segment_id=segment_id, resource_id=24, db_id=1, **settings)


def deferred(operator: Any, in_context: dict[str, Any]) -> TaskDeferred:
    with pytest.raises(TaskDeferred) as caught:
        operator.execute(in_context)
    return caught.value


def triggered(deferral: TaskDeferred) -> dict[str, Any]:
    async def first() -> dict[str, Any]:
        (event,) = [event async for event in deferral.trigger.run()]
        return event.payload

    return json.loads(json.dumps(asyncio.run(first())))


def carried_out(operator: Any, store: Store | None) -> Any:
    """What the operator returns, after its trigger if it defers."""
    if not operator.deferrable:
        return operator.execute(context(store))
    deferral = deferred(operator, context(store))
    return getattr(operator, deferral.method_name)(context(store), triggered(deferral))


@pytest.mark.parametrize(
    ("made", "counted"),
    [
        (segment, {"segment_id": 7}),
        (
            lambda: AltcraftRefreshDatabaseOperator(task_id="recount", database_id=5, resource_id=24),
            {"database_id": 5},
        ),
        (
            lambda: AltcraftRefreshResourceOperator(task_id="recount", resource_id=24, list_id=1),
            {"resource_id": 24},
        ),
    ],
)
@pytest.mark.parametrize("deferrable", [True, False])
def test_an_operator_recounts_and_returns_rows(platform, kept, made, counted, deferrable):
    operator = made()
    operator.deferrable = deferrable
    rows = carried_out(operator, kept)
    assert json.loads(json.dumps(rows)) == rows
    assert all(counted.items() <= row.items() for row in rows)
    assert platform.submitted == 1


def test_a_retry_follows_the_task_that_the_first_try_submitted(platform, kept):
    first = deferred(segment(), context(kept))
    again = deferred(segment(), context(kept))
    assert again.trigger.serialize() == first.trigger.serialize()
    assert platform.submitted == 1


def test_mapped_task_instances_keep_their_tasks_apart(platform, monkeypatch):
    monkeypatch.setattr(begun, "Variable", Variables())
    tokens = {deferred(segment(), context(None, map_index=index)).trigger.task_token for index in (0, 1, 0)}
    assert len(tokens) == platform.submitted == 2


@pytest.mark.parametrize("after", [{"max_tries": 3}, {"clears": 1}])
def test_a_clear_submits_anew(platform, kept, after):
    first = deferred(segment(), context(kept))
    again = deferred(segment(), context(kept, **after))
    assert again.trigger.serialize() != first.trigger.serialize()
    assert platform.submitted == 2


@pytest.mark.parametrize("deferrable", [True, False])
def test_a_retry_after_a_failed_task_submits_anew(platform, kept, deferrable):
    for tries in (1, 2):
        operator = segment(13, deferrable=deferrable)
        with pytest.raises(RefreshFailed, match="TaskFailed: segments/refresh_counters") as caught:
            carried_out(operator, kept)
        assert caught.value.kind == "TaskFailed"
        assert platform.submitted == tries


def test_a_retry_after_a_timeout_goes_on_with_the_same_task(serve, kept):
    platform = serve(pace=600)
    for _ in range(2):
        with pytest.raises(RefreshFailed, match="WaitTimeout"):
            segment(deferrable=False, wait_timeout=0.05).execute(context(kept))
    assert platform.submitted == 1


def test_a_succeeded_task_leaves_no_variable_behind(platform, monkeypatch):
    variables = Variables()
    monkeypatch.setattr(begun, "Variable", variables)
    segment(deferrable=False).execute(context(None))
    assert platform.submitted == 1
    assert variables.kept == {}


def test_the_deferral_has_the_operators_timeout(platform, kept):
    assert deferred(segment(wait_timeout=90), context(kept)).timeout == timedelta(seconds=90)
    assert deferred(segment(wait_timeout=timedelta(hours=1)), context(kept)).timeout == timedelta(hours=1)
    assert deferred(segment(), context(kept)).timeout is None


def test_without_waiting_the_operator_returns_a_token_for_the_sensor(platform, kept):
    token = segment(wait_for_completion=False).execute(context(kept))
    sensor = AltcraftTaskSensor(task_id="wait", altcraft_task=token)
    deferral = deferred(sensor, context(kept))
    assert sensor.execute_complete(context(kept), triggered(deferral))[0]["segment_id"] == 7
    poked = AltcraftTaskSensor(task_id="wait", altcraft_task=token, deferrable=False).execute(context(kept))
    assert poked[0]["segment_id"] == 7
    assert platform.submitted == 1


def test_a_sensor_that_pokes_waits_for_a_bare_id(serve, kept):
    serve(pace=0.3)
    with AltcraftHook() as client:
        task_id = client.databases.refresh_counters(5, resource_id=24).id
    sensor = AltcraftTaskSensor(task_id="wait", altcraft_task=task_id, deferrable=False, poke_interval=0.1, timeout=60)
    assert sensor.execute(context(kept))[0]["channel"] == "email"


@pytest.mark.parametrize("deferrable", [True, False])
def test_a_sensor_of_a_failed_task_fails(platform, kept, deferrable):
    with AltcraftHook() as client:
        token = client.segments.refresh_counters(13, resource_id=24, db_id=1).resume_token
    sensor = AltcraftTaskSensor(task_id="wait", altcraft_task=token, deferrable=deferrable, poke_interval=0.05)
    with pytest.raises(RefreshFailed, match="TaskFailed"):
        carried_out(sensor, kept)


def test_a_kill_ends_the_workers_wait(serve, kept):
    platform = serve(pace=600)
    operator = segment(deferrable=False)

    def killed_after_a_poll() -> None:
        while not platform.requests["tasks/status"]:
            time.sleep(0.01)
        operator.on_kill()

    killer = threading.Thread(target=killed_after_a_poll)
    killer.start()
    with pytest.raises(RefreshFailed, match="ClientClosed"):
        operator.execute(context(kept))
    killer.join()
    assert platform.submitted == 1


def test_a_kill_before_anything_has_begun_is_harmless():
    segment().on_kill()


def test_the_ids_are_templates():
    with DAG("templated"):
        operator = segment(segment_id="{{ params.segment }}", list_id="{{ params.list }}")
    operator.db_id = None
    operator.render_template_fields({"params": {"segment": 7, "list": None}})
    request = operator.request()
    assert (request.id, request.resource_id, request.db_id, request.list_id) == (7, 24, None, None)
    assert "password" not in operator.template_fields
    assert "altcraft_conn_id" in operator.template_fields


def test_an_operator_can_be_mapped():
    with DAG("mapped"):
        mapped = AltcraftRefreshSegmentOperator.partial(task_id="recount", resource_id=24).expand(segment_id=[7, 11])
    assert mapped.template_fields == AltcraftRefreshSegmentOperator.template_fields


@pytest.mark.parametrize(
    ("host", "link"),
    [
        ("https://your.host/api/v1.1", "https://your.host/"),
        ("your.host", "https://your.host/"),
        ("https://me:secret@your.host:8443", "https://your.host:8443/"),
        ("sandbox:", ""),
    ],
)
def test_the_link_leads_to_the_installation_without_credentials(monkeypatch, host, link):
    monkeypatch.setenv("AIRFLOW_CONN_ALTCRAFT_DEFAULT", json.dumps({"conn_type": "altcraft", "host": host}))
    assert AltcraftLink().get_link(segment(), ti_key=None) == link


def test_the_token_is_in_nothing_that_airflow_keeps(platform, kept):
    operator = segment()
    deferral = deferred(operator, context(kept))
    rendered = {name: getattr(operator, name) for name in operator.template_fields}
    stored = None if kept is None else kept.kept
    assert "s3cr3t" not in repr([rendered, deferral.trigger.serialize(), deferral.kwargs, stored, triggered(deferral)])


@pytest.mark.parametrize("event", [None, {}])
def test_a_trigger_that_ends_without_an_event_fails_the_task(kept, event):
    with pytest.raises(RefreshFailed, match="without an event"):
        segment().execute_complete(context(kept), event)
