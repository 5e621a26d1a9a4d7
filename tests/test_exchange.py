"""The exchange: what is sent, and what an answer means, whatever stands between the platform and us."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from altcraft import (
    AltcraftError,
    ApiError,
    BadRequest,
    ChannelStatistics,
    DatabaseStatistics,
    DecodeError,
    Feedback,
    Forbidden,
    HttpRequest,
    HttpResponse,
    LimitReached,
    NotFound,
    Operation,
    PlainRequest,
    RateLimited,
    Reply,
    ResourceStatistics,
    SegmentStatistics,
    TaskRequest,
    TaskStatus,
    Unauthorized,
    UnsafeXml,
)
from altcraft.codecs import default_registry
from altcraft.exchange import Exchange
from altcraft.operations import default_operations, unknown_task
from altcraft.schema import (
    DatabasesGetCounters,
    DatabasesRefreshCounters,
    Envelope,
    Request,
    SegmentsGetCounters,
    SegmentsRefreshCounters,
    TaskStarted,
    TaskStatusRequest,
)
from altcraft.wire.secret import Auth, Secret
from altcraft.wire.url import api_base
from golden import ProfilesExport, example

TOKEN = "abcdefghijklmnqrstuvwxyz"
DONE = frozenset({"completed", "success"})
PATH = "segments/refresh_counters"
JSON = {"Content-Type": "application/json"}
XML = {"Content-Type": "application/xml"}
HTML = "<!DOCTYPE html>\n<html><head><title>502 Bad Gateway</title></head></html>"
both_formats = pytest.mark.parametrize("format_", ["json", "xml"])
both_modes = pytest.mark.parametrize("auth", ["body", "bearer"])


def exchange(format_: str = "json", auth: Auth = "body", token: str | None = TOKEN) -> Exchange:
    codecs = default_registry()
    secret = Secret(token) if token is not None else None
    return Exchange("https://your.host/api/v1.1", "your.host", secret, codecs.by_name(format_), codecs, auth)


def build(request: Request[Any], format_: str = "json", auth: Auth = "body") -> HttpRequest:
    return exchange(format_, auth).build(PATH, request)


def answer(body: bytes | str, headers: Mapping[str, str] = JSON, status: int = 200) -> HttpResponse:
    return HttpResponse(status, headers, body.encode() if isinstance(body, str) else body)


def read(response: HttpResponse, reply: type[Reply] = Envelope[TaskStarted], format_: str = "json") -> Reply:
    return exchange(format_).read(PATH, reply, response)


def refused(response: HttpResponse, kind: type[AltcraftError], format_: str = "json") -> Any:
    """The error that reading such a response ends with; it knows where it happened, and no token."""
    with pytest.raises(kind) as caught:
        read(response, format_=format_)
    error = caught.value
    assert type(error) is kind
    assert (error.operation, error.host) == (PATH, "your.host")
    assert TOKEN not in str(error) + repr(error) + repr(error.__cause__)
    return error


# What is sent.


@both_formats
@both_modes
def test_content_type_accept_and_format_agree(format_: str, auth: Auth) -> None:
    request = build(SegmentsRefreshCounters(7, 24), format_, auth)
    assert request.headers["Content-Type"] == request.headers["Accept"] == f"application/{format_}"
    sent = default_registry().by_name(format_).decode(request.body, SegmentsRefreshCounters)
    assert sent.format == format_


@both_formats
def test_in_body_mode_the_token_is_in_the_body_and_nowhere_else(format_: str) -> None:
    request = build(SegmentsRefreshCounters(7, 24), format_)
    assert default_registry().by_name(format_).decode(request.body, SegmentsRefreshCounters).token == TOKEN
    assert TOKEN not in request.url
    assert not any(TOKEN in name + value for name, value in request.headers.items())


@both_formats
def test_in_bearer_mode_the_token_is_in_the_header_and_nowhere_else(format_: str) -> None:
    request = build(SegmentsRefreshCounters(7, 24), format_, "bearer")
    assert request.headers["Authorization"] == f"Bearer {TOKEN}"
    assert TOKEN not in request.url
    assert TOKEN.encode() not in request.body
    assert b"token" not in request.body


@both_formats
@both_modes
def test_without_a_token_none_is_sent(format_: str, auth: Auth) -> None:
    request = exchange(format_, auth, None).build(PATH, SegmentsRefreshCounters(7, 24))
    assert "Authorization" not in request.headers
    assert b"token" not in request.body


@both_modes
def test_a_token_or_format_in_the_request_itself_gives_way_to_the_clients(auth: Auth) -> None:
    request = build(SegmentsRefreshCounters(7, 24, token="other", format="xml"), "json", auth)
    assert b"other" not in request.body
    assert json.loads(request.body)["format"] == "json"


def test_another_way_to_authenticate_is_refused_when_the_exchange_is_made() -> None:
    with pytest.raises(ValueError, match="'body', as documented, or 'bearer'"):
        exchange(auth="url")  # type: ignore[arg-type]  # on purpose


def test_a_request_is_a_post_to_its_path() -> None:
    request = build(SegmentsRefreshCounters(7, 24))
    assert (request.method, request.url) == ("POST", "https://your.host/api/v1.1/segments/refresh_counters")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("segments_refresh.request", SegmentsRefreshCounters(7, 24, db_id=1)),
        ("databases_refresh.request", DatabasesRefreshCounters(5, 24, Feedback("http://example.com/receiver"))),
        ("segments_refresh.status_request", TaskStatusRequest("930bfdb0-a5a8-4207-a77d-6b989bdea326")),
    ],
)
@both_formats
def test_what_is_sent_is_what_the_pages_show(name: str, value: Request[Any], format_: str) -> None:
    sent = build(value, format_).body
    shown = example(name, format_).body
    if format_ == "json":
        assert json.loads(sent) == {**json.loads(shown), "format": "json"}
    else:
        assert leaves(sent) == leaves(shown) | {"/xml/format": "xml"}


def leaves(document: bytes) -> dict[str, str]:
    """The texts of a document without arrays, by their places."""

    def walk(element: ElementTree.Element, place: str) -> dict[str, str]:
        place += f"/{element.tag}"
        if not len(element):
            return {place: element.text or ""}
        return {key: text for child in element for key, text in walk(child, place).items()}

    return walk(ElementTree.fromstring(document), "")


# Bad input never leaves.


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (SegmentsRefreshCounters("7", 24), "id"),  # type: ignore[arg-type]
        (SegmentsRefreshCounters(7, None), "resource_id"),  # type: ignore[arg-type]
        (SegmentsRefreshCounters(7, 24, db_id=1.5), "db_id"),  # type: ignore[arg-type]
        (SegmentsRefreshCounters(True, 24), "id"),
        (SegmentsGetCounters(7, 24, list_id="1"), "list_id"),  # type: ignore[arg-type]
        (DatabasesGetCounters(5, [24]), "resource_id"),  # type: ignore[arg-type]
        (DatabasesRefreshCounters(5, 24, "http://me"), "feedback"),  # type: ignore[arg-type]
        (TaskStatusRequest(930), "task_id"),  # type: ignore[arg-type]
    ],
    ids=lambda value: repr(value)[:70],
)
@both_formats
def test_a_field_of_the_wrong_type_is_a_type_error_naming_operation_and_field(
    request_: Request[Any], field: str, format_: str
) -> None:
    with pytest.raises(TypeError, match=f"^{PATH}: {field}: ") as caught:
        build(request_, format_)
    assert TOKEN not in str(caught.value)


# Where it is sent.


@pytest.mark.parametrize(
    ("url", "base", "host"),
    [
        ("https://ru.altkraft.com", "https://ru.altkraft.com/api/v1.1", "ru.altkraft.com"),
        ("https://ru.altkraft.com/", "https://ru.altkraft.com/api/v1.1", "ru.altkraft.com"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080/api/v1.1", "127.0.0.1:8080"),
        ("https://[::1]:8443/", "https://[::1]:8443/api/v1.1", "[::1]:8443"),
        ("https://your.host/api/v1.1", "https://your.host/api/v1.1", "your.host"),
        ("https://your.host/api/v1.1/", "https://your.host/api/v1.1", "your.host"),
        ("https://your.host/mail/api/v2", "https://your.host/mail/api/v2", "your.host"),
        ("HTTPS://your.host", "https://your.host/api/v1.1", "your.host"),
        ("sandbox:", "sandbox:/api/v1.1", "sandbox"),
        ("sandbox:?profiles=10000", "sandbox:/api/v1.1", "sandbox"),
        ("SANDBOX:", "sandbox:/api/v1.1", "sandbox"),
    ],
)
def test_a_url_without_a_path_gets_the_apis(url: str, base: str, host: str) -> None:
    assert api_base(url) == (base, host)


@pytest.mark.parametrize(
    "url",
    [
        "", " ", "ru.altkraft.com", "your.host/api", "localhost:8080", "127.0.0.1:8080", "//your.host", "https:",
        "https://", "http:your.host", "https:/your.host", "ftp://your.host", "https://your.host?x=1", "https:///api",
        "https://your.host/api?token=s3cr3t", "https://your host", "https://your.host/a b",
        "https://user:s3cr3t@your.host", "https://s3cr3t@your.host", "https://user:s3cr3t@your.host/api?x=1",
        "https://your.host\n",
    ],
)  # fmt: skip
def test_a_url_that_makes_no_sense_is_refused_without_showing_what_may_be_secret(url: str) -> None:
    with pytest.raises(ValueError, match="URL") as caught:
        api_base(url)
    assert "s3c" not in str(caught.value)


# What an answer is read as.


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
def test_json_is_read_whatever_was_asked_for_by_its_type_or_by_its_look(headers: dict[str, str], speaks: str) -> None:
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
def test_xml_is_read_whatever_was_asked_for_by_its_type_or_by_its_look(
    headers: dict[str, str], speaks: str, encoding: str
) -> None:
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


@pytest.mark.parametrize("content_type", PlainText.content_types)
def test_a_generic_type_says_nothing_though_a_codec_claims_it(content_type: str) -> None:
    codecs = default_registry()
    codecs.register(PlainText())
    reader = Exchange("https://your.host/api/v1.1", "your.host", None, codecs.by_name("json"), codecs)
    started = example("segments_refresh.started", "json")
    response = answer(started.body, {"Content-Type": content_type})
    assert reader.read(PATH, Envelope[TaskStarted], response) == started.decode()


def test_the_content_type_is_believed_where_it_says_something() -> None:
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
def test_an_answer_that_no_codec_reads_is_a_decode_error_with_its_type_and_its_first_line(
    headers: dict[str, str], says: str
) -> None:
    error = refused(answer("upstream connect error\nsecond line", headers), DecodeError)
    assert says in str(error)
    assert "'upstream connect error'" in str(error)
    assert "second" not in str(error)


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
def test_data_is_success_with_a_code_of_zero_or_with_none(body: str) -> None:
    reply = read(answer(body))
    assert isinstance(reply, Envelope)
    assert reply.data == TaskStarted("a")


# Refusals.

CODES = [
    (400, BadRequest), (401, Unauthorized), (402, LimitReached), (403, Forbidden), (404, NotFound), (429, RateLimited),
    (440, ApiError), (500, ApiError), (-1, ApiError),
]  # fmt: skip


@pytest.mark.parametrize(("code", "kind"), CODES)
@pytest.mark.parametrize("data", ["", '"data":null,', '"data":{},', '"data":[],', '"data":"oops",'])
def test_an_error_envelope_at_http_200_is_the_error_of_its_code(code: int, kind: type[ApiError], data: str) -> None:
    error = refused(answer(f'{{{data}"error":{code},"error_text":"why"}}'), kind)
    assert (error.code, error.text, error.http_status) == (code, "why", 200)


@pytest.mark.parametrize(("code", "kind"), CODES)
@pytest.mark.parametrize("data", ["", "<data/>", "<data><x/></data>", "<data>oops</data>"])
def test_an_error_envelope_in_xml_is_the_error_of_its_code(code: int, kind: type[ApiError], data: str) -> None:
    error = refused(answer(f"<xml>{data}<error>{code}</error><error_text>why</error_text></xml>", XML), kind)
    assert (error.code, error.text, error.http_status) == (code, "why", 200)


@both_formats
def test_the_refusal_that_is_inferred_from_the_pages_is_an_unauthorized(format_: str) -> None:
    refusal = example("refusal", format_)
    error = refused(answer(refusal.body, {"Content-Type": f"application/{format_}"}), Unauthorized, format_)
    assert (error.code, error.text) == (401, "…")


@pytest.mark.parametrize("text", ["", ',"error_text":null', ',"error_text":""'])
def test_a_refusal_without_a_text_says_so(text: str) -> None:
    assert refused(answer(f'{{"error":402{text}}}'), LimitReached).text == ""


@pytest.mark.parametrize(
    ("code", "http_status", "kind"),
    [
        (401, 403, Unauthorized),
        (400, 500, BadRequest),
        (440, 401, Unauthorized),
        (440, 429, RateLimited),
        (9, 500, ApiError),
    ],
)
def test_a_refusal_with_two_codes_keeps_both(code: int, http_status: int, kind: type[ApiError]) -> None:
    error = refused(answer(f'{{"error":{code},"error_text":"why"}}', status=http_status), kind)
    assert (error.code, error.http_status) == (code, http_status)
    assert f"error {code} (HTTP {http_status}): why" in str(error)


@pytest.mark.parametrize(
    ("http_status", "kind"),
    [(400, BadRequest), (401, Unauthorized), (402, LimitReached), (403, Forbidden), (404, NotFound), (429, RateLimited),
     (500, ApiError), (502, ApiError), (503, ApiError), (418, ApiError), (600, ApiError), (100, ApiError)],
)  # fmt: skip
@pytest.mark.parametrize(
    "body", ["", "Bad Gateway", HTML, "{}", '{"message":"no"}', '{"error":"text"}', "<xml/>", "\0"]
)
def test_an_http_error_without_an_envelope_is_the_error_of_its_status(
    http_status: int, kind: type[ApiError], body: str
) -> None:
    error = refused(answer(body, {}, http_status), kind)
    assert (error.code, error.http_status) == (http_status, http_status)


@pytest.mark.parametrize(
    "body", ['{"error":0,"error_text":"Successful operation"}', '{"data":{"task_id":"a"},"error":0}']
)
def test_an_http_error_is_an_error_though_the_envelope_reports_success(body: str) -> None:
    error = refused(answer(body, status=503), ApiError)
    assert (error.code, error.http_status) == (503, 503)


@pytest.mark.parametrize("status", [300, 301, 302, 303, 307, 308, 304])
def test_a_redirect_is_reported_with_where_it_leads_and_not_followed(status: int) -> None:
    location = "https://user:s3cr3t@your.host/api/v1.1/segments/refresh_counters/?token=s3cr3t"
    error = refused(answer('{"data":{"task_id":"a"},"error":0}', {**JSON, "LOCATION": location}, status), ApiError)
    assert error.http_status == error.code == status
    assert "redirected to" in str(error)
    assert "your.host/api/v1.1/segments/refresh_counters/" in str(error)
    assert "s3cr3t" not in str(error)


def test_a_redirect_to_nowhere_is_reported_too() -> None:
    assert "nowhere" in str(refused(answer("", {}, 302), ApiError))


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "120"}, 120.0),
        ({"retry-after": " 5 "}, 5.0),
        ({"Retry-After": "0"}, 0.0),
        ({"Retry-After": "Fri, 31 Dec 1999 23:59:59 GMT", "Date": "Fri, 31 Dec 1999 23:59:29 GMT"}, 30.0),
        ({"Retry-After": "Fri, 31 Dec 1999 23:59:59 GMT", "Date": "Sat, 01 Jan 2000 00:00:29 GMT"}, 0.0),
        ({"retry-after": "Friday, 31-Dec-99 23:59:59 GMT", "date": "Fri, 31 Dec 1999 23:59:29 GMT"}, 30.0),
        ({"Retry-After": "Fri, 31 Dec 1999 23:59:59 GMT"}, None),
        ({"Retry-After": "Fri, 31 Dec 1999 23:59:59 GMT", "Date": "today"}, None),
        ({"Retry-After": "Fri, 31 Dec 1999 23:59:59", "Date": "Fri, 31 Dec 1999 23:59:29 GMT"}, None),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": ""}, None),
        ({"Retry-After": "-5"}, None),
        ({"Retry-After": "1.5"}, None),
        ({}, None),
    ],
)
@pytest.mark.parametrize(("body", "status"), [('{"error":429}', 200), ("", 429), (HTML, 503), ('{"error":1}', 503)])
def test_what_a_refusal_asks_for_is_seconds(
    headers: dict[str, str], seconds: float | None, body: str, status: int
) -> None:
    with pytest.raises(ApiError) as caught:
        read(answer(body, headers, status))
    assert caught.value.retry_after == seconds


# A proxy's page.


@pytest.mark.parametrize(
    "page",
    [HTML, "<html>\n<body>502</body>", "\n  <!doctype HTML public ''>\n<p>", "\ufeff<!DOCTYPE html>", "<HTML><P>"],
)
@pytest.mark.parametrize("headers", [{"Content-Type": "text/html"}, {}, JSON, XML])
@both_formats
def test_an_html_page_at_http_200_is_a_decode_error_that_quotes_its_first_line(
    page: str, headers: dict[str, str], format_: str
) -> None:
    error = refused(answer(page, headers), DecodeError, format_)
    first = page.strip("\ufeff \n").splitlines()[0]
    assert "HTML page came instead of" in str(error)
    assert format_ in str(error)
    assert first in str(error)
    assert "Gateway" not in str(error)


@pytest.mark.parametrize("status", [500, 502, 503, 404])
def test_an_html_page_at_an_http_error_is_an_api_error_that_quotes_its_first_line(status: int) -> None:
    error = refused(answer(HTML, {"Content-Type": "text/html"}, status), NotFound if status == 404 else ApiError)
    assert error.http_status == status
    assert "<!DOCTYPE html>" in str(error)
    assert isinstance(error.__cause__, DecodeError)


def test_a_long_line_is_quoted_in_part() -> None:
    error = refused(answer("<html>" + "x" * 10_000, {}), DecodeError)
    assert len(str(error)) < 400
    assert "…" in str(error)


def test_a_document_type_in_the_answer_is_unsafe_xml() -> None:
    refused(answer('<!DOCTYPE xml [<!ENTITY e "x">]><xml><error>&e;</error></xml>', XML), UnsafeXml, "xml")


# An echo.

ECHOES = {
    "text": (200, JSON, f'{{"error":401,"error_text":"no such token: {TOKEN}"}}'),
    "text in xml": (200, XML, f"<xml><error>401</error><error_text>{TOKEN}, {TOKEN}</error_text></xml>"),
    "text at 403": (403, JSON, f'{{"error":401,"error_text":"{TOKEN}"}}'),
    "first line": (200, {}, f"unknown token {TOKEN}\n"),
    "first line at 500": (500, {}, f"unknown token {TOKEN}\n"),
    "page": (200, {}, f"<html>{TOKEN}</html>"),
    "page at 502": (502, {}, f"<html>{TOKEN}</html>"),
    "no envelope": (200, JSON, f'{{"token":"{TOKEN}"}}'),
    "wrong shape": (200, JSON, f'{{"error":"{TOKEN}"}}'),
    "wrong shape in data": (200, JSON, f'{{"data":{{"{TOKEN}":1}},"error":0}}'),
    "wrong shape in xml": (200, XML, f"<xml><error>{TOKEN}</error></xml>"),
    "repeated in xml": (200, XML, f"<xml><error>0</error><error>{TOKEN}</error></xml>"),
    "other root": (200, XML, f"<{TOKEN}/>"),
    "not well-formed": (200, XML, f"<xml>{TOKEN}</{TOKEN}>"),
    "undeclared entity": (200, XML, f"<xml>&{TOKEN};</xml>"),
    "not json": (200, JSON, f"{{{TOKEN}}}"),
    "redirect": (302, {"Location": f"https://your.host/{TOKEN}/"}, ""),
    "redirect to a fragment": (302, {"Location": f"https://your.host/#{TOKEN}"}, ""),
    "at the edge of the quotation": (200, {}, "x" * 110 + TOKEN),
    "status": (200, JSON, f'{{"data":{{"task_id":{{"{TOKEN}":1}}}},"error":0}}'),
}


@pytest.mark.parametrize(("status", "headers", "body"), ECHOES.values(), ids=ECHOES)
@both_formats
def test_a_token_that_the_server_echoes_is_masked_in_every_error(
    status: int, headers: dict[str, str], body: str | bytes, format_: str
) -> None:
    with pytest.raises((ApiError, DecodeError)) as caught:
        read(answer(body, headers, status), format_=format_)
    error: BaseException | None = caught.value
    while error is not None:
        shown = f"{error} {error!r} {vars(error)} {error.args}"
        assert TOKEN not in shown
        assert TOKEN not in shown.replace("\\x00", "").replace("\x00", "")
        assert TOKEN[:12] not in shown.replace("\\x00", "").replace("\x00", "")
        error = error.__cause__


@given(st.text(max_size=30), st.text(max_size=30), st.sampled_from([200, 302, 401, 503]), st.booleans())
def test_no_body_around_an_echo_lets_it_through(before: str, after: str, status: int, labelled: bool) -> None:
    body = (before + TOKEN + after).encode("utf-8", "replace")
    with pytest.raises((ApiError, DecodeError)) as caught:
        read(answer(body, JSON if labelled else {}, status))
    assert TOKEN not in f"{caught.value} {caught.value!r}"


@given(
    st.integers(100, 599),
    st.dictionaries(
        st.sampled_from(["Content-Type", "Retry-After", "Date", "Location"]),
        st.sampled_from(["application/json", "application/xml", "text/html", "", "x", "5", "/", ";", "a/b+json"]),
    ),
    st.binary(max_size=60) | st.sampled_from([b"{}", b"<xml/>", b'{"error":0}', b"<xml><error>1</error></xml>"]),
)
def test_whatever_arrives_is_a_reply_or_one_of_our_errors(status: int, headers: dict[str, str], body: bytes) -> None:
    try:
        reply = read(answer(body, headers, status))
    except (ApiError, DecodeError):
        return
    assert not reply.error
    assert 200 <= status < 300


# Tasks and results.

OPERATIONS = default_operations()
SEGMENTS = OPERATIONS.by_request(SegmentsRefreshCounters)
DATABASES = OPERATIONS.by_request(DatabasesRefreshCounters)
COUNTERS = OPERATIONS.by_request(DatabasesGetCounters)


class ProfilesGetAll(TaskRequest[ProfilesExport], frozen=True):
    """A task whose result is an object."""


class ProfileAdded(Reply):
    """A reply with a key beside `data`."""

    profile_id: int


class ProfileAdd(PlainRequest[ProfileAdded], frozen=True):
    """A method whose result is its whole reply."""


EXPORT = Operation("profiles/get_all", ProfilesGetAll)


def golden(name: str, format_: str) -> HttpResponse:
    return answer(example(name, format_).body, {"Content-Type": f"application/{format_}"})


@both_formats
def test_a_submission_gives_the_id_of_its_task(format_: str) -> None:
    response = golden("segments_refresh.started", format_)
    assert exchange(format_).task_id(SEGMENTS, response) == "55a345c8-3d79-47ef-b03e-b84ce8e0c126"


@pytest.mark.parametrize("data", ["", ',"data":null', ',"data":{"task_id":""}'])
def test_a_success_without_a_task_id_is_a_decode_error(data: str) -> None:
    with pytest.raises(DecodeError, match=r"segments/refresh_counters at your.host: .*no task id"):
        exchange().task_id(SEGMENTS, answer(f'{{"error":0{data}}}'))


@both_formats
@pytest.mark.parametrize(
    ("operation", "name"),
    [
        (SEGMENTS, "segments_refresh.completed"),
        (DATABASES, "databases_refresh.completed"),
        (EXPORT, "profiles_get_all.completed"),
    ],
)
def test_a_finished_tasks_status_carries_its_typed_result(operation: Operation[Any], name: str, format_: str) -> None:
    expected = example(name, format_).decode()
    assert isinstance(expected, Envelope)
    assert exchange(format_).status(operation, golden(name, format_), DONE) == expected.data


@both_formats
@pytest.mark.parametrize(
    ("name", "kind"),
    [("segments_refresh.completed", SegmentStatistics), ("databases_refresh.completed", DatabaseStatistics)],
)
def test_statistics_are_typed_though_only_the_tasks_id_is_known(name: str, kind: type, format_: str) -> None:
    expected = example(name, format_).decode()
    assert isinstance(expected, Envelope)
    state = exchange(format_).status(unknown_task(), golden(name, format_), DONE)
    assert state == expected.data
    assert isinstance(state.result, list)
    assert [type(entry) for entry in state.result] == [kind]


@both_formats
def test_another_result_stays_as_it_came_where_only_the_tasks_id_is_known(format_: str) -> None:
    state = exchange(format_).status(unknown_task(), golden("profiles_get_all.completed", format_), DONE)
    assert isinstance(state.result, dict)
    assert state.result["type"] == "database"


@pytest.mark.parametrize("result", ["5", '"text"', "[]", "[1]", '{"channels":5}', '[{"channels":"x"}]', '[{"a":1}]'])
def test_whatever_the_result_of_an_unknown_task_is_its_status_is_read(result: str) -> None:
    body = f'{{"data":{{"status":"completed","progress":100,"result":{result}}},"error":0}}'
    state = exchange().status(unknown_task(), answer(body), DONE)
    assert (state.status, state.result) == ("completed", json.loads(result))


@pytest.mark.parametrize(
    "result", ["", ',"result":null', ',"result":[]', ',"result":{}', ',"result":"soon"', ',"result":5']
)
def test_before_a_task_is_done_its_result_may_be_anything(result: str) -> None:
    body = f'{{"data":{{"status":"running","progress":5{result}}},"error":0}}'
    state = exchange().status(SEGMENTS, answer(body), DONE)
    assert (state.status, state.progress) == ("running", 5)
    assert state.result in (None, [])


@pytest.mark.parametrize("result", ["<result/>", "", "<result>soon</result>", "<result><a>1</a></result>"])
def test_before_a_task_is_done_its_result_may_be_anything_in_xml_too(result: str) -> None:
    body = f"<xml><data><status>running</status><progress/>{result}</data><error>0</error></xml>"
    state = exchange().status(EXPORT, answer(body, XML), DONE)
    assert (state.status, state.progress, state.result) == ("running", None, None)


@pytest.mark.parametrize("result", ["", ',"result":null', ',"result":[]'])
def test_a_finished_task_without_entries_has_an_empty_list(result: str) -> None:
    body = f'{{"data":{{"status":"success"{result}}},"error":0}}'
    assert exchange().status(SEGMENTS, answer(body), DONE).result == []


def test_a_finished_task_without_its_object_is_a_decode_error() -> None:
    with pytest.raises(DecodeError, match="no result"):
        exchange().status(EXPORT, answer('{"data":{"status":"success"},"error":0}'), DONE)


@pytest.mark.parametrize("result", ['"soon"', '[{"channels":5}]', "[5]", '{"a":1}'])
def test_a_finished_task_with_a_result_of_another_shape_is_a_decode_error(result: str) -> None:
    body = f'{{"data":{{"status":"completed","result":{result}}},"error":0}}'
    with pytest.raises(DecodeError, match=r"\$\.data\.result"):
        exchange().status(SEGMENTS, answer(body), DONE)


@pytest.mark.parametrize("body", ['{"error":0}', '{"error":0,"data":null}'])
@pytest.mark.parametrize("operation", [SEGMENTS, EXPORT, unknown_task()])
def test_a_success_without_a_status_is_a_decode_error(body: str, operation: Operation[Any]) -> None:
    with pytest.raises(DecodeError, match=r"tasks/status at your.host: .*no status"):
        exchange().status(operation, answer(body), DONE)


@pytest.mark.parametrize("operation", [SEGMENTS, EXPORT, unknown_task()])
def test_a_refusal_to_tell_a_status_is_that_refusal(operation: Operation[Any]) -> None:
    with pytest.raises(NotFound, match=r"tasks/status at your\.host: error 404: gone"):
        exchange().status(operation, answer('{"error":404,"error_text":"gone"}'), DONE)


@pytest.mark.parametrize(
    ("name", "format_", "channels"),
    [("databases_get_counters.reply", "json", ["email"]), ("segments_get_counters.reply", "xml", ["email", "push"])],
)
def test_a_plain_operations_result_is_its_data(name: str, format_: str, channels: list[str]) -> None:
    result = exchange(format_).result(COUNTERS, golden(name, format_))
    assert isinstance(result, list)
    assert all(isinstance(entry, ChannelStatistics) for entry in result)
    assert [entry.channel for entry in result] == channels


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        ('{"error":0}', JSON),
        ('{"data":null,"error":0}', JSON),
        ('{"data":[],"error":0}', JSON),
        ("<xml><data/><error>0</error></xml>", XML),
        ("<xml><error>0</error></xml>", XML),
    ],
)
def test_counters_without_entries_are_an_empty_list(body: str, headers: dict[str, str]) -> None:
    assert exchange().result(COUNTERS, answer(body, headers)) == []


@both_formats
def test_a_result_that_is_the_whole_reply_has_the_keys_beside_data(format_: str) -> None:
    body = default_registry().by_name(format_).encode({"profile_id": 5, "error": 0, "error_text": ""})
    operation = Operation("profiles/add", ProfileAdd)
    assert exchange().result(operation, answer(body, {})) == ProfileAdded(profile_id=5, error=0, error_text="")


@both_formats
def test_a_refusal_of_a_method_with_its_own_reply_is_that_refusal(format_: str) -> None:
    body = default_registry().by_name(format_).encode({"error": 400, "error_text": "no email"})
    with pytest.raises(BadRequest, match="no email"):
        exchange().result(Operation("profiles/add", ProfileAdd), answer(body, {}))


def test_statistics_of_a_resource_keep_the_fields_of_both_families() -> None:
    body = '{"data":{"status":"completed","result":[{"list_id":1,"total_count":5,"channels":[]}]},"error":0}'
    expected = [ResourceStatistics(list_id=1, total_count=5)]
    assert exchange().status(unknown_task(), answer(body), DONE) == TaskStatus("completed", None, expected)
