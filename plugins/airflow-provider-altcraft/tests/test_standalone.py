"""`airflow standalone`: the triggerer is killed with -9 between two polls, a first try fails, and a user clears."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from airflow_home import AirflowHome
from altcraft.testing import FakeClock
from served import TOKEN, Platform
from standalone import SETTINGS, free_port, standalone, wait_for

HERE = Path(__file__).parent
PACE = 600.0
"""Seconds that a recount takes, on a clock that only the test moves."""


@pytest.mark.standalone
def test_kills_retries_and_clears_submit_as_often_as_they_must(serve: Callable[..., Platform], tmp_path: Path) -> None:
    clock, port = FakeClock(), free_port()
    platform = serve(pace=PACE, clock=clock)
    home = AirflowHome(
        tmp_path / "home",
        AIRFLOW__API__PORT=str(port),
        AIRFLOW__API__BASE_URL=f"http://127.0.0.1:{port}",
        AIRFLOW__CORE__EXECUTION_API_SERVER_URL=f"http://127.0.0.1:{port}/execution/",
        AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT=str(free_port()),
        AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT=str(free_port()),
        AIRFLOW_CONN_ALTCRAFT_DEFAULT=platform.connection(polling_maximum=2),
        **SETTINGS,
    )
    (home.folder / "dags" / "page_0.py").unlink()  # the scheduler would run it for its day, amid the counting
    home.add("interrupted.py", (HERE / "interrupted.py").read_text("utf-8"))
    began = time.monotonic()

    def polls() -> int:
        return platform.requests["tasks/status"]

    with standalone(home, port) as airflow:
        wait_for(lambda: all(map(airflow.knows, ("killed", "retried", "elsewhere"))), "the DAGs are known")
        print(f"ready after {time.monotonic() - began:.0f} s")

        # The triggerer is killed between two polls.
        run = airflow.run("killed")
        wait_for(lambda: polls() >= 2, "the triggerer polls")
        airflow.kill_the_triggerer()
        before, killed = polls(), time.monotonic()
        assert airflow.instance("killed", run)["state"] == "deferred"
        airflow.start_a_triggerer()
        wait_for(lambda: polls() > before, "another triggerer polls")
        print(f"taken over {time.monotonic() - killed:.1f} s after the kill")
        assert platform.submitted == 1
        clock.advance(PACE)
        wait_for(lambda: airflow.state("killed", run) == "success", "the run ends")
        assert airflow.instance("killed", run)["try_number"] == 1
        assert platform.submitted == 1
        print(f"killed: {platform.submitted} submission, {polls()} polls")

        # The second try follows the task of the first.
        retried = airflow.run("retried")
        wait_for(lambda: platform.submitted == 2, "the first try submits")
        clock.advance(PACE)
        wait_for(lambda: airflow.state("retried", retried) == "success", "the second try ends")
        assert airflow.instance("retried", retried)["try_number"] == 2
        assert platform.submitted == 2
        print("retried: 1 submission, 2 tries")

        # A clear submits anew.
        airflow.clear("killed", run)
        wait_for(lambda: platform.submitted == 3, "the cleared task instance submits")
        clock.advance(PACE)
        wait_for(lambda: airflow.state("killed", run) == "success", "the cleared run ends")
        print("cleared: 1 more submission")

        # The page's second DAG: a submission by the hook, and the sensor.
        elsewhere = airflow.run("elsewhere")
        wait_for(lambda: platform.submitted == 4, "the hook submits")
        clock.advance(PACE)
        wait_for(lambda: airflow.state("elsewhere", elsewhere) == "success", "the sensor ends")
    assert platform.submitted == 4
    assert not home.keeps(TOKEN)
    print(f"all: {time.monotonic() - began:.0f} s")
