"""The application of the workers in test_redis.py: `celery --app=shop worker`."""

from __future__ import annotations

import os
import time
from pathlib import Path

import celery

from altcraft import TaskHandle, hookimpl
from altcraft_plugins.celery import install, redis_settings

LONGEST = 3.0


class CountsPolls:
    """Writes the polls of each task that has ended to a file that the workers share."""

    @hookimpl
    def altcraft_task_completed(self, task: TaskHandle) -> None:
        with Path(os.environ["SHOP_POLLS"]).open("a") as file:
            file.write(f"{task.polls}\n")


app = celery.Celery("shop", broker=os.environ["SHOP_REDIS"], backend=os.environ["SHOP_REDIS"])
app.conf.update(redis_settings(longest_countdown=LONGEST))
app.conf.broker_connection_retry_on_startup = True
app.conf.altcraft = {
    "default": {
        "url": os.environ["SHOP_URL"],
        "token_env": "SHOP_TOKEN",
        "polling": {"initial": 0.5, "maximum": LONGEST},
        "plugins": [CountsPolls()],
    }
}
jobs = install(app)


@app.task(name="shop.report", acks_late=True, reject_on_worker_lost=True)
def report(told: list[object]) -> tuple[int, float]:
    """How many rows there are, and when they came."""
    return len(told), time.time()
