"""The plugin: `Client("sandbox:")` runs a sandbox in the client's own process."""

from __future__ import annotations

import msgspec

from altcraft import Transport, hookimpl
from altcraft.wire.transport import TransportRegistry
from altcraft_plugins.sandbox.app import Sandbox
from altcraft_plugins.sandbox.settings import DEFAULT_TOKENS, parse_url

__all__ = ["altcraft_register_transports"]


@hookimpl
def altcraft_register_transports(registry: TransportRegistry) -> None:
    """Registers the transport of `sandbox:` URLs. Page, with the settings of such a URL: docs/reference/sandbox.md."""

    def create(url: str) -> Transport:
        settings = parse_url(url)
        if DEFAULT_TOKENS[0] in settings.tokens:  # the client without a token sends the other public one
            settings = msgspec.structs.replace(settings, tokens=(*settings.tokens, DEFAULT_TOKENS[1]))
        app = Sandbox(**msgspec.structs.asdict(settings))
        # The client closes the transport, and the transport closes the app.
        return registry.create("wsgi", url, app=app)

    # Not the first one: the client masks its token in every text, and the word "sandbox" is the host in its errors.
    registry.register("sandbox", create, default_token=DEFAULT_TOKENS[1])
