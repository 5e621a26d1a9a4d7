"""URLs of installations."""

from __future__ import annotations

import pytest

from altcraft.wire.url import api_base


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
