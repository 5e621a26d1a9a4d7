"""HTML pages in place of replies."""

from __future__ import annotations

import pytest

from altcraft import ApiError, DecodeError, NotFound, UnsafeXml
from exchange import HTML, JSON, XML, answer, both_formats, refused


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
