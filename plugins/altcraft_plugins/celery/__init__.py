"""Jobs for Celery: one submits, one follows, and no worker waits. Needs the extra `celery`.

Page: docs/how-to/celery.md.
"""

from altcraft_plugins.celery.errors import ShortVisibilityWarning, SubmissionInDoubt
from altcraft_plugins.celery.intents import Intent, Intents, IntentsInMemory, IntentsInRedis
from altcraft_plugins.celery.intents_in_sqlite import IntentsError, IntentsInSqlite
from altcraft_plugins.celery.jobs import Jobs, install
from altcraft_plugins.celery.settings import redis_settings

__all__ = [
    "Intent",
    "Intents",
    "IntentsError",
    "IntentsInMemory",
    "IntentsInRedis",
    "IntentsInSqlite",
    "Jobs",
    "ShortVisibilityWarning",
    "SubmissionInDoubt",
    "install",
    "redis_settings",
]
