"""What an error advises after a redirect."""

from __future__ import annotations

import pytest

from altcraft.wire.redirect import redirect_text

BASE = "https://your.host/api/v1.1"
PATH = "segments/get_counters"


def advice(location: str | None, base: str = BASE, path: str = PATH, *, is_declared: bool = True) -> str:
    return redirect_text(base, path, location, is_declared=is_declared).partition("not followed: ")[2]


@pytest.mark.parametrize(
    "location",
    [
        f"{BASE}/{PATH}/",
        f"/api/v1.1/{PATH}/",
        f"//your.host/api/v1.1/{PATH}/",
        f"HTTPS://YOUR.HOST:443/api/v1.1/{PATH}/?token=secret#top",
        "get_counters/",
        f"  {BASE}/{PATH}/ ",
    ],
)
def test_where_a_slash_is_added_the_path_is_to_be_declared_with_it(location: str) -> None:
    assert advice(location) == "declare the path as Operation('segments/get_counters/', …)"


def test_where_a_slash_is_taken_off_the_path_is_to_be_declared_without_it() -> None:
    assert advice(f"{BASE}/{PATH}", path=f"{PATH}/") == "declare the path as Operation('segments/get_counters', …)"


def test_a_path_that_is_not_declared_is_the_servers_to_accept() -> None:
    assert advice(f"{BASE}/tasks/status/", path="tasks/status", is_declared=False) == (
        "have the server take 'tasks/status' as it is, since this path is fixed"
    )


@pytest.mark.parametrize(
    ("location", "new_base"),
    [
        (f"https://new.host/api/v1.1/{PATH}", "https://new.host/api/v1.1"),
        (f"//new.host/{PATH}", "https://new.host"),
        (f"/mail/api/v1.1/{PATH}", "https://your.host/mail/api/v1.1"),
        (f"https://user:pass@new.host:8443/x/{PATH}?token=secret", "https://new.host:8443/x"),
        (f"http://your.host/api/v1.1/{PATH}", "http://your.host/api/v1.1"),
    ],
)
def test_where_the_api_has_moved_the_clients_url_is_to_be_its_new_base(location: str, new_base: str) -> None:
    assert advice(location) == f"set the client's URL to {new_base}"


def test_from_http_to_https_the_clients_url_is_to_say_so() -> None:
    assert advice(f"{BASE}/{PATH}", base="http://your.host/api/v1.1") == f"set the client's URL to {BASE}"


def test_a_move_and_a_slash_are_both_said() -> None:
    assert advice(f"https://new.host/api/v1.1/{PATH}/") == (
        "set the client's URL to https://new.host/api/v1.1, and declare the path as "
        "Operation('segments/get_counters/', …)"
    )


def test_a_url_with_the_methods_path_in_it_is_to_be_the_base_alone() -> None:
    assert advice(f"{BASE}/{PATH}/{PATH}/", base=f"{BASE}/{PATH}") == (
        f"the client's URL has the path of the method in it: set it to {BASE}"
    )


@pytest.mark.parametrize("location", ["https://sso.host/login?next=x", "/", "/login", "http:", "?", "#", f"/{PATH}x"])
def test_what_leads_to_no_method_is_said_to_be_none(location: str) -> None:
    assert "check the URL" in advice(location)


def test_a_redirect_to_the_same_address_is_the_servers_fault() -> None:
    assert "fault is the server's" in advice(f"{BASE}/{PATH}")


@pytest.mark.parametrize("location", [None, "", "  "])
def test_a_redirect_without_a_location_says_so(location: str | None) -> None:
    assert redirect_text(BASE, PATH, location, is_declared=True) == "redirected, but the reply does not say where to"


def test_the_advice_never_has_the_methods_path_in_the_clients_url() -> None:
    for location in (f"https://new.host/api/v1.1/{PATH}/", f"{BASE}/{PATH}/", f"http://your.host/{PATH}"):
        url = advice(location).partition("set the client's URL to ")[2]
        assert PATH not in url.partition(",")[0]
