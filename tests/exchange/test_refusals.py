"""Refusals, redirects and Retry-After."""

from __future__ import annotations

import json

import pytest

from altcraft import ApiError, BadRequest, DecodeError, Forbidden, LimitReached, NotFound, RateLimited, Unauthorized
from altcraft.schema import Envelope, TaskStarted
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
def test_the_refusal_of_the_pages_is_unauthorized(format_: str) -> None:
    refusal = example("refusal", format_)
    error = refused(answer(refusal.body, {"Content-Type": f"application/{format_}"}), Unauthorized, format_)
    assert (error.code, error.text) == (401, "…")


@pytest.mark.parametrize("text", ["", ',"error_text":null', ',"error_text":""'])
def test_a_refusal_without_a_text_has_an_empty_text(text: str) -> None:
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
def test_an_http_error_with_a_successful_envelope_is_an_error(body: str) -> None:
    error = refused(answer(body, status=503), ApiError)
    assert (error.code, error.http_status) == (503, 503)


@pytest.mark.parametrize("status", [300, 301, 302, 303, 307, 308, 304])
def test_a_redirect_is_not_followed_and_its_target_is_reported(status: int) -> None:
    location = "https://user:s3cr3t@your.host/api/v1.1/segments/refresh_counters/?token=s3cr3t"
    error = refused(answer('{"data":{"task_id":"a"},"error":0}', {**JSON, "LOCATION": location}, status), ApiError)
    assert error.http_status == error.code == status
    assert "redirected to" in str(error)
    assert "your.host/api/v1.1/segments/refresh_counters/" in str(error)
    assert "s3cr3t" not in str(error)


def test_a_redirect_without_a_target_is_reported() -> None:
    assert "does not say where to" in str(refused(answer("", {}, 302), ApiError))


@pytest.mark.parametrize(("body", "status"), [('{"error":429}', 200), ("", 429), (HTML, 503), ('{"error":1}', 503)])
@pytest.mark.parametrize(("asked", "seconds"), [("5.4", 6.0), ("soon", None)])
def test_a_refusal_has_the_seconds_of_retry_after(body: str, status: int, asked: str, seconds: float | None) -> None:
    with pytest.raises(ApiError) as caught:
        read(answer(body, {"Retry-After": asked}, status))
    assert caught.value.retry_after == seconds


# An explanation in any form.


@pytest.mark.parametrize(
    ("text", "explanation"),
    [
        ('["no such token"]', "no such token"),
        ('["no", "such token", 5, null]', "no; such token; 5; "),
        ('{"limit":"1000","used":1001}', "limit: 1000; used: 1001"),
        ('[{"field":"id","says":["too large"]}]', "field: id; says: too large"),
        ("17", "17"),
        ("true", "True"),
        ("null", ""),
        ("[]", ""),
        ("{}", ""),
    ],
)
@pytest.mark.parametrize(("code", "kind"), [(401, Unauthorized), (402, LimitReached), (429, RateLimited)])
@pytest.mark.parametrize("status", [200, 400])
def test_an_explanation_of_any_form_does_not_cost_the_code(
    text: str, explanation: str, code: int, kind: type[ApiError], status: int
) -> None:
    error = refused(answer(f'{{"error":{code},"error_text":{text},"data":null}}', status=status), kind)
    assert (error.code, error.text) == (code, explanation)


@pytest.mark.parametrize(
    ("texts", "explanation"),
    [
        ("<error_text><item>no</item><item>such token</item></error_text>", "item: no; such token"),
        ("<error_text><limit>1000</limit></error_text>", "limit: 1000"),
        ("<error_text/>", ""),
        ("<error_text>no</error_text><error_text>such token</error_text>", "no; such token"),
        ("<error_text>no</error_text><error_text><a>1</a></error_text>", "no; a: 1"),
    ],
)
def test_an_explanation_of_any_form_does_not_cost_the_code_in_xml(texts: str, explanation: str) -> None:
    error = refused(answer(f"<xml><error>401</error>{texts}</xml>", XML), Unauthorized, "xml")
    assert (error.code, error.text) == (401, explanation)


@pytest.mark.parametrize("code", ['"401"', '" 401 "', "401.0", '"401.0"'])
@pytest.mark.parametrize("text", ['"why"', '["why"]'])
def test_a_code_in_another_spelling_is_a_code(code: str, text: str) -> None:
    error = refused(answer(f'{{"error":{code},"error_text":{text}}}'), Unauthorized)
    assert (error.code, error.text) == (401, "why")


@pytest.mark.parametrize("code", ['"0"', "0.0", "false", '""', "null", '" 0 "'])
@pytest.mark.parametrize("text", ['""', '["all right"]', "{}"])
def test_a_success_in_another_spelling_is_a_success(code: str, text: str) -> None:
    reply = read(answer(f'{{"error":{code},"error_text":{text},"data":{{"task_id":"a"}}}}'))
    assert reply == Envelope(data=TaskStarted("a"), error=reply.error, error_text=reply.error_text)
    assert not reply.error


@pytest.mark.parametrize("code", ['"AUTH_FAILED"', "true", "[401]", '{"code":401}', "401.5", '"4 01"'])
@pytest.mark.parametrize("data", ["", ',"data":{"task_id":"a"}'])
def test_a_code_that_is_no_number_is_never_taken_for_success(code: str, data: str) -> None:
    error = refused(answer(f'{{"error":{code}{data}}}'), DecodeError)
    assert "error" in str(error)


def test_a_long_explanation_is_cut() -> None:
    text = refused(answer(json.dumps({"error": 400, "error_text": "x" * 10**6})), BadRequest).text
    assert len(text) <= 1001
    assert text.endswith("…")
