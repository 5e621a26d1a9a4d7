"""The subjects: what makes one exchange, with and without observers."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from altcraft import Client, HttpRequest, HttpResponse, hookimpl
from altcraft.testing import reply

BODY = b'{"token":"t","format":"json","task_id":"t-1"}'


class Canned:
    """A transport that always has the same answer."""

    def __init__(self) -> None:
        self._reply = reply({"status": "running", "progress": 40})

    def send(self, request: HttpRequest, *, timeout: float) -> HttpResponse:
        return self._reply

    def sleep(self, seconds: float) -> None: ...

    def close(self) -> None: ...


class Bare:
    """A plugin that does nothing."""

    @hookimpl
    def altcraft_exchange_started(self) -> None: ...

    @hookimpl
    def altcraft_exchange_finished(self) -> None: ...


def polls(*plugins: object) -> Callable[[], object]:
    client = Client("https://altcraft.example", "token", transport=Canned(), plugins=plugins)
    return client.tasks.resume("t-1").poll


def logs(level: int) -> object:
    from altcraft_plugins.logs import Logs

    logger = logging.getLogger("altcraft")
    logger.setLevel(level)
    logger.propagate = False
    logger.addHandler(logging.NullHandler())
    return Logs()


def providers() -> dict[str, Any]:
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader
    from opentelemetry.sdk.trace import SynchronousMultiSpanProcessor, TracerProvider

    tracers = TracerProvider(active_span_processor=SynchronousMultiSpanProcessor())
    return {"tracer_provider": tracers, "meter_provider": MeterProvider([InMemoryMetricReader()])}


def otel(**given: Any) -> object:
    from altcraft_plugins.otel import OpenTelemetry

    return OpenTelemetry(**given)


def over_urllib3(port: str) -> Callable[[], object]:
    import urllib3

    pool = urllib3.PoolManager()
    return lambda: pool.request("POST", f"http://127.0.0.1:{port}/api/v1.1/tasks/status", body=BODY)


def over_requests(port: str) -> Callable[[], object]:
    import requests

    session = requests.Session()
    session.trust_env = False
    return lambda: session.post(f"http://127.0.0.1:{port}/api/v1.1/tasks/status", data=BODY)


def instrumented_urllib3(port: str) -> Callable[[], object]:
    from opentelemetry.instrumentation.urllib3 import URLLib3Instrumentor

    URLLib3Instrumentor().instrument(**providers())
    return over_urllib3(port)


def instrumented_requests(port: str) -> Callable[[], object]:
    from opentelemetry.instrumentation.requests import RequestsInstrumentor

    RequestsInstrumentor().instrument(**providers())
    return over_requests(port)


SUBJECTS: dict[str, Callable[[str], Callable[[], object]]] = {
    "none": lambda port: polls(),
    "a plugin that does nothing": lambda port: polls(Bare()),
    "logs, at WARNING": lambda port: polls(logs(logging.WARNING)),
    "logs, at INFO": lambda port: polls(logs(logging.INFO)),
    "logs, at DEBUG": lambda port: polls(logs(logging.DEBUG)),
    "otel, API alone": lambda port: polls(otel()),
    "otel, SDK": lambda port: polls(otel(**providers())),
    "urllib3": over_urllib3,
    "urllib3, instrumented": instrumented_urllib3,
    "requests": over_requests,
    "requests, instrumented": instrumented_requests,
}
