"""Settings for workers on Redis."""

from __future__ import annotations

__all__ = ["redis_settings"]


def redis_settings(longest_countdown: float = 30.0) -> dict[str, object]:
    """What `app.conf.update` needs so that a killed worker's messages come back soon.

    `longest_countdown` is the longest time between two polls, in seconds: `Polling.maximum`, or `Retry.maximum` where
    that is longer. A message that waits counts as lost after the visibility timeout, which must be longer.

    The settings hold for all jobs of the application. Redis delivers a job twice that waits for longer than the
    visibility timeout, or that is acknowledged late and runs for longer: give the longest of their times.
    """
    return {
        "broker_transport_options": {
            "visibility_timeout": longest_countdown + 15.0,
            # Seconds between two searches for lost messages; without the throttle, only each tenth is made. kombu 5.7
            "unacked_restore_interval": 5,
            "unacked_restore_throttle": 1,
            # A worker that is killed within a search keeps the others from searching for so many seconds.
            "unacked_mutex_expire": 15,
        },
        "worker_prefetch_multiplier": 1,
    }
