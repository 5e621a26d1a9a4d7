"""Spans and metrics by OpenTelemetry's API. Needs the extra `otel`. Page: docs/how-to/opentelemetry.md.

`altcraft_plugins.otel.instrumentor` has the `AltcraftInstrumentor`, which needs opentelemetry-instrumentation, too.
"""

from altcraft_plugins.otel.plugin import OpenTelemetry

__all__ = ["OpenTelemetry"]
