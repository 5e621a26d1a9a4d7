"""Refusals, redirects and Retry-After."""

from __future__ import annotations

import pytest

from altcraft import ApiError, BadRequest, Forbidden, LimitReached, NotFound, RateLimited, Unauthorized
from exchange import HTML, JSON, XML, answer, both_formats, read, refused
from golden import example

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
