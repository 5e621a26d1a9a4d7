"""The two jobs, `submit` and `follow`, and their registration."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any, cast

import msgspec

from altcraft import Client, TaskRequest, TaskStatus, rows
from altcraft_plugins.celery.api import (
    App,
    Ignore,
    call_at_shutdown,
    call_at_start,
    counted_down,
    has_ended,
    job_id,
    register_type,
    task_of,
)
from altcraft_plugins.celery.connections import Connections
from altcraft_plugins.celery.errors import SubmissionInDoubt
from altcraft_plugins.celery.feedback import BringsForward, Receiver
from altcraft_plugins.celery.intents import Intents

__all__ = ["Jobs", "install"]

_LONGEST_LOOK = 10.0
"""Seconds between two looks at a submission that another delivery of the job has begun, at most."""


class Jobs(msgspec.Struct, frozen=True):
    """The Celery tasks that `install` has registered.

    * `submit.s(operation, fields, connection="default", note="")` answers a resume token.
    * `follow.s(connection="default")` takes a resume token, and answers the result as plain data.
    """

    submit: Any
    follow: Any


def install(app: App, *, intents: Intents | None = None, lease: float = 60.0, receiver: Receiver | None = None) -> Jobs:
    """Registers the tasks `altcraft.submit` and `altcraft.follow` with a Celery application.

    `intents` is where submissions are noted; None stands for the application's Redis result backend, or, with another
    backend, for the memory of each process, which does not survive a killed worker.

    `lease` is how many seconds a submission may take, all its attempts included. A second delivery of its message waits
    so long for the resume token; after that the submission is in doubt.

    `receiver` is a FeedbackReceiver, in all processes with the same URL and secret. Its deliveries bring the next
    message of `follow` forward. ValueError, at the first job, for a result backend that stores no keys and values.
    """
    connections = Connections(app, intents)
    forward = BringsForward(app, receiver) if receiver is not None else None
    call_at_start(app, connections.warn_of_short_visibility)
    call_at_shutdown(connections.close)
    # An error crosses to another process as its arguments, in JSON; TaskFailed has the status for its argument.
    register_type(TaskStatus, "altcraft.TaskStatus", msgspec.to_builtins, _read_status)

    def submit(
        self: Any, operation: str, fields: Mapping[str, object], connection: str = "default", note: str = ""
    ) -> str:
        key = job_id(self)
        known = connections.intents().get(key)
        if known is not None and known.resume_token:
            return known.resume_token
        client = connections.client(connection)
        request = _request(client, operation, fields)
        try:
            task = client.submit(forward.asked(request) if forward else request, key=key, note=note)
        except SubmissionInDoubt as doubt:  # raised before anything is sent: another delivery has begun
            left = lease - (datetime.now(timezone.utc) - datetime.fromisoformat(doubt.submitted_at)).total_seconds()
            if left <= 0 or self.request.is_eager:
                raise
            again: dict[str, object] = {
                "operation": operation,
                "fields": fields,
                "connection": connection,
                "note": note,
            }
            raise counted_down(self, again, min(left, _LONGEST_LOOK)) from None
        if forward:
            forward.submitted(task)
        return task.resume_token

    def follow(self: Any, token: str, connection: str = "default", hinted: bool = False) -> object:
        if has_ended(self, app, hinted=hinted):  # a kill or a delivery has made two messages of one
            raise Ignore
        task = connections.client(connection).tasks.resume(token)
        if self.request.is_eager:  # Celery runs it within the call, and knows no countdown there
            task.result()
        if hinted:
            task.notify()
        elif forward and not self.request.retries:  # before the poll: a delivery may come at any time after it
            forward.waits(self, task.id, {"token": token, "connection": connection, "hinted": True})
        step = task.step()
        if not step.done:
            if hinted:  # the other message waits for its time
                raise Ignore
            raise counted_down(self, {"token": task.resume_token, "connection": connection}, cast("float", step.delay))
        return _plain(task.result(timeout=0), task.request)

    options = {"acks_late": True, "reject_on_worker_lost": True}
    return Jobs(
        submit=task_of(app, submit, "altcraft.submit", options),
        follow=task_of(app, follow, "altcraft.follow", options),
    )


def _request(client: Client, operation: str, fields: Mapping[str, object]) -> TaskRequest[object]:
    declared = client.operations.by_path(operation)
    if declared.status is None:
        raise LookupError(f"{operation!r} starts no task: there is nothing to follow")
    return cast("TaskRequest[object]", msgspec.convert(fields, declared.request))


def _plain(result: object, request: object) -> object:
    """Rows of statistics, one a channel; or another result as it is. Both as JSON's values."""
    try:
        told: object = rows(result, request if isinstance(request, TaskRequest) else None)
    except TypeError:
        told = result
    return msgspec.to_builtins(told)


def _read_status(status: dict[str, Any]) -> TaskStatus[object]:
    return msgspec.convert(status, TaskStatus[object])
