"""Spans and metrics of both clients: each span ends once, with its parent, and no library below makes a second one."""

from __future__ import annotations

import asyncio
import contextvars
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
import urllib3
from opentelemetry import trace
from opentelemetry.instrumentation.aiohttp_client import AioHttpClientInstrumentor
from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor
from opentelemetry.instrumentation.urllib3 import URLLib3Instrumentor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import altcraft
from altcraft import AsyncClient, Client, HttpRequest, HttpResponse, Polling, Retry
from altcraft.testing import reply
from altcraft_plugins.otel import OpenTelemetry
from altcraft_plugins.otel.instrumentor import AltcraftInstrumentor
from altcraft_plugins.sandbox import serve
from altcraft_transports.threads import ThreadsTransport
from both_clients import World

TOKEN = "recognisable-token-0123456789"
STARTED = reply({"task_id": "t-1"})
RUNNING = reply({"status": "running", "progress": 40})
DONE = reply({"status": "completed", "progress": 100, "result": []})
FAILED = reply({"status": "failed"})
BUSY = reply(error=503, status=503)


class Balance(SpanProcessor):
    """Counts the spans that are open, and those that ended twice."""

    def __init__(self) -> None:
        self.open: list[str] = []

    def on_start(self, span: Any, parent_context: Any = None) -> None:
        self.open.append(span.name)

    def on_end(self, span: ReadableSpan) -> None:
        self.open.remove(span.name)


class Telemetry:
    """The SDK with exporters in memory, and a plugin that uses it."""

    def __init__(self) -> None:
        self.balance, self._exporter, self._reader = Balance(), InMemorySpanExporter(), InMemoryMetricReader()
        self.tracers = TracerProvider()
        self.tracers.add_span_processor(self.balance)
        self.tracers.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.meters = MeterProvider([self._reader])
        self.plugin = OpenTelemetry(self.tracers, self.meters)
        self.tracer = self.tracers.get_tracer("test")

    def spans(self, name: str = "") -> list[ReadableSpan]:
        """The spans that have ended, in the order of their ends."""
        return [span for span in self._exporter.get_finished_spans() if name in span.name]

    def span(self, name: str) -> ReadableSpan:
        (span,) = self.spans(name)
        return span

    def points(self, metric: str) -> list[Any]:
        data = self._reader.get_metrics_data()
        found = [
            each
            for resource in (data.resource_metrics if data else ())
            for scope in resource.scope_metrics
            for each in scope.metrics
            if each.name == metric
        ]
        return [point for each in found for point in each.data.data_points]

    def close(self) -> None:
        assert self.balance.open == []
        assert not trace.get_current_span().get_span_context().is_valid
        self.tracers.shutdown()
        self.meters.shutdown()


@pytest.fixture
def telemetry() -> Iterator[Telemetry]:
    made = Telemetry()
    yield made
    made.close()


def submit(world: World, client: Any) -> Any:
    return world.do(client.segments.refresh_counters(7, resource_id=24, db_id=1))


def parent(span: ReadableSpan) -> int | None:
    return span.parent.span_id if span.parent else None


def id_of(span: ReadableSpan) -> int:
    return span.get_span_context().span_id


def linked(span: ReadableSpan) -> list[int]:
    return [link.context.span_id for link in span.links]


def test_a_task_has_spans_for_submission_wait_exchanges_and_the_whole(world: World, telemetry: Telemetry) -> None:
    client = world.client([STARTED, RUNNING, DONE], plugins=[telemetry.plugin])
    task = submit(world, client)
    world.do(task.result(timeout=60))
    submission, wait, whole = (telemetry.span(f"{kind} segments") for kind in ("submit", "wait", "task"))
    sent, *polls = telemetry.spans("POST")
    assert len(telemetry.spans()) == 6
    assert parent(sent) == id_of(submission)
    assert [parent(poll) for poll in polls] == [id_of(wait)] * 2
    assert [linked(span) for span in (wait, *polls)] == [[id_of(submission)]] * 3
    assert parent(whole) == id_of(submission)
    assert whole.start_time <= submission.start_time + 10**9
    assert whole.end_time >= polls[-1].end_time
    assert {span.status.status_code for span in telemetry.spans()} == {trace.StatusCode.UNSET}


def test_the_span_of_an_exchange_follows_the_conventions(world: World, telemetry: Telemetry) -> None:
    client = world.client([BUSY, altcraft.ConnectError("refused"), reply([])], plugins=[telemetry.plugin])
    world.do(client.databases.get_counters(5, resource_id=24))
    first, second, third = telemetry.spans()
    assert all(span.kind is trace.SpanKind.CLIENT for span in (first, second, third))
    common = {
        "http.request.method": "POST",
        "url.full": "https://example.com/api/v1.1/databases/get_counters",
        "server.address": "example.com",
        "server.port": 443,
        "altcraft.operation": "databases/get_counters",
    }
    assert dict(first.attributes) == {**common, "http.response.status_code": 503, "error.type": "503"}
    assert dict(second.attributes) == {
        **common, "http.request.resend_count": 1, "error.type": "altcraft.errors.ConnectError",
    }  # fmt: skip
    assert dict(third.attributes) == {**common, "http.request.resend_count": 2, "http.response.status_code": 200}
    assert [span.status.is_ok for span in (first, second, third)] == [False, False, True]
    assert (first.name, first.instrumentation_scope.name) == ("POST /api/v1.1/databases/get_counters", "altcraft")


def test_no_span_has_a_token_a_query_or_a_password(world: World, telemetry: Telemetry) -> None:
    def answer(request: HttpRequest) -> HttpResponse:
        return reply(error=403, error_text=f"you sent {TOKEN}")

    for url in ("https://user:pass@example.com:8443/base?key=s3cr3t", "https://example.com"):
        kind = AsyncClient if world.is_async else Client
        try:
            client = kind(url, TOKEN, transport=world.transport([answer] * 2), plugins=[telemetry.plugin])
        except ValueError:
            continue  # such a URL is refused
        world.clients.append(client)
        with pytest.raises(altcraft.Forbidden):
            world.do(client.databases.get_counters(5, resource_id=24))
        with pytest.raises(altcraft.Forbidden):
            submit(world, client)
    for span in telemetry.spans():
        assert not any(secret in span.to_json() for secret in (TOKEN, "s3cr3t", "pass@"))


def test_the_platform_gets_the_traceparent_of_the_exchange(world: World, telemetry: Telemetry) -> None:
    client = world.client([reply([])], plugins=[telemetry.plugin])
    world.do(client.databases.get_counters(5, resource_id=24))
    place = telemetry.span("POST").get_span_context()
    sent = client.fake.requests[0].headers["traceparent"]
    assert sent == f"00-{place.trace_id:032x}-{place.span_id:016x}-{place.trace_flags:02x}"


def test_the_spans_of_a_group_are_in_the_callers_trace(world: World, telemetry: Telemetry) -> None:
    client = world.client([RUNNING] * 6 + [DONE] * 6, plugins=[telemetry.plugin])
    tasks = [client.tasks.resume(f"t-{number}") for number in range(6)]

    def work() -> None:
        with telemetry.tracer.start_as_current_span("nightly"):
            before = trace.get_current_span()
            world.do(client.tasks.wait(tasks, max_in_flight=3))
            assert trace.get_current_span() is before

    contextvars.copy_context().run(work)
    caller = telemetry.span("nightly")
    waits = {id_of(span): span for span in telemetry.spans("wait")}
    assert {span.get_span_context().trace_id for span in telemetry.spans()} == {caller.get_span_context().trace_id}
    assert {parent(span) for span in waits.values()} == {id_of(caller)}
    assert len(waits) == 6
    assert len(telemetry.spans("POST")) == 12
    for poll in telemetry.spans("POST"):
        assert waits[parent(poll)].attributes["altcraft.task.id"] == poll.attributes["altcraft.task.id"]


def test_many_submissions_are_in_the_callers_trace(world: World, telemetry: Telemetry) -> None:
    client = world.client([reply({"task_id": f"t-{number}"}) for number in range(4)], plugins=[telemetry.plugin])
    requests = [altcraft.schema.SegmentsRefreshCounters(number, 24) for number in range(4)]

    def work() -> None:
        with telemetry.tracer.start_as_current_span("nightly"):
            world.do(client.submit_many(requests, max_in_flight=2))

    contextvars.copy_context().run(work)
    submissions = telemetry.spans("submit")
    assert {parent(span) for span in submissions} == {id_of(telemetry.span("nightly"))}
    assert {parent(span) for span in telemetry.spans("POST")} == {id_of(span) for span in submissions}


def test_a_resumed_task_is_in_the_trace_of_its_submission(world: World, telemetry: Telemetry) -> None:
    here = world.client([STARTED], plugins=[telemetry.plugin])
    token = submit(world, here).resume_token
    elsewhere = Telemetry()
    there = world.client([DONE], plugins=[elsewhere.plugin])
    world.do(there.tasks.resume(token).result())
    submission, whole = telemetry.span("submit"), elsewhere.span("task segments")
    assert parent(whole) == id_of(submission)
    assert whole.get_span_context().trace_id == submission.get_span_context().trace_id
    assert linked(elsewhere.span("wait")) == linked(elsewhere.span("POST")) == [id_of(submission)]
    elsewhere.close()


@pytest.mark.parametrize(
    ("script", "error"),
    [
        ([FAILED], altcraft.TaskFailed),
        ([RUNNING] * 99, altcraft.WaitTimeout),
        ([reply(error=403)], altcraft.Forbidden),
        ([RuntimeError("a bug in a transport")], RuntimeError),
        ([KeyboardInterrupt()], KeyboardInterrupt),
    ],
)
def test_every_span_ends_once_for_each_way_a_wait_can_end(
    world: World, telemetry: Telemetry, script: list[Any], error: type[BaseException]
) -> None:
    client = world.client([STARTED, *script], plugins=[telemetry.plugin])
    task = submit(world, client)
    with pytest.raises(error):
        world.do(task.result(timeout=5))
    assert telemetry.balance.open == []
    is_outcome = error is altcraft.TaskFailed
    assert telemetry.span("wait").status.is_ok is is_outcome
    assert [span.status.is_ok for span in telemetry.spans("task segments")] == ([False] if is_outcome else [])


@pytest.mark.parametrize("outcome", [reply(error=400), altcraft.ConnectionLost("reset"), KeyboardInterrupt()])
def test_a_failed_submission_ends_its_span(world: World, telemetry: Telemetry, outcome: Any) -> None:
    client = world.client([outcome], plugins=[telemetry.plugin], retry=Retry(attempts=1))
    with pytest.raises((altcraft.AltcraftError, KeyboardInterrupt)):
        submit(world, client)
    submission = telemetry.span("submit")
    assert not submission.status.is_ok
    assert submission.attributes["altcraft.submission.in_doubt"] is (not isinstance(outcome, HttpResponse))


def test_two_handles_on_one_task_make_one_span_of_it(world: World, telemetry: Telemetry) -> None:
    client = world.client([STARTED, DONE, DONE], plugins=[telemetry.plugin])
    task = submit(world, client)
    again = client.tasks.resume(task.resume_token)
    world.do(task.result())
    world.do(again.result())
    assert len(telemetry.spans("task segments")) == 1
    assert telemetry.points("altcraft.task.polls")[0].count == 1


def test_a_poll_of_the_caller_is_in_the_callers_trace_and_ends_the_task(world: World, telemetry: Telemetry) -> None:
    client = world.client([STARTED, DONE], plugins=[telemetry.plugin])
    world.do(submit(world, client).poll())
    assert parent(telemetry.spans("POST")[1]) is None
    assert telemetry.span("task segments").attributes["altcraft.task.polls"] == 1


def test_an_async_wait_that_is_cancelled_leaves_no_span_open(telemetry: Telemetry) -> None:
    async def main() -> None:
        with serve(port=0, pace=60.0, tokens=["demo"]) as server:
            async with AsyncClient(server.url, "demo", plugins=[telemetry.plugin]) as client:
                task = await client.databases.refresh_counters(5, resource_id=24)
                waiting = asyncio.create_task(task.result())
                group = asyncio.create_task(client.tasks.wait([await_less(client)]))
                await asyncio.sleep(0.05)
                waiting.cancel()
                group.cancel()
                await asyncio.gather(waiting, group, return_exceptions=True)
                assert telemetry.balance.open == []
                last = asyncio.create_task(task.result())
                await asyncio.sleep(0.01)
            with pytest.raises(altcraft.ClientClosed):
                await last

    def await_less(client: AsyncClient) -> Any:
        return client.tasks.resume("930bfdb0-a5a8-4207-a77d-6b989bdea326")

    asyncio.run(main())
    assert not telemetry.spans("task ")
    assert "asyncio.exceptions.CancelledError" in {span.attributes["error.type"] for span in telemetry.spans("wait")}
    assert "altcraft.errors.ClientClosed" in {span.attributes["error.type"] for span in telemetry.spans("wait")}


def test_closing_a_client_in_another_thread_ends_the_spans_of_its_waits(telemetry: Telemetry) -> None:
    client = Client("sandbox:?pace=60", plugins=[telemetry.plugin])
    task = client.databases.refresh_counters(5, resource_id=24)
    failures: list[BaseException | None] = []

    def wait() -> None:
        try:
            task.result()
        except altcraft.ClientClosed as error:
            failures.append(error)

    waiting = threading.Thread(target=wait)
    waiting.start()
    until = time.monotonic() + 10
    while not telemetry.spans("tasks/status") and time.monotonic() < until:
        time.sleep(0.001)
    client.close()
    waiting.join()
    assert len(failures) == 1
    assert telemetry.balance.open == []


class Instrumented:
    """A transport for threads over urllib3's pool, which OpenTelemetry instruments."""

    def __init__(self) -> None:
        self._pool = urllib3.PoolManager()

    def send(self, request: HttpRequest, *, timeout: float) -> HttpResponse:
        came = self._pool.request(
            request.method,
            request.url,
            body=request.body,
            headers=dict(request.headers),
            timeout=timeout,
            retries=False,
        )
        return HttpResponse(came.status, dict(came.headers), came.data)

    def sleep(self, seconds: float) -> None:
        time.sleep(min(seconds, 0.01))

    def close(self) -> None:
        self._pool.clear()


@pytest.fixture
def instrumented(telemetry: Telemetry) -> Iterator[None]:
    """Instrumentations of the libraries below."""
    below = (URLLib3Instrumentor(), HTTPXClientInstrumentor(), AioHttpClientInstrumentor())
    for instrumentor in below:
        instrumentor.instrument(tracer_provider=telemetry.tracers, meter_provider=telemetry.meters)
    yield
    for instrumentor in below:
        instrumentor.uninstrument()


TRANSPORTS = {
    "urllib3": lambda: Instrumented(),
    "threads": lambda: ThreadsTransport(Instrumented(), workers=2),
    "httpx": lambda: "httpx",
    "async httpx": lambda: "httpx",
    "aiohttp": lambda: "aiohttp",
}
"""How the transport of a client is given; "urllib3" and "httpx" are for threads, the others for an event loop."""


def refresh(url: str, transport: str, plugins: list[object]) -> None:
    """Two tasks, waited for alone and in a group, over such a transport."""
    settings: dict[str, Any] = {"polling": Polling(initial=0.01), "plugins": plugins}
    settings["transport"] = TRANSPORTS[transport]()

    async def main() -> None:
        async with AsyncClient(url, "demo", **settings) as client:
            tasks = [await client.databases.refresh_counters(5, resource_id=24) for _ in range(2)]
            await tasks[0]
            await client.tasks.wait(tasks)

    if transport not in ("urllib3", "httpx"):
        asyncio.run(main())
        return
    with Client(url, "demo", **settings) as client:
        tasks = [client.databases.refresh_counters(5, resource_id=24) for _ in range(2)]
        tasks[0].result()
        client.tasks.wait(tasks)


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_the_instrumentation_of_the_library_below_is_suppressed(
    telemetry: Telemetry, instrumented: None, transport: str
) -> None:
    with serve(port=0, pace=0.0, tokens=["demo"]) as server:
        refresh(server.url, transport, [telemetry.plugin])
        assert len(telemetry.spans("POST")) >= 4
        assert {span.instrumentation_scope.name for span in telemetry.spans()} == {"altcraft"}
        exchanges = telemetry.points("http.client.request.duration")
        assert all("altcraft.operation" in point.attributes for point in exchanges)


@pytest.mark.parametrize("transport", ["urllib3", "threads"])
def test_without_the_plugin_the_library_below_makes_its_spans(
    telemetry: Telemetry, instrumented: None, transport: str
) -> None:
    with serve(port=0, pace=0.0, tokens=["demo"]) as server:
        refresh(server.url, transport, [])
    assert len(telemetry.spans("POST")) >= 4


def test_metrics_count_exchanges_polls_durations_and_what_is_outstanding(world: World, telemetry: Telemetry) -> None:
    client = world.client([STARTED, BUSY, RUNNING, DONE, STARTED], plugins=[telemetry.plugin])
    task = submit(world, client)
    (outstanding,) = telemetry.points("altcraft.task.outstanding")
    assert outstanding.value == 1
    world.do(task.result(timeout=600))
    other = submit(world, client)
    exchanges = {
        (point.attributes["altcraft.operation"], point.attributes["http.response.status_code"]): point
        for point in telemetry.points("http.client.request.duration")
    }
    assert {key: point.count for key, point in exchanges.items()} == {
        ("segments/refresh_counters", 200): 2,
        ("tasks/status", 200): 2,
        ("tasks/status", 503): 1,
    }
    assert exchanges["tasks/status", 503].attributes["error.type"] == "503"
    assert not any("altcraft.task.id" in point.attributes for point in exchanges.values())
    (polls,) = telemetry.points("altcraft.task.polls")
    (duration,) = telemetry.points("altcraft.task.duration")
    assert (polls.sum, polls.count, duration.count) == (2, 1, 1)
    assert polls.attributes["altcraft.outcome"] == "completed"
    (outstanding,) = telemetry.points("altcraft.task.outstanding")
    assert outstanding.value == 1
    world.do(client.close())
    del task, other
    client.fake.requests.clear()


def test_a_handle_that_is_dropped_is_not_outstanding_any_more(world: World, telemetry: Telemetry) -> None:
    client = world.client([STARTED, STARTED], plugins=[telemetry.plugin])
    kept = submit(world, client)
    submit(world, client)
    assert [point.value for point in telemetry.points("altcraft.task.outstanding")] == [1]
    del kept
    assert [point.value for point in telemetry.points("altcraft.task.outstanding")] == [0]


def test_the_instrumentor_reaches_every_client_and_no_span_is_doubled(world: World, telemetry: Telemetry) -> None:
    earlier = world.client([STARTED, STARTED])
    made = AltcraftInstrumentor()
    made.instrument(tracer_provider=telemetry.tracers, meter_provider=telemetry.meters)
    try:
        later, own = world.client([STARTED]), world.client([STARTED], plugins=[telemetry.plugin])
        for client in (earlier, later, own):
            submit(world, client)
        assert len(telemetry.spans("submit")) == len(telemetry.spans("POST")) == 3
    finally:
        made.uninstrument()
    submit(world, earlier)
    assert len(telemetry.spans("submit")) == 3


def test_the_entry_point_names_the_instrumentor() -> None:
    from importlib.metadata import entry_points

    (found,) = entry_points(group="opentelemetry_instrumentor", name="altcraft")
    assert found.load() is AltcraftInstrumentor


def test_without_the_api_one_line_says_what_to_install() -> None:
    program = "import sys; sys.modules['opentelemetry'] = None; import altcraft_plugins.otel"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert done.stderr.splitlines()[-1].endswith("needs the package opentelemetry-api: pip install opentelemetry-api")
