"""How a task ended, as JSON's values: what travels from the triggerer to a worker, and to XCom."""

from __future__ import annotations

from typing import Any

import msgspec
from altcraft import rows

from airflow.exceptions import AirflowException  # type: ignore[attr-defined]  # it comes from another module

__all__ = ["RefreshFailed", "Rows", "failure", "plain", "success", "taken"]

Rows = list[dict[str, Any]]


class RefreshFailed(AirflowException):
    """The platform's task failed, or can't be followed. `kind` is the name of the library's error class."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(f"{kind}: {message}")
        self.kind = kind


def plain(result: object, task: Any) -> Rows | Any:
    """Rows of statistics, one a channel; a result that is no statistics as it is. Both as JSON's values."""
    try:
        told: object = rows(result, task)
    except TypeError:
        told = result
    return msgspec.to_builtins(told)


def success(result: object, task: Any) -> dict[str, Any]:
    """The payload of a task that is done."""
    return {"rows": plain(result, task)}


def failure(error: Exception) -> dict[str, Any]:
    """The payload of a task that failed, or that can't be followed."""
    return {"error": type(error).__name__, "message": str(error)}


def taken(event: dict[str, Any] | None) -> Rows | Any:
    """The rows of a payload. Raises RefreshFailed for a failure."""
    if event is None or "rows" not in event:
        told = event or {"error": "TriggerFailed", "message": "the trigger ended without an event"}
        raise RefreshFailed(told["error"], told["message"])
    return event["rows"]
