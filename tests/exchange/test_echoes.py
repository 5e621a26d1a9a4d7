"""Tokens that a server echoes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from altcraft import ApiError, DecodeError
from exchange import JSON, TOKEN, XML, answer, both_formats, read

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
