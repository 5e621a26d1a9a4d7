"""What a user does with an installation, from the first refresh to the last refusal."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from altcraft import (
    DatabaseStatistics,
    NotFound,
    Polling,
    ResourceStatistics,
    SegmentStatistics,
    TaskFailed,
    Unauthorized,
)
from altcraft.schema import SegmentsRefreshCounters
from integration.carriers import Session

__all__ = ["BRISK", "TOKEN", "Opener", "scenario"]

TOKEN = "abcdefghijklmnqrstuvwxyz"
BRISK = Polling(initial=0.01, maximum=0.05)

Opener = Callable[..., Any]
"""Opens a client. It takes `token` for one with another token than the sandbox's."""


def scenario(run: Session, opener: Opener) -> None:
    """Starts, follows, resumes and is refused tasks, with clients that `opener` opens. The sandbox is the platform."""
    with opener() as client:
        task = run.do(client.segments.refresh_counters(7, resource_id=24, db_id=1))
        assert not task.done()
        seen: list[Any] = []
        (segment,) = run.do(task.result(timeout=60, on_progress=lambda status: seen.append(status.progress)))
        assert isinstance(segment, SegmentStatistics)
        assert {channel.channel: channel.status.subscribed_sendable for channel in segment.channels}["email"] == 209
        assert seen[-1] == 100

        (database,) = run.do(run.do(client.databases.refresh_counters(5, resource_id=24)).result(timeout=60))
        assert isinstance(database, DatabaseStatistics)
        email = database.channels[0]
        assert email.channel == "email"
        assert (email.status.all, email.status.hardbounced, email.status.subscribed) == (1336, 411, 925)
        assert database.total_count == 1336
        assert database.counted_at is not None

        refreshing = run.do(client.resources.refresh_counters(24, list_id=5))
        (resource,) = run.do(refreshing.result(timeout=60))
        assert isinstance(resource, ResourceStatistics)
        assert (resource.list_id, resource.total_count) == (5, 1336)

        (email, *_) = run.do(client.segments.get_counters(7, resource_id=24, list_id=1))
        assert email.status.subscribed_sendable == 209
        (email, *_) = run.do(client.databases.get_counters(5, resource_id=24))
        assert (email.status.all, email.status.hardbounced, email.status.subscribed) == (1336, 411, 925)

        state = run.do(client.tasks.status(task.id))
        assert state.status == "completed"
        assert state.result == [segment]
        (statistics,) = run.do(client.tasks.resume(refreshing.id).result(timeout=60))
        assert statistics == resource

        many = run.do(client.submit_many([SegmentsRefreshCounters(7, 24, db_id=1) for _ in range(5)]))
        assert set(run.do(client.tasks.as_completed(many, timeout=60))) == set(many)
        assert all(run.do(each.result())[0].channels == segment.channels for each in many)

        failing = run.do(client.segments.refresh_counters(13, resource_id=24, db_id=1))
        with pytest.raises(TaskFailed, match=rf"segments/refresh_counters at .*, task {failing.id}"):
            run.do(failing.result(timeout=60))
        with pytest.raises(NotFound, match=r"databases/refresh_counters at .*: error 404"):
            run.do(client.databases.refresh_counters(6, resource_id=24))
        with pytest.raises(NotFound):
            run.do(client.tasks.status("no-such-task"))

        with opener() as another:
            resumed = another.tasks.resume(task.resume_token)
            assert run.do(resumed.result(timeout=60)) == [segment]
    with opener(token="not-the-one") as stranger, pytest.raises(Unauthorized) as caught:
        run.do(stranger.segments.get_counters(7, resource_id=24))
    assert "not-the-one" not in str(caught.value)
