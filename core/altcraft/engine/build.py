"""URL, token, settings and plugins to a finished engine. Both clients are built here."""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from typing import Any, Generic, TypeVar

from msgspec import Struct

from altcraft.codecs import CodecRegistry, default_registry
from altcraft.engine.effects import Runner
from altcraft.engine.engine import Engine
from altcraft.engine.followed import Followed, Handle
from altcraft.errors import InsecureTransportWarning, warn
from altcraft.exchange import Exchange
from altcraft.hooks import Hooks
from altcraft.operations import OperationRegistry, default_operations
from altcraft.tasks.machine import Policies
from altcraft.tasks.polling import Polling
from altcraft.tasks.retry import Retry
from altcraft.wire.secret import Auth, Secret
from altcraft.wire.transport import TransportRegistry, TransportSettings
from altcraft.wire.url import api_base, sends_in_clear

__all__ = ["Built", "Kind", "build"]

_LONGEST_TIMEOUT = 1e8
"""Seconds. Sockets and locks refuse an endless time, such as `float("inf")`."""

TransportT = TypeVar("TransportT")
RunnerT = TypeVar("RunnerT", bound=Runner)


class Kind(Struct, Generic[TransportT, RunnerT], frozen=True):
    """What distinguishes the two clients: how a transport is made by name, what runs effects, what users hold."""

    create: Callable[[TransportRegistry, str, str, TransportSettings | None], TransportT]
    runner: Callable[[TransportT], RunnerT]
    handle: Callable[[Followed[Any]], Handle[Any]]


class Built(Struct, Generic[RunnerT], frozen=True):
    """The engine, its runner, and the registries that plugins have filled."""

    engine: Engine
    runner: RunnerT
    codecs: CodecRegistry
    operations: OperationRegistry


def build(
    kind: Kind[TransportT, RunnerT],
    url: str,
    token: Secret | None,
    codec: str,
    transport: str | TransportT,
    settings: TransportSettings | None,
    auth: Auth,
    polling: Polling | None,
    retry: Retry | None,
    request_timeout: float,
    plugins: Sequence[object],
    load_entry_points: bool,
) -> Built[RunnerT]:
    """A client's parts. ValueError, TypeError or LookupError for settings that make no sense."""
    if not request_timeout > 0:
        raise ValueError(f"request_timeout={request_timeout!r}: give seconds, more than 0")
    if settings is not None and not isinstance(transport, str):
        raise TypeError("settings= is for a transport given by name: pass them to your transport's own constructor")
    hooks = Hooks(plugins)
    if load_entry_points:
        hooks.load_entry_points()
    codecs, operations, transports = default_registry(), default_operations(), TransportRegistry()
    base, host = api_base(url)
    in_process = not url.lower().startswith(("http://", "https://"))
    name = host if in_process else transport if isinstance(transport, str) else None
    registries = {"codecs": codecs, "transports": transports, "operations": operations}
    hooks.fill(registries)
    _find_provider(hooks, registries, "transports", name, TransportRegistry)
    _find_provider(hooks, registries, "codecs", codec, default_registry)
    if in_process and name not in transports:
        raise ValueError(f"no plugin serves {host + ':'!r} URLs; an installation's begins with https://")
    if name is not None:
        token = token or Secret.of(transports.default_token(name))
    if token is not None and sends_in_clear(base):
        warn(InsecureTransportWarning(f"the token goes to {host} over http, for all to read: use https://"))
    exchange = Exchange(base, host, token, codecs.by_name(codec), codecs, auth)
    operations.check_with(exchange.check)
    if isinstance(transport, str):
        transport = kind.create(transports, name or transport, url, settings)
    runner = kind.runner(transport)
    policies = Policies(polling or Polling(), retry or Retry(), min(float(request_timeout), _LONGEST_TIMEOUT))
    return Built(Engine(exchange, hooks, policies, runner, kind.handle), runner, codecs, operations)


def _find_provider(
    hooks: Hooks, registries: dict[str, Any], kind: str, name: str | None, fresh: Callable[[], Container[object]]
) -> None:
    """Looks for an unknown codec or transport in the plugins that are installed and not loaded."""
    if name is None or name in registries[kind]:
        return
    provider = hooks.load_provider(kind, name, fresh)
    if provider is not None:
        provider.fill(registries)
    elif hooks.broken:
        broken = ", ".join(sorted(hooks.broken))
        error = next(iter(hooks.broken.values()))
        raise LookupError(f"{kind}: {name!r} is unknown, and these plugins can't be loaded: {broken}") from error
