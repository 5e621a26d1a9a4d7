"""What is sent."""

from __future__ import annotations

import json
from typing import Any
from xml.etree import ElementTree

import msgspec
import pytest

from altcraft import Feedback, PlainRequest
from altcraft.codecs import default_registry
from altcraft.exchange.requests import signed
from altcraft.schema import (
    DatabasesGetCounters,
    DatabasesRefreshCounters,
    Request,
    SegmentsGetCounters,
    SegmentsRefreshCounters,
    TaskStatusRequest,
)
from altcraft.wire.secret import Auth, Secret
from exchange import PATH, TOKEN, both_formats, both_modes, build, exchange
from golden import example


@both_formats
@both_modes
def test_content_type_accept_and_format_agree(format_: str, auth: Auth) -> None:
    request = build(SegmentsRefreshCounters(7, 24), format_, auth)
    assert request.headers["Content-Type"] == request.headers["Accept"] == f"application/{format_}"
    sent = default_registry().by_name(format_).decode(request.body, SegmentsRefreshCounters)
    assert sent.format == format_


@both_formats
def test_in_body_mode_the_token_is_in_the_body_and_nowhere_else(format_: str) -> None:
    request = build(SegmentsRefreshCounters(7, 24), format_)
    assert default_registry().by_name(format_).decode(request.body, SegmentsRefreshCounters).token == TOKEN
    assert TOKEN not in request.url
    assert not any(TOKEN in name + value for name, value in request.headers.items())


@both_formats
def test_in_bearer_mode_the_token_is_in_the_header_and_nowhere_else(format_: str) -> None:
    request = build(SegmentsRefreshCounters(7, 24), format_, "bearer")
    assert request.headers["Authorization"] == f"Bearer {TOKEN}"
    assert TOKEN not in request.url
    assert TOKEN.encode() not in request.body
    assert b"token" not in request.body


@both_formats
@both_modes
def test_without_a_token_none_is_sent(format_: str, auth: Auth) -> None:
    request = exchange(format_, auth, None).build(PATH, SegmentsRefreshCounters(7, 24))
    assert "Authorization" not in request.headers
    assert b"token" not in request.body


@both_modes
def test_the_clients_token_and_format_replace_those_of_the_request(auth: Auth) -> None:
    request = build(SegmentsRefreshCounters(7, 24, token="other", format="xml"), "json", auth)
    assert b"other" not in request.body
    assert json.loads(request.body)["format"] == "json"


def test_an_unknown_auth_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="'body', as documented, or 'bearer'"):
        exchange(auth="url")  # type: ignore[arg-type]  # on purpose


def test_a_request_is_a_post_to_its_path() -> None:
    request = build(SegmentsRefreshCounters(7, 24))
    assert (request.method, request.url) == ("POST", "https://your.host/api/v1.1/segments/refresh_counters")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("segments_refresh.request", SegmentsRefreshCounters(7, 24, db_id=1)),
        ("databases_refresh.request", DatabasesRefreshCounters(5, 24, Feedback("http://example.com/receiver"))),
        ("segments_refresh.status_request", TaskStatusRequest("930bfdb0-a5a8-4207-a77d-6b989bdea326")),
    ],
)
@both_formats
def test_the_bodies_are_those_of_the_pages(name: str, value: Request[Any], format_: str) -> None:
    sent = build(value, format_).body
    shown = example(name, format_).body
    if format_ == "json":
        assert json.loads(sent) == {**json.loads(shown), "format": "json"}
    else:
        assert leaves(sent) == leaves(shown) | {"/xml/format": "xml"}


def leaves(document: bytes) -> dict[str, str]:
    """The texts of a document without arrays, by their places."""

    def walk(element: ElementTree.Element, place: str) -> dict[str, str]:
        place += f"/{element.tag}"
        if not len(element):
            return {place: element.text or ""}
        return {key: text for child in element for key, text in walk(child, place).items()}

    return walk(ElementTree.fromstring(document), "")


class WithDefaults(PlainRequest[None], frozen=True, kw_only=True):
    """A request whose fields have defaults other than None."""

    file_format: str = "csv"
    limit: int = msgspec.field(default_factory=lambda: 10)
    tags: list[str] = msgspec.field(name="labels", default_factory=list)
    note: str | None = None


@both_formats
@both_modes
def test_a_field_that_equals_its_default_is_sent_unless_it_is_none(format_: str, auth: Auth) -> None:
    sent = default_registry().by_name(format_).decode(build(WithDefaults(), format_, auth).body, dict[str, object])
    assert {name: sent[name] for name in ("file_format", "limit", "labels", "format")} == {
        "file_format": "csv",
        "limit": 10 if format_ == "json" else "10",
        "labels": [] if format_ == "json" else "",
        "format": format_,
    }
    assert "note" not in sent
    assert ("token" in sent) is (auth == "body")


def test_a_request_with_defaults_shows_no_token_on_its_way() -> None:
    signed_request = signed(WithDefaults(), Secret(TOKEN), "json")
    assert TOKEN not in repr(signed_request)


class WithFactory(PlainRequest[None], frozen=True, kw_only=True):
    """A request whose only default is made by a function."""

    tags: list[str] = msgspec.field(default_factory=list)


def test_an_empty_list_is_sent_though_it_is_the_default() -> None:
    assert json.loads(build(WithFactory()).body)["tags"] == []


# Bad input never leaves.


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (SegmentsRefreshCounters("7", 24), "id"),  # type: ignore[arg-type]
        (SegmentsRefreshCounters(7, None), "resource_id"),  # type: ignore[arg-type]
        (SegmentsRefreshCounters(7, 24, db_id=1.5), "db_id"),  # type: ignore[arg-type]
        (SegmentsRefreshCounters(True, 24), "id"),
        (SegmentsGetCounters(7, 24, list_id="1"), "list_id"),  # type: ignore[arg-type]
        (DatabasesGetCounters(5, [24]), "resource_id"),  # type: ignore[arg-type]
        (DatabasesRefreshCounters(5, 24, "http://me"), "feedback"),  # type: ignore[arg-type]
        (TaskStatusRequest(930), "task_id"),  # type: ignore[arg-type]
    ],
    ids=lambda value: repr(value)[:70],
)
@both_formats
def test_a_field_of_the_wrong_type_is_a_type_error_naming_operation_and_field(
    request_: Request[Any], field: str, format_: str
) -> None:
    with pytest.raises(TypeError, match=f"^{PATH}: {field}: ") as caught:
        build(request_, format_)
    assert TOKEN not in str(caught.value)


class Integral:
    """An integer of another library, such as numpy's int64."""

    def __init__(self, value: int) -> None:
        self._value = value

    def __index__(self) -> int:
        return self._value


class Fraction(float):
    """A float of another library, such as numpy's float64."""


class Text(str):
    """A text of another library, such as numpy's str_."""

    __slots__ = ()


class Foreign:
    """A value that no request can carry."""


class Inner(msgspec.Struct, frozen=True):
    """A struct within a request."""

    id: int


class Deep(PlainRequest[None], frozen=True, kw_only=True):
    """A request whose values lie deep."""

    ids: tuple[int, ...] = ()
    by_name: dict[str, int] | None = None
    inner: Inner | None = None
    anything: object = None


@both_formats
def test_an_integer_of_another_library_is_sent_as_an_integer(format_: str) -> None:
    as_usual = build(SegmentsRefreshCounters(7, 24, db_id=2**70), format_)
    request = SegmentsRefreshCounters(Integral(7), Integral(24), db_id=Integral(2**70))  # type: ignore[arg-type]
    assert build(request, format_).body == as_usual.body


def test_an_integer_of_another_library_may_lie_deep() -> None:
    one: Any = Integral(1)
    request = Deep(ids=(one, 2), by_name={"a": one}, inner=Inner(one), anything=[one])
    sent = json.loads(build(request).body)
    assert (sent["ids"], sent["by_name"], sent["inner"], sent["anything"]) == ([1, 2], {"a": 1}, {"id": 1}, [1])


def test_a_text_and_a_number_of_another_library_are_sent_as_such() -> None:
    sent = json.loads(build(Deep(anything=[Text("a"), Fraction(0.5)])).body)
    assert sent["anything"] == ["a", 0.5]


def test_a_request_keeps_its_values_where_all_are_plain() -> None:
    request = SegmentsRefreshCounters(7, 24)
    assert exchange().checked(PATH, request) is request


def test_a_checked_request_has_plain_integers() -> None:
    checked = exchange().checked(PATH, SegmentsRefreshCounters(Integral(7), 24))  # type: ignore[arg-type]
    assert checked == SegmentsRefreshCounters(7, 24)
    assert type(checked.id) is int


@pytest.mark.parametrize(
    ("request_", "field", "kind"),
    [
        (SegmentsRefreshCounters(Foreign(), 24), "id", "Foreign"),  # type: ignore[arg-type]
        (SegmentsRefreshCounters(7, Foreign()), "resource_id", "Foreign"),  # type: ignore[arg-type]
        (SegmentsRefreshCounters(7, 24, list_id=Foreign()), "list_id", "Foreign"),  # type: ignore[arg-type]
        (Deep(ids=(Foreign(),)), "ids", "tuple"),  # type: ignore[arg-type]
        (Deep(anything=Foreign()), "anything", "Foreign"),
    ],
)
@both_formats
def test_a_value_that_no_request_can_carry_is_a_type_error_naming_the_field(
    request_: Request[Any], field: str, kind: str, format_: str
) -> None:
    with pytest.raises(TypeError, match=rf"^{PATH}: {field}: .*`{kind}`"):
        build(request_, format_)


@pytest.mark.parametrize("value", [Fraction(5.0), 5.0, "5", True, None, [5], Integral])
def test_a_value_that_is_no_integer_is_refused_for_an_integer(value: Any) -> None:
    with pytest.raises(TypeError, match=f"^{PATH}: id: "):
        build(DatabasesGetCounters(value, 24))
