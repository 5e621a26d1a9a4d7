"""The clients of a worker's process: one a connection, made on first use, which is after the fork."""

from __future__ import annotations

import os
import threading
import warnings
from collections.abc import Mapping
from typing import Any, cast

from altcraft import Client, Polling, Retry
from altcraft_plugins.celery.api import App, redis_of
from altcraft_plugins.celery.errors import ShortVisibilityWarning
from altcraft_plugins.celery.intents import Intents, IntentsInMemory, IntentsInRedis, KeepsIntents

__all__ = ["Connections"]

_REDIS_VISIBILITY = 3600.0
"""Celery's visibility timeout for Redis, in seconds, where none is configured."""


class Connections:
    """Clients by the names in `app.conf.altcraft`, and the intents that they share."""

    def __init__(self, app: App, intents: Intents | None) -> None:
        self._app = app
        self._intents = intents
        self._lock = threading.Lock()
        self._process = os.getpid()
        self._clients: dict[str, Client] = {}

    def intents(self) -> Intents:
        """The given store, or one in the application's Redis, or one in this process's memory."""
        if self._intents is None:
            redis = redis_of(self._app)
            self._intents = IntentsInMemory() if redis is None else IntentsInRedis(redis)
        return self._intents

    def client(self, name: str) -> Client:
        """The client of a connection. LookupError for a name that the configuration does not have."""
        if self._process != os.getpid():  # the parent's clients stay the parent's
            self._lock, self._process, self._clients = threading.Lock(), os.getpid(), {}
        with self._lock:
            if name not in self._clients:
                self._clients[name] = self._made(name)
            return self._clients[name]

    def close(self, **_: object) -> None:
        """Closes the clients of this process."""
        if self._process == os.getpid():
            with self._lock:
                for client in self._clients.values():
                    client.close()
                self._clients.clear()

    def warn_of_short_visibility(self) -> None:
        """Warns of each connection whose polls may be further apart than Redis lets a message wait."""
        if not str(self._app.conf.broker_url or "").startswith(("redis", "rediss", "sentinel")):
            return
        visible = float((self._app.conf.broker_transport_options or {}).get("visibility_timeout", _REDIS_VISIBILITY))
        for name, settings in self._known().items():
            longest = max(_polling(settings).maximum, (settings.get("retry") or Retry()).maximum)
            if visible <= longest:
                warnings.warn(
                    f"the visibility timeout of {visible:g} s is not longer than the longest countdown of the "
                    f"connection {name!r}, {longest:g} s: Redis delivers waiting messages twice; "
                    f"use altcraft_plugins.celery.redis_settings({longest:g})",
                    ShortVisibilityWarning,
                    stacklevel=2,
                )

    def _known(self) -> Mapping[str, Mapping[str, Any]]:
        return cast("Mapping[str, Mapping[str, Any]]", self._app.conf.get("altcraft") or {})

    def _made(self, name: str) -> Client:
        known = self._known()
        if name not in known:
            raise LookupError(f"no connection {name!r} in app.conf.altcraft; there are: {', '.join(known) or 'none'}")
        settings = dict(known[name])
        variable = settings.pop("token_env", None)
        if variable is not None:
            if variable not in os.environ:
                raise LookupError(f"the connection {name!r} takes its token from {variable}, which is not set")
            settings["token"] = os.environ[variable]
        settings["polling"] = _polling(settings)
        settings["plugins"] = [*settings.get("plugins", ()), KeepsIntents(self.intents())]
        return Client(settings.pop("url"), settings.pop("token", None), **settings)


def _polling(settings: Mapping[str, Any]) -> Polling:
    given = settings.get("polling") or Polling()
    return Polling(**given) if isinstance(given, Mapping) else given
