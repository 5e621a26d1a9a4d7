"""The plugin: `Client("sandbox:")` runs the sandbox in the client's own process."""

from __future__ import annotations

import msgspec

from altcraft import Transport, hookimpl
from altcraft.wire.transport import TransportRegistry
from altcraft_plugins.sandbox.app import Sandbox
from altcraft_plugins.sandbox.settings import DEFAULT_TOKENS, parse_url

__all__ = ["altcraft_register_transports"]


@hookimpl
def altcraft_register_transports(registry: TransportRegistry) -> None:
    """Serve `sandbox:` URLs; what may follow the colon is in docs/sandbox.md."""

    def create(url: str) -> Transport:
        settings = parse_url(url)
        app = Sandbox(**msgspec.structs.asdict(settings))
        # The transport closes the app when the client closes the transport.
        return registry.create("wsgi", url, app=app)

    registry.register("sandbox", create, default_token=DEFAULT_TOKENS[0])
