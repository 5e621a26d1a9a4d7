"""The operation contract: a pytest class that tests a declared operation. See docs/how-to/extending.md.

This module does not import pytest.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any, ClassVar

import msgspec

from altcraft.client import Client
from altcraft.codecs import default_registry
from altcraft.operations import Operation
from altcraft.schema import Feedback, PlainRequest, Request, TaskRequest
from altcraft.tasks.polling import Polling
from altcraft.testing.contract import Contract
from altcraft.testing.fakes import FakeTransport, Scripted, reply
from altcraft.testing.waivers import OPERATION
from altcraft.wire.messages import HttpResponse

__all__ = ["Example", "OperationContract"]

_FORMATS = ("json", "xml")
_URL = "https://altcraft.example"
_OURS = ("token", "format")
"""Fields that the client fills in."""


class Example(msgspec.Struct, frozen=True):
    """A request or a result, with the documents that the method's page shows for it.

    Of a request, `json` and `xml` are the body. Of a result, they are the whole reply: for a task, that of
    tasks/status. None where the page shows no such document.
    """

    value: object
    json: str | None = None
    xml: str | None = None

    def document(self, format: str) -> bytes | None:
        """The document in a format."""
        text = self.json if format == "json" else self.xml
        return None if text is None else text.encode()


class OperationContract(Contract):
    """Subclass it in a test module, and give it the operation and its examples::

        class TestProfilesGetAll(OperationContract):
            operation = PROFILES_GET_ALL
            requests = [Example(ProfilesGetAll("database", 1), json='{"source_type": "database", "source_id": 1}')]
            results = [Example(ProfilesExport(total=1343), json='{"data": {"status": "completed", …}, "error": 0}')]

    The sandbox has to know the method: see `Sandbox(teachers=…)` and the entry-point group `altcraft.sandbox`.
    `make_client` makes the clients of a sandbox; override it for one that your distribution does not offer.
    `answers_in_the_sandbox` is False for an operation that no sandbox can answer.
    """

    waivers = OPERATION
    operation: ClassVar[Operation[Any]]
    requests: ClassVar[Sequence[Example]] = ()
    results: ClassVar[Sequence[Example]] = ()
    answers_in_the_sandbox: ClassVar[bool] = True

    def make_client(self, codec: str) -> Client:
        """A client of a sandbox that knows the method, for a format."""
        return Client("sandbox:?pace=0", codec=codec, polling=Polling(initial=0.01, maximum=0.05))

    # Declaration.

    def test_it_has_examples_of_its_own_types(self) -> None:
        assert self.requests, "no example of a request"
        assert self.results, "no example of a result"
        for example in self.requests:
            assert isinstance(example.value, self.operation.request), f"not a request of it: {example.value!r}"
        for example in self.results:
            built = msgspec.to_builtins(example.value)
            assert msgspec.convert(built, self.operation.result) == example.value, f"not a result: {example.value!r}"

    def test_both_formats_can_read_its_types(self) -> None:
        for format in _FORMATS:
            with self._scripted(format):
                pass  # registering it tries the types

    # Requests.

    def test_a_request_is_written_as_its_page_shows_it_in_json(self) -> None:
        self._compare_requests("json", "a page with JSON")

    def test_a_request_is_written_as_its_page_shows_it_in_xml(self) -> None:
        self._compare_requests("xml", "a page with XML")

    def test_a_request_survives_a_round_trip_in_both_formats(self) -> None:
        for format in _FORMATS:
            codec = default_registry().by_name(format)
            for example in self.requests:
                read = _bare(codec.decode(self._sent(format, example.value), type(example.value)))
                assert read == _bare(example.value), f"in {format}, {example.value!r} came back as {read!r}"

    # Results.

    def test_a_result_is_read_as_its_page_shows_it_in_json(self) -> None:
        self._compare_results("json", "a page with JSON")

    def test_a_result_is_read_as_its_page_shows_it_in_xml(self) -> None:
        self._compare_results("xml", "a page with XML")

    def test_a_result_survives_a_round_trip_in_both_formats(self) -> None:
        for format in _FORMATS:
            for example in self.results:
                result = self._answer(format, self._reply(format, msgspec.to_builtins(example.value)))
                assert result == example.value, f"in {format}, {example.value!r} came back as {result!r}"
                assert type(result) is type(example.value), f"in {format}, a {type(result).__name__} came back"

    def test_unknown_fields_of_a_result_are_passed_over(self) -> None:
        unknown = {"brand_new": {"deep": [{"x": 1}]}}
        for format in _FORMATS:
            for example in self.results:
                built = msgspec.to_builtins(example.value)
                if isinstance(example.value, msgspec.Struct):
                    built = {**unknown, **built}
                elif isinstance(built, list) and all(isinstance(each, dict) for each in built):
                    built = [{**unknown, **each} for each in built]
                result = self._answer(format, self._reply(format, built))
                assert msgspec.convert(msgspec.to_builtins(result), self.operation.result) == result
                if not isinstance(built, dict) or isinstance(example.value, msgspec.Struct):
                    assert result == example.value, f"in {format}, an unknown field changed {result!r}"

    # The life of a task.

    def test_a_resume_token_leads_back_to_the_task(self) -> None:
        for example in self.requests:
            if not isinstance(example.value, TaskRequest):
                self.waive("resuming")
            with self._scripted("json", reply({"task_id": "930bfdb0"})) as client:
                token = client.submit(example.value).resume_token
            result = self.results[0].value
            with self._scripted("json", self._reply("json", msgspec.to_builtins(result))) as client:
                task = client.tasks.resume(token)
                expected = _without_feedback(example.value)
                assert task.request == expected, f"the token has another request: {task.request!r}"
                assert task.result() == result

    # The sandbox.

    def test_it_answers_in_the_sandbox_in_json(self) -> None:
        self._ask_the_sandbox("json")

    def test_it_answers_in_the_sandbox_in_xml(self) -> None:
        self._ask_the_sandbox("xml")

    def _ask_the_sandbox(self, format: str) -> None:
        if not self.answers_in_the_sandbox:
            self.waive("the sandbox")
        with self.make_client(format) as client:
            client.operations.register(self.operation)
            for example in self.requests:
                result = _carry_out(client, example.value, timeout=60)
                converted = msgspec.convert(msgspec.to_builtins(result), self.operation.result)
                assert converted == result, f"in {format}, not a {self.operation.result}: {result!r}"

    def _compare_requests(self, format: str, page: str) -> None:
        codec = default_registry().by_name(format)
        shown = [(example.value, example.document(format)) for example in self.requests]
        if not any(document for _, document in shown):
            self.waive(page)
        for value, document in shown:
            if document is not None:
                sent, wanted = (
                    _without_ours(codec.decode(data, dict)) for data in (self._sent(format, value), document)
                )
                assert sent == wanted, f"{value!r} is sent as {sent}, and its page shows {wanted}"

    def _compare_results(self, format: str, page: str) -> None:
        shown = [(example.value, example.document(format)) for example in self.results]
        if not any(document for _, document in shown):
            self.waive(page)
        for value, document in shown:
            if document is not None:
                result = self._answer(format, HttpResponse(200, {"Content-Type": f"application/{format}"}, document))
                assert result == value, f"its page is read as {result!r}, not as {value!r}"

    def _reply(self, format: str, result: Any) -> HttpResponse:
        """The reply that carries a result. The result is made of dicts and lists."""
        result = _without_nulls(result) if format == "xml" else result
        if self.operation.status is not None:
            return reply({"status": "completed", "progress": 100, "result": result}, codec=format)
        if self.operation.reply is self.operation.result:
            codec = default_registry().by_name(format)
            return HttpResponse(
                200,
                {"Content-Type": codec.content_types[0]},
                codec.encode({**result, "error": result.get("error") or 0}),
            )
        return reply(result, codec=format)

    def _answer(self, format: str, answer: HttpResponse) -> object:
        """The result that a client reads in a reply."""
        started = [reply({"task_id": "930bfdb0"}, codec=format)] if self.operation.status is not None else []
        with self._scripted(format, *started, answer) as client:
            return _carry_out(client, self.requests[0].value, timeout=None)

    def _sent(self, format: str, request: object) -> bytes:
        """The body that a client sends for a request."""
        transport = FakeTransport([_SentError()])
        with self._client(format, transport) as client, suppress(_SentError):
            _carry_out(client, request, timeout=None)
        return transport.requests[0].body

    def _scripted(self, format: str, *script: Scripted) -> Client:
        return self._client(format, FakeTransport(script))

    def _client(self, format: str, transport: FakeTransport) -> Client:
        client = Client(_URL, token="t", codec=format, transport=transport)
        client.operations.register(self.operation)
        return client


class _SentError(Exception):
    """Ends an exchange once its request is known."""


def _carry_out(client: Client, request: Any, timeout: float | None) -> object:
    """Submits a request and waits for the result, or calls a plain one."""
    if isinstance(request, PlainRequest):
        return client.call(request)
    return client.submit(request).result(timeout)


def _bare(request: Any) -> Request[Any]:
    """The request without what the client fills in."""
    bare: Request[Any] = msgspec.structs.replace(request, token=None, format=None)
    return bare


def _without_feedback(request: Any) -> Request[Any]:
    """The request without addresses that the platform is to call, which a resume token does not hold."""
    addresses = {name: None for name in request.__struct_fields__ if isinstance(getattr(request, name), Feedback)}
    without: Request[Any] = msgspec.structs.replace(request, **addresses)
    return without


def _without_ours(body: dict[str, object]) -> dict[str, object]:
    return {name: value for name, value in body.items() if name not in _OURS}


def _without_nulls(value: Any) -> Any:
    """The value without the fields that are None, which XML can't tell from an empty text."""
    if isinstance(value, dict):
        return {name: _without_nulls(each) for name, each in value.items() if each is not None}
    return [_without_nulls(each) for each in value] if isinstance(value, list) else value
