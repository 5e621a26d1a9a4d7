"""What is used of opentelemetry-api. Its absence is one line that says what to install."""

from __future__ import annotations

try:
    from opentelemetry import context, metrics, propagate, trace

    # The key by which instrumentations of HTTP libraries leave a request alone; the API has no public name for it.
    from opentelemetry.context import _SUPPRESS_HTTP_INSTRUMENTATION_KEY as SUPPRESS_HTTP
except ImportError as error:
    from altcraft import MissingExtra

    raise MissingExtra(
        "altcraft_plugins.otel needs the package opentelemetry-api: pip install opentelemetry-api"
    ) from error

__all__ = ["SUPPRESS_HTTP", "context", "metrics", "propagate", "trace"]
