"""What the first try of a task instance has begun, kept for its next try.

XCom does not serve for this: the worker deletes a task instance's XCom before each try. Airflow 3.3 has a store that
survives retries, and a clear as well. Older ones get a Variable, which is deleted when the task succeeds.
"""

from __future__ import annotations

from typing import Any

from airflow.sdk import Variable

__all__ = ["Begun"]

_KEY = "altcraft_task"


class Begun:
    """The resume token of a task instance, from one try to the next.

    A user's clear begins a new round, in which the task is submitted anew. Airflow counts clears in the DAG run, and
    moves `max_tries` with each; a retry leaves both as they are.
    """

    def __init__(self, context: Any) -> None:
        ti, run = context["ti"], context.get("dag_run")
        self._round = [ti.max_tries, getattr(run, "clear_number", 0) or 0]
        self._store = context.get("task_state_store")
        parts = (ti.dag_id, ti.run_id, ti.task_id, -1 if ti.map_index is None else ti.map_index)
        self._variable = ":".join(("altcraft", *map(str, parts)))

    def token(self) -> str | None:
        """The token that an earlier try of this round has kept."""
        if self._store is None:
            kept = Variable.get(self._variable, default=None, deserialize_json=True)
        else:
            kept = self._store.get(_KEY)
        return kept["token"] if isinstance(kept, dict) and kept.get("round") == self._round else None

    def keep(self, token: str) -> None:
        """Keeps the token for the next try."""
        kept = {"token": token, "round": self._round}
        if self._store is None:
            Variable.set(self._variable, kept, "a task of the Altcraft platform", serialize_json=True)
        else:
            self._store.set(_KEY, kept)

    def forget(self) -> None:
        """The next try submits anew."""
        if self._store is None:
            Variable.delete(self._variable)
        else:
            self._store.delete(_KEY)

    def succeeded(self) -> None:
        """Deletes a Variable. The store keeps its entry as long as Airflow is set to, for users who look it up."""
        if self._store is None:
            Variable.delete(self._variable)
