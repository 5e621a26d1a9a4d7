"""URLs: of the installation and of proxies, and what a message shows of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from altcraft import AsyncClient, Client
from altcraft.wire.url import api_base, ascii_url, proxy_url, sends_in_clear, shown_origin, shown_url

# The base of requests.


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
def test_a_url_without_a_path_gets_the_path_of_the_api(url: str, base: str, host: str) -> None:
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
def test_a_url_of_another_form_is_refused_without_showing_a_secret(url: str) -> None:
    with pytest.raises(ValueError, match="URL") as caught:
        api_base(url)
    assert "s3c" not in str(caught.value)


# International hosts.


@pytest.mark.parametrize(
    ("url", "ascii_form"),
    [
        ("https://рассылки.рф", "https://xn--80aqfdxha4f.xn--p1ai"),
        ("https://рассылки.рф:8443/api", "https://xn--80aqfdxha4f.xn--p1ai:8443/api"),
        ("https://РАССЫЛКИ.РФ", "https://xn--80aqfdxha4f.xn--p1ai"),
        ("https://рассылки。рф", "https://xn--80aqfdxha4f.xn--p1ai"),
        ("https://почта.example.com", "https://xn--80a1acny.example.com"),
        ("http://bücher.example", "http://xn--bcher-kva.example"),
        ("https://xn--80aqfdxha4f.xn--p1ai", "https://xn--80aqfdxha4f.xn--p1ai"),
        ("https://your_host.example.", "https://your_host.example."),
        ("HTTP://Your.Host", "http://Your.Host"),
        ("http://127.0.0.1:08080", "http://127.0.0.1:8080"),
        ("https://[2001:DB8:0::1]:1", "https://[2001:db8::1]:1"),
        ("https://your.host/рассылки/a%20b/c|d", "https://your.host/%D1%80%D0%B0%D1%81%D1%81%D1%8B%D0%BB%D0%BA%D0%B8/a%20b/c%7Cd"),
        ("http://имя:п@роль@рассылки.рф:3128", "http://%D0%B8%D0%BC%D1%8F:%D0%BF@%D1%80%D0%BE%D0%BB%D1%8C@xn--80aqfdxha4f.xn--p1ai:3128"),
        ("http://me:p%40ss@proxy:3128/", "http://me:p%40ss@proxy:3128/"),
    ],
)  # fmt: skip
def test_a_url_is_written_in_ascii(url: str, ascii_form: str) -> None:
    assert ascii_url(url) == ascii_form
    assert ascii_url(ascii_form) == ascii_form


def test_messages_name_the_host_as_the_user_wrote_it() -> None:
    assert api_base("https://рассылки.рф:8443") == (
        "https://xn--80aqfdxha4f.xn--p1ai:8443/api/v1.1",
        "рассылки.рф:8443",
    )


IMPOSSIBLE = [
    "https://your.host:0", "https://your.host:65536", "https://your.host:99999", "https://your.host:123456",
    "https://your.host:-1", "https://your.host:", "https://your.host:80a", "https://your.host:８０", "https://your.host:+80",
    f"https://{'a' * 64}.example", f"https://{'ж' * 60}.рф", f"https://{'.'.join(['a' * 63] * 4)}.example",
    "https://your..host", "https://.host", "https://.", "https://:80", "https://a℀b.example", "https://faß.example",
    "https://your\u00adhost", "https://your.host\x00", "https://your.host/a\x7f", "https://your.host/a\ud800",
    "https://[::1", "https://[::1::2]", "https://[1.2.3.4]", "https://[]", "https://[::1]x", "https://your[host]",
    "https://your%68ost", "https://your.host\\evil.example", "https://your!host", "https://a\u2028b",
]  # fmt: skip


@pytest.mark.parametrize("url", IMPOSSIBLE)
def test_a_host_or_port_that_cannot_exist_is_a_value_error(url: str) -> None:
    for read in (api_base, ascii_url):
        with pytest.raises(ValueError, match="URL"):
            read(url)


@pytest.mark.parametrize(
    ("url", "ascii_form"),
    [
        ("proxy.example:3128", "http://proxy.example:3128"),
        ("прокси.рф:3128", "http://xn--h1adldfi.xn--p1ai:3128"),
        ("me:s3cr3t@proxy", "http://me:s3cr3t@proxy"),
        ("me://s3cr3t@proxy", None),
        ("SOCKS5h://[::1]:1080", "socks5h://[::1]:1080"),
        ("https://proxy:8443/", "https://proxy:8443/"),
        ("http://proxy/path", None),
        ("http://proxy?x=1", None),
        ("http://proxy:0", None),
        ("http://proxy:99999", None),
        ("ftp://proxy", None),
        ("http://", None),
        ("", None),
    ],
)
def test_the_url_of_a_proxy_is_read_likewise(url: str, ascii_form: str | None) -> None:
    if ascii_form is not None:
        assert proxy_url(url) == ascii_form
        return
    with pytest.raises(ValueError, match="URL") as caught:
        proxy_url(url)
    assert "s3cr3t" not in str(caught.value)


@pytest.mark.parametrize("kind", [Client, AsyncClient])
@pytest.mark.parametrize("url", ["https://your.host:99999", f"https://{'ж' * 60}.рф"])
def test_a_client_refuses_an_impossible_url_when_it_is_made(kind: type[Client] | type[AsyncClient], url: str) -> None:
    with pytest.raises(ValueError, match="URL"):
        kind(url, token="a-token")


@given(st.text(st.sampled_from("hтp:/@.[]1%ßx\\?#& \n℀。-"), max_size=30))
def test_any_text_is_an_ascii_url_or_a_value_error(tail: str) -> None:
    try:
        read = ascii_url(f"https://{tail}")
    except ValueError:
        return
    assert read.isascii()
    assert read.isprintable()
    assert ascii_url(read) == read


# What a message shows.


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://your.host/api?token=s3cr3t", "https://your.host/api"),
        ("https://your.host/api#s3cr3t", "https://your.host/api"),
        ("https://me:s3cr3t@your.host/api", "https://your.host/api"),
        ("https://me:s3c@r3t@your.host", "https://your.host"),
        ("https://me:s3c/r3t@your.host", "https://…"),
        ("https://me:s3c?r3t@your.host", "https://…"),
        ("https://me:s3c#r3t@your.host", "https://…"),
        ("https://me:s3c@a/r3t@your.host", "https://…"),
        ("https://your.host/a@b", "https://…"),
        ("//your.host/a", "//your.host/a"),
        ("me:s3cr3t@your.host", "your.host"),
        ("/there", "/there"),
        ("", ""),
    ],
)
def test_a_message_shows_no_credentials_of_a_url(url: str, shown: str) -> None:
    assert shown_url(url) == shown


@pytest.mark.parametrize(
    "url", ["http://me:s3cr3t@:3128", "ftp://me:s3cr3t@proxy", "http://me:s3/cr3t@proxy:x", "me:s3cr3t@proxy"]
)
def test_the_error_about_a_proxys_url_shows_no_password(url: str) -> None:
    with pytest.raises(ValueError, match="URL") as caught:
        ascii_url(url)
    assert "s3" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://me.example/hooks/s3cr3t", "https://me.example"),
        ("http://me.example:8080", "http://me.example:8080"),
        ("https://user:s3cr3t@me.example/", "https://me.example"),
        ("s3cr3t", "…"),
    ],
)
def test_the_origin_of_a_url_shows_no_path(url: str, shown: str) -> None:
    assert shown_origin(url) == shown


# Plain http.


@pytest.mark.parametrize(
    "url",
    [
        "http://your.host", "HTTP://your.host:8080/api", "http://10.0.0.1", "http://127.0.0.1.evil.example",
        "http://localhost.example", "http://127.example", "http://[2001:db8::1]", "http://[::ffff:10.0.0.1]",
        "http://notlocalhost", "http://рассылки.рф",
    ],
)  # fmt: skip
def test_http_to_another_machine_is_sent_in_clear(url: str) -> None:
    assert sends_in_clear(url)


@pytest.mark.parametrize(
    "url",
    [
        "https://your.host", "http://localhost", "http://LOCALHOST:8080", "http://altcraft.localhost", "http://localhost.",
        "http://127.0.0.1:80", "http://127.1.2.3", "http://[::1]:8080", "http://[::ffff:127.0.0.1]", "http://0.0.0.0:1",
        "sandbox:/api/v1.1", "",
    ],
)  # fmt: skip
def test_https_and_this_machine_are_not_sent_in_clear(url: str) -> None:
    assert not sends_in_clear(url)
