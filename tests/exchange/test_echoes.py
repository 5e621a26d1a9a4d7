"""Tokens that a server echoes."""

from __future__ import annotations

from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from altcraft import ApiError, DecodeError, Unauthorized
from altcraft.codecs import default_registry
from altcraft.operations import default_operations, unknown_task
from altcraft.schema import SegmentsRefreshCounters
from exchange import DONE, JSON, TOKEN, XML, answer, both_formats, exchange, read, refused

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
    "text in a list": (200, JSON, f'{{"error":401,"error_text":["no such token","{TOKEN}"]}}'),
    "text in an object": (200, JSON, f'{{"error":401,"error_text":{{"{TOKEN}":"{TOKEN}"}}}}'),
    "code": (200, JSON, f'{{"error":"{TOKEN}"}}'),
    "title": (200, {}, f"<html><title>No {TOKEN}</title></html>"),
    "title in references": (200, {}, "<html><title>" + "".join(f"&#{ord(c)};" for c in TOKEN) + "</title></html>"),
    "content type": (200, {"Content-Type": f"a/{TOKEN}"}, "?"),
    "content type in other case": (200, {"Content-Type": f"A/{TOKEN.upper()}"}, "?"),
    "in other case": (200, JSON, f'{{"error":401,"error_text":"{TOKEN.upper()}"}}'),
    "percent-encoded": (302, {"Location": "/?" + "".join(f"%{ord(c):02X}" for c in TOKEN)}, ""),
    "percent-encoded path": (302, {"Location": "/" + "".join(f"%{ord(c):02x}" for c in TOKEN)}, ""),
    "base64": (200, JSON, f'{{"error":401,"error_text":"{b64encode(f"user:{TOKEN}".encode()).decode()}"}}'),
    "escaped in json": (200, {}, "?" + "".join(f"\\u{ord(c):04x}" for c in TOKEN)),
    "escaped in xml": (200, XML, "<xml>" + "".join(f"&#x{ord(c):X};" for c in TOKEN)),
    "utf-16": (200, {}, f"token {TOKEN}".encode("utf-16")),
    "utf-16 without a mark": (200, {}, f"token {TOKEN}".encode("utf-16-le")),
    "xml in utf-16": (200, XML, f"<xml><{TOKEN}/>".encode("utf-16")),
    "json in utf-16": (200, JSON, f'{{"error":401,"error_text":"{TOKEN}"}}'.encode("utf-16")),
    "page in utf-16": (502, {}, f"<html>{TOKEN}</html>".encode("utf-16-be")),
    "behind blanks": (200, {}, "? " + " " * 16_371 + TOKEN),
    "behind blanks, in utf-16": (200, {}, ("?" + " " * 8_184 + TOKEN).encode("utf-16")),
    "behind a long style": (200, {}, "<html><style>" + "x" * 16_345 + "</style>" + TOKEN),
    "many times": (200, {}, f"?{TOKEN}" * 1000),
    "at the edge of a text": (200, JSON, f'{{"error":400,"error_text":"{"x" * 990}{TOKEN}"}}'),
}

FORMS = (TOKEN, TOKEN.upper(), b64encode(TOKEN.encode()).decode()[:30], "".join(f"%{ord(c):02X}" for c in TOKEN))


@pytest.mark.parametrize(("status", "headers", "body"), ECHOES.values(), ids=ECHOES)
@both_formats
def test_a_token_that_the_server_echoes_is_masked_in_every_error(
    status: int, headers: dict[str, str], body: str | bytes, format_: str
) -> None:
    with pytest.raises((ApiError, DecodeError)) as caught:
        read(answer(body, headers, status), format_=format_)
    error: BaseException | None = caught.value
    while error is not None:
        shown = f"{error} {error!r} {vars(error)} {error.args}".replace("\\x00", "").replace("\x00", "")
        assert not [form for form in FORMS if form[:12].lower() in shown.lower()]
        error = error.__cause__


@given(st.text(max_size=30), st.text(max_size=30), st.sampled_from([200, 302, 401, 503]), st.booleans())
def test_a_token_is_masked_within_any_body(before: str, after: str, status: int, labelled: bool) -> None:
    body = (before + TOKEN + after).encode("utf-8", "replace")
    with pytest.raises((ApiError, DecodeError)) as caught:
        read(answer(body, JSON if labelled else {}, status))
    assert TOKEN not in f"{caught.value} {caught.value!r}"


STATUSES = {
    "status": TOKEN,
    "status in other case": TOKEN.upper(),
    "among other words": f"waiting for {TOKEN}",
}


@pytest.mark.parametrize("status", STATUSES.values(), ids=STATUSES)
@both_formats
def test_a_token_that_the_server_echoes_as_a_status_is_masked(status: str, format_: str) -> None:
    body = default_registry().by_name(format_).encode({"data": {"status": status, "progress": 5}, "error": 0})
    for operation in (default_operations().by_request(SegmentsRefreshCounters), unknown_task()):
        state = exchange(format_).status(operation, answer(body, {}), DONE)
        assert TOKEN not in state.status.lower()
        assert "***" in state.status
        assert state.progress == 5


def test_a_short_token_does_not_change_a_status() -> None:
    body = '{"data":{"status":"completed","result":[]},"error":0}'
    operation = default_operations().by_request(SegmentsRefreshCounters)
    assert exchange(token="comple").status(operation, answer(body), DONE).status == "completed"


@pytest.mark.parametrize("reference", ["&#1114112;", "&#x110000;"])
def test_a_reference_beyond_the_last_character_neither_hides_a_token_nor_costs_the_error(reference: str) -> None:
    error = refused(answer(f'{{"error":401,"error_text":"{reference}{TOKEN}{reference}"}}'), Unauthorized)
    assert f"{reference}***{reference}" in str(error)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_a_body_in_utf_16_is_quoted_as_text_without_the_token(encoding: str) -> None:
    error = refused(answer(f"no token {TOKEN} here".encode(encoding), {}, 502), ApiError)
    assert "no token *** here" in str(error)
