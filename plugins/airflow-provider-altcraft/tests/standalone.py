"""The whole of Airflow, by `airflow standalone`, and its REST API."""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import psutil
from airflow_home import AirflowHome


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def wait_for(condition: Callable[[], Any], what: str, seconds: float = 600) -> Any:
    """The first true value of a condition. The seconds are many, for a busy machine: they end a test that hangs."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.1)
    return value


SETTINGS = {
    "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
    "AIRFLOW__TRIGGERER__JOB_HEARTBEAT_SEC": "1",
    "AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "8",  # after this many seconds another one takes over
    "AIRFLOW__API__WORKERS": "1",
    "AIRFLOW__API__HOST": "127.0.0.1",
}


class Standalone:
    """A running Airflow."""

    def __init__(self, home: AirflowHome, port: int) -> None:
        self.home = home
        self._url = f"http://127.0.0.1:{port}"
        self._log = (home.folder / "standalone.log").open("wb")
        self._processes = [self._start("standalone")]
        self._token = ""

    def _start(self, command: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            ["airflow", command],
            env=self.home.environment,
            stdout=self._log,
            stderr=self._log,
            start_new_session=True,
        )

    def ask(self, path: str, body: dict[str, Any] | None = None) -> Any:
        """The reply of the REST API."""
        request = urllib.request.Request(self._url + path, headers={"Content-Type": "application/json"})
        if self._token:
            request.add_header("Authorization", f"Bearer {self._token}")
        if body is not None:
            request.data = json.dumps(body).encode()
        with urllib.request.urlopen(request, timeout=60) as reply:
            return json.load(reply)

    def is_ready(self) -> bool:
        assert self._processes[0].poll() is None, self.last_lines()
        try:
            health = self.ask("/api/v2/monitor/health")
        except OSError:
            return False
        return all(health[part]["status"] == "healthy" for part in ("scheduler", "triggerer", "dag_processor"))

    def log_in(self) -> None:
        self._token = self.ask("/auth/token")["access_token"]

    def knows(self, dag_id: str) -> bool:
        try:
            return not self.ask(f"/api/v2/dags/{dag_id}")["is_paused"]
        except urllib.error.HTTPError:
            return False

    def run(self, dag_id: str) -> str:
        """Begins a run of a DAG, and tells its id."""
        run_id: str = self.ask(f"/api/v2/dags/{dag_id}/dagRuns", {"logical_date": None})["dag_run_id"]
        return run_id

    def state(self, dag_id: str, run_id: str) -> str | None:
        state: str | None = self.ask(f"/api/v2/dags/{dag_id}/dagRuns/{run_id}")["state"]
        return state

    def instance(self, dag_id: str, run_id: str) -> dict[str, Any]:
        """The run's task instance of the task `recount`."""
        found: dict[str, Any] = self.ask(f"/api/v2/dags/{dag_id}/dagRuns/{run_id}/taskInstances/recount")
        return found

    def clear(self, dag_id: str, run_id: str) -> None:
        body = {"dry_run": False, "dag_run_id": run_id, "task_ids": ["recount"], "only_failed": False}
        self.ask(f"/api/v2/dags/{dag_id}/clearTaskInstances", body)

    def triggerers(self) -> list[psutil.Process]:
        """The processes of the triggerer, each with its children."""
        found: list[psutil.Process] = []
        for process in psutil.Process(self._processes[0].pid).children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):
                if "triggerer" in " ".join(process.cmdline()):
                    found += [process, *process.children(recursive=True)]
        return found

    def kill_the_triggerer(self) -> None:
        """Kills it with -9."""
        killed = self.triggerers()
        assert killed
        for process in killed:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGKILL)
        psutil.wait_procs(killed, timeout=30)
        assert not self.triggerers()

    def start_a_triggerer(self) -> None:
        self._processes.append(self._start("triggerer"))

    def last_lines(self) -> str:
        return (self.home.folder / "standalone.log").read_text("utf-8", "replace")[-6000:]

    def close(self) -> None:
        """Ends all processes."""
        for leader in self._processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                family = [*psutil.Process(leader.pid).children(recursive=True), psutil.Process(leader.pid)]
                for process in family:
                    with contextlib.suppress(psutil.NoSuchProcess):
                        process.kill()
                psutil.wait_procs(family, timeout=30)
            leader.wait()
        self._log.close()


@contextlib.contextmanager
def standalone(home: AirflowHome, port: int) -> Iterator[Standalone]:
    """An Airflow that is ready."""
    airflow = Standalone(home, port)
    try:
        wait_for(airflow.is_ready, "Airflow is ready")
        airflow.log_in()
        yield airflow
    except BaseException:
        print(airflow.last_lines())
        raise
    finally:
        airflow.close()
