"""What a reply is read as."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from altcraft import ApiError, BadRequest, DecodeError, Unauthorized
from altcraft.codecs import default_registry
from altcraft.exchange import Exchange
from altcraft.schema import Envelope, TaskStarted
from exchange import JSON, PATH, XML, answer, both_formats, exchange, read, refused
from golden import example


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "application/json"},
        {"content-type": "application/json; charset=utf-8"},
        {"CONTENT-TYPE": "text/json"},
        {"Content-Type": "application/problem+json"},
        {},
        {"Content-Type": ""},
        {"Content-Type": "text/plain; charset=utf-8"},
        {"Content-Type": "text/html"},
        {"Content-Type": "application/octet-stream"},
        {"Content-Type": "application/x-something-else"},
        {"X-Other": "application/xml"},
    ],
)
@pytest.mark.parametrize("speaks", ["json", "xml"])
def test_json_is_read_by_its_content_type_or_its_first_byte(headers: dict[str, str], speaks: str) -> None:
    body = example("segments_refresh.started", "json").body
    assert read(answer(body, headers), format_=speaks) == example("segments_refresh.started", "json").decode()


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "application/xml"},
        {"content-type": "text/xml; charset=utf-8"},
        {"Content-Type": "application/soap+xml"},
        {},
        {"Content-Type": "text/plain"},
        {"Content-Type": "text/html; charset=utf-8"},
        {"Content-Type": "application/octet-stream"},
    ],
)
@pytest.mark.parametrize("speaks", ["json", "xml"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_xml_is_read_by_its_content_type_or_its_first_byte(headers: dict[str, str], speaks: str, encoding: str) -> None:
    body = example("segments_refresh.started", "xml").body.decode().encode(encoding)
    assert read(answer(body, headers), format_=speaks) == example("segments_refresh.started", "xml").decode()


class PlainText:
    """A codec that claims a type which says nothing."""

    name = "plain"
    content_types = ("text/plain", "application/octet-stream")

    def encode(self, value: object) -> bytes:
        raise NotImplementedError

    def decode(self, data: bytes, type: type[Any]) -> Any:
        raise NotImplementedError


@pytest.mark.parametrize("headers", [JSON, XML])
@both_formats
def test_a_header_that_was_seen_before_changes_nothing(headers: dict[str, str], format_: str) -> None:
    reader = exchange(format_)
    name = "json" if headers is JSON else "xml"
    started, refusal = example("segments_refresh.started", name), example("refusal", name)
    for _ in range(3):
        assert reader.read(PATH, Envelope[TaskStarted], answer(started.body, headers)) == started.decode()
        with pytest.raises(Unauthorized):
            reader.read(PATH, Envelope[TaskStarted], answer(refusal.body, headers))
        for status, body in ((503, started.body), (200, b""), (200, b"<xml/>"), (200, b"{}"), (302, started.body)):
            with pytest.raises((ApiError, DecodeError)):
                reader.read(PATH, Envelope[TaskStarted], answer(body, headers, status))


@pytest.mark.parametrize("content_type", ["application/json; charset=windows-1251", "application/xml; charset=koi8-r"])
def test_the_charset_of_the_header_is_followed_each_time(content_type: str) -> None:
    reader, charset = exchange(), content_type.partition("charset=")[2]
    codec = default_registry().by_content_type(content_type)
    assert codec is not None
    body = codec.encode({"error": 0, "error_text": "Готово", "data": {"task_id": "a"}})
    for _ in range(2):
        response = answer(body.decode().encode(charset), {"Content-Type": content_type})
        assert reader.read(PATH, Envelope[TaskStarted], response).error_text == "Готово"


def test_a_stale_declaration_gives_way_to_the_header() -> None:
    body = '<?xml version="1.0" encoding="windows-1251"?><xml><error>400</error><error_text>Ошибка</error_text></xml>'
    error = refused(answer(body, {"Content-Type": "application/xml; charset=utf-8"}), BadRequest)
    assert error.text == "Ошибка"


def test_only_so_many_headers_are_remembered() -> None:
    reader = exchange()
    started = example("segments_refresh.started", "json")
    for number in range(100):
        response = answer(started.body, {"Content-Type": f"application/json; number={number}"})
        assert reader.read(PATH, Envelope[TaskStarted], response) == started.decode()


@pytest.mark.parametrize("content_type", PlainText.content_types)
def test_a_generic_content_type_is_passed_over_though_a_codec_claims_it(content_type: str) -> None:
    codecs = default_registry()
    codecs.register(PlainText())
    reader = Exchange("https://your.host/api/v1.1", "your.host", None, codecs.by_name("json"), codecs)
    started = example("segments_refresh.started", "json")
    response = answer(started.body, {"Content-Type": content_type})
    assert reader.read(PATH, Envelope[TaskStarted], response) == started.decode()


def test_a_specific_content_type_decides_the_format() -> None:
    error = refused(answer("<xml><error>0</error></xml>", JSON), DecodeError)
    assert "not JSON" in str(error)


@pytest.mark.parametrize(
    ("headers", "says"),
    [
        ({}, "without a Content-Type"),
        ({"Content-Type": "text/plain"}, "'text/plain'"),
        ({"Content-Type": "a/b"}, "'a/b'"),
    ],
)
def test_a_reply_without_a_codec_is_a_decode_error_with_type_and_first_words(
    headers: dict[str, str], says: str
) -> None:
    error = refused(answer("upstream connect error\nsecond line", headers), DecodeError)
    assert says in str(error)
    assert "'upstream connect error second line'" in str(error)


@pytest.mark.parametrize("headers", [JSON, XML, {}])
@pytest.mark.parametrize("body", ["", " \n"])
def test_an_empty_body_is_a_decode_error_that_says_so(headers: dict[str, str], body: str) -> None:
    assert "empty" in str(refused(answer(body, headers), DecodeError))


@pytest.mark.parametrize(
    ("body", "headers"),
    [("{}", JSON), ('{"hello":"world"}', JSON), ("<xml/>", XML), ("<xml><a>1</a></xml>", XML), ('{"data":null}', JSON)],
)
def test_a_document_without_data_and_error_is_no_envelope(body: str, headers: dict[str, str]) -> None:
    assert "no envelope" in str(refused(answer(body, headers), DecodeError))


@pytest.mark.parametrize("body", ['{"data":{"task_id":"a"}}', '{"data":{"task_id":"a"},"error":0,"error_text":""}'])
def test_data_with_code_zero_or_without_a_code_is_a_success(body: str) -> None:
    reply = read(answer(body))
    assert isinstance(reply, Envelope)
    assert reply.data == TaskStarted("a")


@given(
    st.integers(100, 599),
    st.dictionaries(
        st.sampled_from(["Content-Type", "Retry-After", "Date", "Location"]),
        st.sampled_from(["application/json", "application/xml", "text/html", "", "x", "5", "/", ";", "a/b+json"]),
    ),
    st.binary(max_size=60) | st.sampled_from([b"{}", b"<xml/>", b'{"error":0}', b"<xml><error>1</error></xml>"]),
)
def test_every_response_is_a_reply_or_one_of_our_errors(status: int, headers: dict[str, str], body: bytes) -> None:
    try:
        reply = read(answer(body, headers, status))
    except (ApiError, DecodeError):
        return
    assert not reply.error
    assert 200 <= status < 300
