"""Bodies that are no reply of the platform: what an error quotes of them."""

from __future__ import annotations

import pytest

from altcraft import ApiError, DecodeError, NotFound, UnsafeXml
from altcraft.wire.excerpt import excerpt
from altcraft.wire.secret import Secret
from exchange import HTML, JSON, XML, answer, both_formats, refused

XHTML = (
    '<?xml version="1.0"?>\n<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Strict//EN" "http://www.w3.org/TR/xhtml1">\n'
    '<html xmlns="http://www.w3.org/1999/xhtml"><head><title>Login</title></head><body/></html>'
)
PAGES = {
    HTML: "502 Bad Gateway",
    "<html>\n<body>502\n\n  wrong <b>gateway</b></body>": "502 wrong gateway",
    "\n  <!doctype HTML public ''>\n<p>Please  log in": "Please log in",
    "\ufeff<!DOCTYPE html><!-- secret --><style>p{}</style><script>go()</script><p>Caf&eacute; &amp; &#x42f;": (
        "Caf&eacute; & Я"
    ),
    "<HTML><TITLE>\n Moved\n</TITLE><P>nothing": "Moved",
    "<html><title></title><h1>Down for work</h1>": "Down for work",
    "<!-- from the proxy --><!DOCTYPE html><title>Behind a comment</title>": "Behind a comment",
    XHTML: "Login",
}


@pytest.mark.parametrize(("page", "quoted"), PAGES.items())
@pytest.mark.parametrize("headers", [{"Content-Type": "text/html"}, {}, JSON, XML])
@both_formats
def test_an_html_page_at_http_200_is_a_decode_error_that_quotes_its_title_or_its_text(
    page: str, quoted: str, headers: dict[str, str], format_: str
) -> None:
    error = refused(answer(page, headers), DecodeError, format_)
    assert error.message() == f"an HTML page came instead of {format_}: {quoted!r}"


@pytest.mark.parametrize("content_type", ["text/html; charset=utf-8", "application/xhtml+xml", "TEXT/HTML"])
@pytest.mark.parametrize("page", ["<head><title>Hm</title></head>", "<h1>Hm</h1>", "<!DOCTYPE foo><p>Hm", "<br/>Hm"])
def test_a_body_labelled_html_without_the_apis_root_is_a_page(content_type: str, page: str) -> None:
    error = refused(answer(page, {"Content-Type": content_type}), DecodeError, "xml")
    assert error.message() == "an HTML page came instead of xml: 'Hm'"


@pytest.mark.parametrize("status", [500, 502, 503, 404])
def test_an_html_page_at_an_http_error_is_an_api_error_that_quotes_its_title(status: int) -> None:
    error = refused(answer(HTML, {"Content-Type": "text/html"}, status), NotFound if status == 404 else ApiError)
    assert error.http_status == status
    assert error.text == "an HTML page came instead of json: '502 Bad Gateway'"
    assert isinstance(error.__cause__, DecodeError)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-8-sig", "windows-1251", "koi8-r"])
@pytest.mark.parametrize("labelled", [True, False])
def test_a_page_is_quoted_in_its_own_encoding(encoding: str, labelled: bool) -> None:
    header = {"Content-Type": f"text/html; charset={encoding}"} if labelled else {}
    page = f"<html><meta charset='{encoding}'><title>Ошибка шлюза</title></html>".encode(encoding)
    assert "'Ошибка шлюза'" in str(refused(answer(page, header), DecodeError))


@pytest.mark.parametrize(
    "name", ["idna", "base64", "unicode_escape", "no-such-charset", "utf-7", "cp99999", "undefined"]
)
def test_a_page_with_an_unknown_charset_is_quoted(name: str) -> None:
    page = f"<html><meta charset='{name}'><title>Down</title></html>"
    assert "'Down'" in str(refused(answer(page, {"Content-Type": f"text/html; charset={name}"}), DecodeError))


@pytest.mark.parametrize(
    ("body", "headers", "quoted"),
    [
        ('{\n  "hello": {\n    "world": 1\n  }\n}', JSON, '{ "hello": { "world": 1 } }'),
        ('<?xml version="1.0"?>\n<!-- hm -->\n<answer>\n  <a>1</a>\n</answer>', XML, "<answer> <a>1</a> </answer>"),
        ("upstream connect error\r\nor disconnect", {}, "upstream connect error or disconnect"),
        ("\x1b[31mred\x1b[0m", {"Content-Type": "text/plain"}, "\x1b[31mred\x1b[0m"),
    ],
)
def test_any_other_body_is_quoted_by_its_first_words(body: str, headers: dict[str, str], quoted: str) -> None:
    text = str(refused(answer(body, headers), DecodeError))
    assert text.endswith(repr(quoted))
    assert text.isprintable()


@pytest.mark.parametrize(
    "page", ["<html>" + "x" * 10_000, "<html><title>" + "x" * 100_000, "x" * 10**6, "<html>" + "<" * 10**5]
)
def test_a_quotation_is_bounded(page: str) -> None:
    error = refused(answer(page, {}), DecodeError)
    assert len(str(error)) < 400


@pytest.mark.parametrize("page", ["<html></html>", "<!DOCTYPE html>", "<html><title> </title>"])
def test_a_page_without_a_word_is_said_to_be_empty(page: str) -> None:
    assert refused(answer(page, {}), DecodeError).message() == "an HTML page came instead of json: an empty page"


def test_a_document_type_in_the_answer_is_unsafe_xml() -> None:
    refused(answer('<!DOCTYPE xml [<!ENTITY e "x">]><xml><error>&e;</error></xml>', XML), UnsafeXml, "xml")


@pytest.mark.parametrize("body", ['{\n  "message": "no route"\n}', '{"errors": ["no route"]}'])
def test_a_refusal_in_another_services_json_quotes_it(body: str) -> None:
    """Its status alone says little: a gateway tells in the body why it has refused."""
    error = refused(answer(body, JSON, 502), ApiError, "json")
    assert "no envelope of this API; it begins: " in error.text
    assert "no route" in error.text


def test_a_token_that_looks_like_a_tag_in_part_is_masked_in_a_page_too() -> None:
    page = b"<html><title>unknown: Se+cret/Token<9></title></html>"
    assert excerpt(page, "text/html", Secret("Se+cret/Token<9>")) == "'unknown: ***'"
