"""DAGs that run by `airflow dags test`, against a served sandbox: in one process, the triggers inline."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from airflow_home import AirflowHome
from served import TOKEN, Platform

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> AirflowHome:
    home = AirflowHome(tmp_path_factory.mktemp("airflow") / "home")
    home.add("everything.py", (HERE / "everything.py").read_text("utf-8"))
    home.run("db", "migrate")
    return home


@pytest.fixture
def platform_of(migrated: AirflowHome, serve: Callable[..., Platform]) -> Platform:
    platform = serve(pace=0.5)
    migrated.environment["AIRFLOW_CONN_ALTCRAFT_DEFAULT"] = platform.connection()
    return platform


def test_the_dag_of_the_page_reports_what_was_counted(migrated: AirflowHome, platform_of: Platform) -> None:
    said = migrated.run("dags", "test", "recounts")
    counted = set(re.findall(r"counted (\w+) (\w+) (\w+) \d{4}-", said))
    assert {(segment, database) for segment, database, _ in counted} == {("7", "None"), ("11", "None"), ("None", "5")}
    assert platform_of.submitted == 3
    assert TOKEN not in said
    assert not migrated.keeps(TOKEN)


def test_every_operator_returns_rows_and_a_variable_survives_where_there_is_no_store(
    migrated: AirflowHome, platform_of: Platform
) -> None:
    said = migrated.run("dags", "test", "everything")
    (line,) = re.findall(r"RESULT (\[.*\])", said)
    resource, database, waited, variable = json.loads(line)
    assert {row["resource_id"] for row in resource} == {24}
    assert {row["database_id"] for row in database} == {5}
    assert {row["segment_id"] for row in waited} == {7}
    assert variable == [None, "a token", None]
    assert platform_of.submitted == 3
    assert TOKEN not in said
    assert not migrated.keeps(TOKEN)
