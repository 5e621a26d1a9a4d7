"""The application of the workers in test_redis.py: `celery --app=shop worker`."""

from __future__ import annotations

import os
import time
from pathlib import Path

import celery

from altcraft import HttpResponse, TaskHandle, hookimpl
from altcraft.hooks import ObservedExchange
from altcraft_plugins.celery import install, redis_settings
from altcraft_plugins.feedback import FeedbackReceiver

LONGEST = float(os.environ["SHOP_LONGEST"])
LEASE = 2.0
SECRET = "the same in all processes"


class CountsPolls:
    """Writes id, polls and time of each task that has ended to a file that the workers share."""

    @hookimpl
    def altcraft_task_completed(self, task: TaskHandle) -> None:
        with Path(os.environ["SHOP_POLLS"]).open("a") as file:
            file.write(f"{task.id} {task.polls} {time.time()}\n")


class PausesAfterAnswers:
    """While the gate is there: stops a process when a submission is answered, and says which process it is."""

    @hookimpl
    def altcraft_exchange_finished(self, exchange: ObservedExchange, response: HttpResponse | None) -> None:
        gate = Path(os.environ["SHOP_GATE"])
        if gate.exists() and response is not None and exchange.operation.endswith("refresh_counters"):
            gate.rename(gate.with_name(f"{gate.name}-{os.getpid()}"))
            time.sleep(3600)


app = celery.Celery("shop", broker=os.environ["SHOP_REDIS"], backend=os.environ["SHOP_REDIS"])
app.conf.update(redis_settings(longest_countdown=LONGEST))
app.conf.broker_connection_retry_on_startup = True
app.conf.altcraft = {
    "default": {
        "url": os.environ["SHOP_URL"],
        "token_env": "SHOP_TOKEN",
        "polling": {"initial": 0.5, "maximum": LONGEST},
        "plugins": [CountsPolls(), PausesAfterAnswers()],
    },
    "never": {
        "url": os.environ["SHOP_URL"],
        "token_env": "SHOP_TOKEN",
        "polling": {"initial": 600.0, "maximum": 600.0, "jitter": False, "predict": False},
    },
}
url = os.environ.get("SHOP_FEEDBACK")
jobs = install(app, lease=LEASE, receiver=FeedbackReceiver(url, secret=SECRET) if url else None)


@app.task(name="shop.report", acks_late=True, reject_on_worker_lost=True)
def report(told: list[object]) -> tuple[int, float]:
    """How many rows there are, and when they came."""
    return len(told), time.time()
