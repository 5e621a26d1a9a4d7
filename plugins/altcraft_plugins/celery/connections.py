"""The clients of a worker's process: one a connection, made on first use, which is after the fork."""

from __future__ import annotations

import os
import threading
import warnings
from collections.abc import Mapping
from typing import Any, cast

from altcraft import Client, Polling
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

    def _made(self, name: str) -> Client:
        known = cast("Mapping[str, Mapping[str, Any]]", self._app.conf.get("altcraft") or {})
        if name not in known:
            raise LookupError(f"no connection {name!r} in app.conf.altcraft; there are: {', '.join(known) or 'none'}")
        settings = dict(known[name])
        variable = settings.pop("token_env", None)
        if variable is not None:
            if variable not in os.environ:
                raise LookupError(f"the connection {name!r} takes its token from {variable}, which is not set")
            settings["token"] = os.environ[variable]
        if isinstance(settings.get("polling"), Mapping):
            settings["polling"] = Polling(**settings["polling"])
        settings["plugins"] = [*settings.get("plugins", ()), KeepsIntents(self.intents())]
        client = Client(settings.pop("url"), settings.pop("token", None), **settings)
        self._warn_of_short_visibility(client)
        return client

    def _warn_of_short_visibility(self, client: Client) -> None:
        if not str(self._app.conf.broker_url or "").startswith(("redis", "rediss", "sentinel")):
            return
        longest = max(client.polling.maximum, client.retry.maximum)
        visible = float((self._app.conf.broker_transport_options or {}).get("visibility_timeout", _REDIS_VISIBILITY))
        if visible <= longest:
            warnings.warn(
                f"the visibility timeout of {visible:g} s is not longer than the longest countdown, {longest:g} s: "
                f"Redis delivers waiting messages twice; use altcraft_plugins.celery.redis_settings({longest:g})",
                ShortVisibilityWarning,
                stacklevel=2,
            )
