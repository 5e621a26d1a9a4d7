"""What an error says of a page that nginx made itself."""

from __future__ import annotations

import pytest

from altcraft import ApiError, Client
from integration.carriers import Session
from integration.scenario import TOKEN
from servers.programs import Nginx
from servers.upstream import NUMBERED, Numbered
from servers.wires import every_wire


@pytest.mark.parametrize(
    ("place", "title"),
    [
        ("tls", "400 The plain HTTP request was sent to HTTPS port"),
        ("tight", "413 Request Entity Too Large"),
        ("broken", "502 Bad Gateway"),
        ("late", "504 Gateway Time-out"),
    ],
)
def test_an_error_quotes_the_title_of_nginx_s_page(place: str, title: str, nginx: Nginx) -> None:
    with Client(nginx.places[place].url, TOKEN) as client:
        client.operations.register(NUMBERED)
        with pytest.raises(ApiError) as caught:
            client.submit(Numbered(5, 24, 0, padding="x" * 2000))
    assert title in str(caught.value)
    assert "<" not in str(caught.value)


@every_wire
def test_a_redirect_that_adds_a_slash_is_answered_with_the_path_to_declare(
    run: Session, transport: str, nginx: Nginx
) -> None:
    with (
        run.client(nginx.places["slashed"].url, TOKEN, transport=transport) as client,
        pytest.raises(ApiError, match="databases/get_counters/'") as caught,
    ):
        run.do(client.databases.get_counters(5, resource_id=24))
    assert caught.value.http_status == 301
    assert "set the client's URL" not in str(caught.value)


def test_a_redirect_to_another_address_is_answered_with_the_url_to_set(nginx: Nginx) -> None:
    with Client(nginx.places["moved"].url, TOKEN) as client, pytest.raises(ApiError, match="301") as caught:
        client.databases.get_counters(5, resource_id=24)
    assert str(caught.value).endswith("set the client's URL to https://new.example/crm/api/v1.1")
