"""An Airflow connection as a client's settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import urlsplit

from altcraft import Polling

__all__ = ["AirflowConnection", "Settings", "settings_of"]

_NUMBERS = ("request_timeout", "polling_initial", "polling_maximum")


class AirflowConnection(Protocol):
    """What is read of an Airflow connection."""

    conn_id: str
    host: str | None
    schema: str | None
    port: int | None
    password: str | None

    @property
    def extra_dejson(self) -> dict[str, Any]:
        """The extra fields."""
        ...


@dataclass(frozen=True)
class Settings:
    """What a client is made of. Equal settings may share one client."""

    url: str
    token: str | None = field(default=None, repr=False)
    codec: str = "json"
    auth: str = "body"
    request_timeout: float | None = None
    polling_initial: float | None = None
    polling_maximum: float | None = None

    def keywords(self) -> dict[str, Any]:
        """The keyword arguments of a client, apart from its URL and its token."""
        polling = _given(initial=self.polling_initial, maximum=self.polling_maximum)
        limits = _given(request_timeout=self.request_timeout)
        return {"codec": self.codec, "auth": self.auth, "polling": Polling(**polling), **limits}


def settings_of(connection: AirflowConnection) -> Settings:
    """What a connection says. ValueError for a connection without a host, and for a field that is no number."""
    extra = connection.extra_dejson
    return Settings(
        _url(connection),
        connection.password or None,
        extra.get("codec") or "json",
        extra.get("auth") or "body",
        **{name: _number(connection.conn_id, extra, name) for name in _NUMBERS},
    )


def _url(connection: AirflowConnection) -> str:
    """The host, which may be a URL already. One without a scheme gets the connection's schema, or https."""
    host = (connection.host or "").strip()
    if not host:
        raise ValueError(f"the connection {connection.conn_id!r} has no host: give the URL, https://your.host")
    if host.startswith("sandbox:"):
        return host
    if "://" not in host:
        host = f"{connection.schema or 'https'}://{host}"
    parts = urlsplit(host)
    if connection.port and parts.port is None:
        host = parts._replace(netloc=f"{parts.netloc}:{connection.port}").geturl()
    return host


def _given(**values: Any) -> dict[str, Any]:
    """The values that are not None."""
    return {name: value for name, value in values.items() if value is not None}


def _number(name: str, extra: Mapping[str, Any], key: str) -> float | None:
    value = extra.get(key)
    if value is None or value == "":
        return None
    try:
        return float(value)
    except (TypeError, ValueError):
        raise ValueError(f"the connection {name!r} has {key}={value!r}, which is no number of seconds") from None
