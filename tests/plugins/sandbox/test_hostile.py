"""Any request at all gets an envelope, and never a 500."""

from __future__ import annotations

import io
import json

import hypothesis
import pytest
from hypothesis import strategies as st

from plugins.sandbox.api import TOKEN, environ, post, send

DATABASE = "databases/refresh_counters"
LIMIT = 10 * 1024 * 1024
GOOD = json.dumps({"token": TOKEN, "id": 5, "resource_id": 24}).encode()


class Unread(io.RawIOBase):
    """A body that must not be read."""

    def read(self, size=-1):
        raise AssertionError("the body was read")


class Endless:
    """An endless body, which counts the bytes read from it."""

    taken = 0

    def read(self, size=-1):
        assert size >= 0
        self.taken += size
        return b" " * size


def assert_envelope(answer, *codes):
    assert answer.status in codes
    if answer.headers["Content-Type"] == "application/json":
        assert answer.json["error"] == answer.status
    else:
        assert answer.xml.findtext("error") == str(answer.status)


def test_too_large_a_body_is_refused_before_it_is_read(shared_app):
    for length in (LIMIT + 1, 10**9, 10**30, "9" * 6000):
        answer = send(shared_app, environ(DATABASE, CONTENT_LENGTH=str(length), stream=Unread()))
        assert_envelope(answer, 413)


def test_a_body_is_read_up_to_the_limit(shared_app):
    body = Endless()
    answer = send(shared_app, environ(DATABASE, CONTENT_LENGTH=str(LIMIT), stream=body))
    assert_envelope(answer, 400)
    assert body.taken == LIMIT


@pytest.mark.parametrize(
    "length", ["-1", "five", "5.0", "0x10", "1_0", "+5", "1 2", "٣", "\x00", "1,1", "99999999999999x"]
)
def test_a_content_length_that_is_not_a_number_is_refused(shared_app, length):
    answer = send(shared_app, environ(DATABASE, GOOD, CONTENT_LENGTH=length, stream=Unread()))
    assert_envelope(answer, 400)


@pytest.mark.parametrize("length", [None, "", " "])
def test_a_missing_content_length_is_refused(shared_app, length):
    assert_envelope(send(shared_app, environ(DATABASE, GOOD, CONTENT_LENGTH=length)), 411)


def test_a_body_shorter_than_its_content_length_is_refused(shared_app):
    assert_envelope(send(shared_app, environ(DATABASE, GOOD, CONTENT_LENGTH=str(len(GOOD) + 1))), 400)


def test_a_body_ends_at_its_content_length(shared_app):
    assert_envelope(send(shared_app, environ(DATABASE, GOOD, CONTENT_LENGTH=str(len(GOOD) - 1))), 400)
    longer = GOOD + b"garbage"
    assert send(shared_app, environ(DATABASE, longer, CONTENT_LENGTH=str(len(GOOD)))).status == 200


def test_a_body_that_arrives_in_small_pieces_is_read_whole(shared_app):
    class Drops(io.BytesIO):
        def read(self, size=-1):
            return super().read(min(size, 3))

    assert send(shared_app, environ(DATABASE, GOOD, stream=Drops(GOOD))).status == 200


MALFORMED_JSON = [
    b"",
    b"{",
    b"null",
    b"[]",
    b"7",
    b'"text"',
    b"{}{}",
    b"\xff\xfe",
    b"\x00",
    b"[" * 200_000,
    b'{"a":' * 200_000,
    b'{"token":"sandbox","id":' + b"9" * 10_000 + b',"resource_id":24}',
    b'{"token":"sandbox","id":1e400,"resource_id":24}',
    b'{"token":"sandbox","id":NaN,"resource_id":24}',
    b'{"token":"\\ud800","id":5,"resource_id":24}',
    b'{"token":"sandbox","id":5,"resource_id":24,"format":"\\u0000"}',
    b'{"token":"sandbox\xff","id":5,"resource_id":24}',
]
MALFORMED_XML = [
    b"",
    b"<xml>",
    b"<xml/>",
    b"<html></html>",
    b"text",
    b"<xml><id>5</id></xml></xml>",
    b"<xml>" * 20_000,
    b"<xml><id>" + b"9" * 10_000 + b"</id></xml>",
    b"<xml><token>sandbox</token><id>" + b"9" * 10_000 + b"</id><resource_id>24</resource_id></xml>",
    b"<xml><token>sandbox</token><id>5</id><id>5</id><resource_id>24</resource_id></xml>",
    b"<xml><token>sandbox</token><id>\xef\xbc\x95</id><resource_id>24</resource_id></xml>",
    b'<?xml version="1.0" encoding="nonsense"?><xml/>',
    b'<!DOCTYPE xml [<!ENTITY a "b">]><xml><token>&a;</token></xml>',
    b'<!DOCTYPE xml SYSTEM "file:///etc/passwd"><xml/>',
    b"<xml>\x00</xml>",
    b"\xff\xfe<\x00x\x00m\x00l\x00/\x00>\x00",
]


@pytest.mark.parametrize("accept", ["application/json", "application/xml"])
@pytest.mark.parametrize("body", MALFORMED_JSON)
def test_malformed_json_is_refused_in_the_requested_format(shared_app, body, accept):
    answer = send(shared_app, environ(DATABASE, body, HTTP_ACCEPT=accept))
    assert_envelope(answer, 400, 401)
    assert answer.headers["Content-Type"] == accept


@pytest.mark.parametrize("accept", ["application/json", "application/xml"])
@pytest.mark.parametrize("body", MALFORMED_XML)
def test_malformed_xml_is_refused_in_the_requested_format(shared_app, body, accept):
    answer = send(shared_app, environ(DATABASE, body, "application/xml", HTTP_ACCEPT=accept))
    assert_envelope(answer, 400, 401)
    assert answer.headers["Content-Type"] == accept


def test_entities_are_not_expanded(shared_app):
    body = b'<!DOCTYPE xml [<!ENTITY t "sandbox">]><xml><token>&t;</token><id>5</id><resource_id>24</resource_id></xml>'
    assert_envelope(send(shared_app, environ(DATABASE, body, "application/xml")), 400)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
NAMES = st.sampled_from(["token", "format", "id", "resource_id", "db_id", "list_id", "task_id", "feedback"]) | st.text()
PATHS = st.sampled_from(
    [f"{kind}/{verb}" for kind in ("segments", "databases") for verb in ("refresh_counters", "get_counters")]
    + ["resources/refresh_counters", "tasks/status"]
)


@pytest.mark.slow
@hypothesis.given(PATHS, st.dictionaries(NAMES, VALUES, max_size=6), st.booleans())
def test_any_json_object_gets_an_envelope(shared_app, path, parameters, with_token):
    if with_token:
        parameters = {**parameters, "token": TOKEN}
    answer = send(shared_app, environ(path, json.dumps(parameters).encode()))
    assert answer.status == 200 or answer.status in (400, 401, 404)
    assert b'"error":' in answer.body or b"<error>" in answer.body


@pytest.mark.slow
@hypothesis.given(
    PATHS, st.binary(max_size=200), st.sampled_from([None, "application/json", "application/xml", "text/xml"])
)
def test_any_bytes_get_an_envelope(shared_app, path, body, content_type):
    answer = send(shared_app, environ(path, body, content_type))
    assert_envelope(answer, 400, 401, 415)


@hypothesis.given(
    st.text(alphabet=st.characters(max_codepoint=255)),
    st.text(alphabet=st.characters(max_codepoint=255)),
    st.text(alphabet=st.characters(max_codepoint=255)),
    st.text(alphabet=st.characters(max_codepoint=255)),
)
def test_any_headers_get_an_envelope(shared_app, path, accept, content_type, authorization):
    answer = send(
        shared_app,
        environ(path, GOOD, content_type, HTTP_ACCEPT=accept, HTTP_AUTHORIZATION=authorization),
    )
    assert_envelope(answer, 404)
    answer = send(
        shared_app,
        environ(DATABASE, b"{}", content_type, HTTP_ACCEPT=accept, HTTP_AUTHORIZATION=authorization),
    )
    assert_envelope(answer, 400, 401, 415)


def test_an_internal_error_is_an_envelope_without_details(app, caplog):
    with app.rows() as rows:
        rows.execute("DROP TABLE statistics")
    answer = post(app, "databases/get_counters", {"id": 5, "resource_id": 24}, "xml")
    assert_envelope(answer, 500)
    assert b"statistics" not in answer.body
    assert "no such table: statistics" in caplog.text
    assert TOKEN not in caplog.text
