"""`AltcraftInstrumentor`: zero-code instrumentation reaches every client of a process."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from opentelemetry.instrumentation.instrumentor import BaseInstrumentor  # type: ignore[attr-defined]  # not seen by mypy

from altcraft.hooks import register_everywhere, unregister_everywhere
from altcraft_plugins.otel.plugin import OpenTelemetry

__all__ = ["AltcraftInstrumentor"]


class AltcraftInstrumentor(BaseInstrumentor):  # type: ignore[misc]  # likewise
    """Registers `OpenTelemetry` with every client: those that exist, and those that are made later.

    `instrument(tracer_provider=…, meter_provider=…)`; the global providers are the default. A client with an
    `OpenTelemetry` of its own keeps that one alone.
    """

    _plugin: OpenTelemetry | None = None

    def instrumentation_dependencies(self) -> Collection[str]:
        """What must be installed."""
        return ("altcraft-client",)

    def _instrument(self, **settings: Any) -> None:
        self._plugin = OpenTelemetry(settings.get("tracer_provider"), settings.get("meter_provider"))
        register_everywhere(self._plugin)

    def _uninstrument(self, **settings: Any) -> None:
        if self._plugin is not None:
            unregister_everywhere(self._plugin, missing_ok=True)
            self._plugin = None
