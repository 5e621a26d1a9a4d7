"""Puts together what every client is made of, whichever way it does its I/O."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from altcraft.codecs import CodecRegistry, default_registry
from altcraft.exchange import Exchange
from altcraft.hooks import Hooks
from altcraft.operations import OperationRegistry, default_operations
from altcraft.wire.secret import Auth, Secret
from altcraft.wire.transport import TransportRegistry
from altcraft.wire.url import api_base

__all__ = ["Assembly", "assemble"]


class Assembly(Struct, frozen=True):
    """The parts of a client, and the name of the transport that fits its URL."""

    hooks: Hooks
    codecs: CodecRegistry
    operations: OperationRegistry
    transports: TransportRegistry
    exchange: Exchange
    transport: str


def assemble(
    url: str,
    token: Secret | None,
    codec: str,
    transport: str,
    auth: Auth,
    plugins: Sequence[object],
    load_entry_points: bool,
) -> Assembly:
    """The parts, with all plugins asked for theirs. ValueError or LookupError for settings that make no sense."""
    hooks = Hooks(plugins)
    if load_entry_points:
        hooks.load_entry_points()
    codecs, operations, transports = default_registry(), default_operations(), TransportRegistry()
    base, host = api_base(url)
    in_process = not url.lower().startswith(("http://", "https://"))
    name = host if in_process else transport
    registries = {"codecs": codecs, "transports": transports, "operations": operations}
    hooks.fill(registries)
    if name not in transports:  # the name of a plugin that was not asked for yet, perhaps
        hooks.fill(registries, only=hooks.load_entry_points(name))
    if in_process and name not in transports:
        raise ValueError(f"no plugin serves {name + ':'!r} URLs; an installation's begins with https://")
    token = token or Secret.of(transports.default_token(name))
    exchange = Exchange(base, host, token, codecs.by_name(codec), codecs, auth)
    return Assembly(hooks, codecs, operations, transports, exchange, name)
