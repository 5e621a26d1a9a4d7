"""A refusal is an error envelope in the requested format, and its code is the HTTP status."""

from __future__ import annotations

import json
from urllib.parse import quote

import pytest

from altcraft_plugins.sandbox import Sandbox
from plugins.sandbox.api import TOKEN, environ, post, send, to_xml

GOOD = {"id": 5, "resource_id": 24}
DATABASE = "databases/refresh_counters"
SEGMENT = "segments/refresh_counters"
LONG = 10 * 1024 * 1024


def assert_refused(answer, code, format="json"):
    assert answer.status == code
    assert answer.headers["Content-Type"] == f"application/{format}"
    assert int(answer.headers["Content-Length"]) == len(answer.body)
    if format == "json":
        assert list(answer.json) == ["error", "error_text"]
        assert answer.json["error"] == code
        text: str | None = answer.json["error_text"]
    else:
        assert answer.xml.tag == "xml"
        assert [child.tag for child in answer.xml] == ["error", "error_text"]
        assert answer.xml.findtext("error") == str(code)
        text = answer.xml.findtext("error_text")
    assert text
    assert "Traceback" not in text
    assert TOKEN not in text


REFUSED = [
    (401, DATABASE, {**GOOD, "token": "wrong"}),
    (401, DATABASE, {**GOOD, "token": ""}),
    (400, DATABASE, {"id": 5}),
    (400, DATABASE, {"resource_id": 24}),
    (400, DATABASE, {**GOOD, "id": "five"}),
    (400, DATABASE, {**GOOD, "id": 5.5}),
    (400, DATABASE, {**GOOD, "id": ""}),
    (400, DATABASE, {**GOOD, "id": {"id": 5}}),
    (404, DATABASE, {**GOOD, "id": 6}),
    (404, DATABASE, {**GOOD, "id": -5}),
    (404, DATABASE, {**GOOD, "id": 2**63}),
    (404, DATABASE, {**GOOD, "id": 10**40}),
    (404, DATABASE, {**GOOD, "resource_id": 25}),
    (400, DATABASE, {**GOOD, "feedback": "http://example.com"}),
    (400, DATABASE, {**GOOD, "feedback": {"type": "JSON"}}),
    (400, DATABASE, {**GOOD, "feedback": {"type": "CSV", "url": "http://example.com"}}),
    (400, DATABASE, {**GOOD, "feedback": {"type": "JSON", "url": "ftp://example.com"}}),
    (400, DATABASE, {**GOOD, "feedback": {"type": "JSON", "url": "http://"}}),
    (400, DATABASE, {**GOOD, "feedback": {"type": "JSON", "url": "http://[::1"}}),
    (400, DATABASE, {**GOOD, "feedback": {"type": "JSON", "url": "http://example.com:99999/"}}),
    (400, DATABASE, {**GOOD, "feedback": {"type": "JSON", "url": "http://example.com/a b"}}),
    (400, DATABASE, {**GOOD, "feedback": {"type": "JSON", "url": "http://example.com/" + "a" * 2000}}),
    (400, SEGMENT, {"id": 7, "resource_id": 24}),
    (400, SEGMENT, {"id": 7, "resource_id": 24, "db_id": 1, "list_id": 5}),
    (404, SEGMENT, {"id": 7, "resource_id": 24, "db_id": 2}),
    (404, SEGMENT, {"id": 99, "resource_id": 24, "db_id": 1}),
    (404, SEGMENT, {"id": 8, "resource_id": 24, "db_id": 1}),
    (404, "segments/get_counters", {"id": 7, "resource_id": 24, "list_id": 2}),
    (400, "segments/get_counters", {"id": 7, "resource_id": 24}),
    (404, "databases/get_counters", {**GOOD, "id": 6}),
    (404, "resources/refresh_counters", {"id": 25}),
    (404, "resources/refresh_counters", {"id": 24, "list_id": 2}),
    (400, "resources/refresh_counters", {"list_id": 1}),
    (404, "tasks/status", {"task_id": "no such task"}),
    (404, "tasks/status", {"task_id": "' OR 1=1 --"}),
    (400, "tasks/status", {}),
    (404, "databases/drop", GOOD),
    (404, "", GOOD),
]


@pytest.mark.parametrize("format", ["json", "xml"])
@pytest.mark.parametrize(("code", "path", "parameters"), REFUSED)
def test_a_refusal_has_its_code_and_an_envelope(shared_app, code, path, parameters, format):
    assert_refused(post(shared_app, path, parameters, format), code, format)


def test_parameters_of_a_wrong_json_type_are_refused(shared_app):
    for wrong in ({"id": "5"}, {"id": True}, {"id": [5]}, {"id": None}, {"token": 5}, {"format": 5}, {"feedback": 7}):
        assert_refused(post(shared_app, DATABASE, {**GOOD, **wrong}), 400)
    assert_refused(post(shared_app, "tasks/status", {"task_id": 5}), 400)


def test_without_a_valid_token_no_other_mistake_is_reported(shared_app):
    assert_refused(post(shared_app, DATABASE, {"id": "five", "token": "wrong"}), 401)
    assert_refused(post(shared_app, DATABASE, {"id": 999, "resource_id": 24, "token": "wrong"}), 401)


def test_the_body_names_the_format_of_a_refusal_too(shared_app):
    json_body = json.dumps({"token": "wrong", "format": "xml", **GOOD}).encode()
    assert_refused(send(shared_app, environ(DATABASE, json_body)), 401, "xml")
    mistyped = json.dumps({"token": TOKEN, "format": "xml", "id": "five"}).encode()
    assert_refused(send(shared_app, environ(DATABASE, mistyped)), 400, "xml")
    xml_body = to_xml({"token": TOKEN, "format": "json", "id": 6, "resource_id": 24})
    assert_refused(send(shared_app, environ(DATABASE, xml_body, "application/xml")), 404)


@pytest.mark.parametrize(
    ("body_format", "accept", "content_type", "expected"),
    [
        (None, None, "application/json", "json"),
        (None, None, "application/xml", "xml"),
        (None, "application/xml", "application/json", "xml"),
        (None, "application/json", "application/xml", "json"),
        (None, "application/json;q=0.1, text/xml;q=0.9", "application/json", "xml"),
        (None, "application/xml;q=0, */*", "application/json", "json"),
        (None, "text/html, */*;q=0.8", "application/xml; charset=utf-8", "xml"),
        (None, "application/xml;q=nonsense", "application/json", "json"),
        ("json", "application/xml", "application/xml", "json"),
        ("xml", "application/json", "application/json", "xml"),
        ("XML", None, "application/json", "xml"),
        ("", "application/xml", "application/json", "xml"),
    ],
)
def test_the_body_decides_the_format_then_accept_then_content_type(
    shared_app, body_format, accept, content_type, expected
):
    parameters: dict[str, object] = {"token": TOKEN, **GOOD}
    if body_format is not None:
        parameters["format"] = body_format
    body = to_xml(parameters) if "xml" in content_type else json.dumps(parameters).encode()
    answer = send(shared_app, environ("databases/get_counters", body, content_type, HTTP_ACCEPT=accept))
    assert answer.status == 200
    assert answer.headers["Content-Type"] == f"application/{expected}"


def test_an_unknown_format_is_refused_in_a_known_one(shared_app):
    assert_refused(post(shared_app, DATABASE, {**GOOD, "format": "yaml"}), 400)
    assert_refused(post(shared_app, DATABASE, {**GOOD, "format": "yaml"}, "xml"), 400, "xml")


def test_a_bearer_token_is_accepted(shared_app):
    body = json.dumps(GOOD).encode()
    for header in ("Bearer sandbox", "bearer sandbox", "Bearer  abcdefghijklmnqrstuvwxyz "):
        assert send(shared_app, environ(DATABASE, body, HTTP_AUTHORIZATION=header)).status == 200
    for header in (None, "", "Bearer", "Bearer ", "Bearer wrong", "Basic sandbox", "sandbox", "Bearer sand\u00e9box"):
        assert_refused(send(shared_app, environ(DATABASE, body, HTTP_AUTHORIZATION=header)), 401)


def test_a_wrong_token_in_the_body_is_refused_though_the_header_has_a_right_one(shared_app):
    answer = post(shared_app, DATABASE, {**GOOD, "token": "wrong"}, HTTP_AUTHORIZATION="Bearer sandbox")
    assert_refused(answer, 401)


def test_a_token_in_the_url_is_ignored(shared_app):
    body = json.dumps(GOOD).encode()
    assert_refused(send(shared_app, environ(DATABASE, body, QUERY_STRING="token=" + quote(TOKEN))), 401)


def test_only_the_configured_tokens_are_accepted():
    with Sandbox(tokens=["mine", "yours"]) as app:
        assert post(app, DATABASE, {**GOOD, "token": "yours"}).status == 200
        assert post(app, DATABASE, {**GOOD, "token": "sandbox"}).status == 401


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "OPTIONS", "post"])
def test_any_method_but_post_is_refused(shared_app, method):
    answer = send(shared_app, environ(DATABASE, REQUEST_METHOD=method, HTTP_ACCEPT="application/xml"))
    assert_refused(answer, 405, "xml")
    assert answer.headers["Allow"] == "POST"


def test_head_is_refused_without_a_body(shared_app):
    answer = send(shared_app, environ(DATABASE, REQUEST_METHOD="HEAD"))
    assert (answer.status, answer.body) == (405, b"")


def test_one_trailing_slash_is_accepted(shared_app):
    assert post(shared_app, DATABASE + "/", GOOD).status == 200
    assert_refused(post(shared_app, DATABASE + "//", GOOD), 404)
    assert_refused(send(shared_app, {**environ(DATABASE), "PATH_INFO": "/" + DATABASE}), 404)
    assert_refused(send(shared_app, {**environ(DATABASE), "PATH_INFO": ""}), 404)


def test_an_unsupported_content_type_is_refused(shared_app):
    body = json.dumps({"token": TOKEN, **GOOD}).encode()
    for content_type in ("application/x-www-form-urlencoded", "text/plain", "application/msgpack", ";", "nonsense"):
        assert_refused(send(shared_app, environ(DATABASE, body, content_type)), 415)
    assert send(shared_app, environ(DATABASE, body, "application/json; charset=utf-8")).status == 200


def test_the_first_byte_of_a_body_without_content_type_decides_its_format(shared_app):
    parameters = {"token": TOKEN, **GOOD}
    assert send(shared_app, environ(DATABASE, json.dumps(parameters).encode(), None)).status == 200
    assert send(shared_app, environ(DATABASE, to_xml(parameters), None)).status == 200
    assert_refused(send(shared_app, environ(DATABASE, b"\x93NUMPY", None)), 415)
    assert_refused(send(shared_app, environ(DATABASE, b"", None)), 400)


def test_a_closed_sandbox_answers_503(app):
    app.close()
    app.close()
    assert_refused(post(app, DATABASE, GOOD), 503)
    assert app.step() is False


def test_unknown_parameters_are_ignored(shared_app):
    assert post(shared_app, DATABASE, {**GOOD, "colour": "red", "nested": {"a": 1}}).status == 200
    assert post(shared_app, DATABASE, {**GOOD, "colour": "red", "nested": {"a": 1}}, "xml").status == 200
