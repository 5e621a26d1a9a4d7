"""Each careless transport here fails the case of the contract that is about its carelessness."""

from __future__ import annotations

import http.client
import time
from collections.abc import Callable
from typing import Any, ClassVar
from urllib.parse import urlsplit

import pytest

from altcraft import ConnectionLost, HttpRequest, HttpResponse, RequestTimeout, TransportError, TransportSettings
from altcraft.testing import TransportContract
from altcraft_transports.urllib3 import Urllib3Transport


class Plain:
    """http.client without any care, on a single connection."""

    def __init__(self, **options: object) -> None:
        self.connection: http.client.HTTPConnection | None = None

    def send(self, request: HttpRequest, *, timeout: float) -> HttpResponse:
        parts = urlsplit(request.url)
        if self.connection is None:
            self.connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=timeout)
        self.connection.request(request.method, parts.path, request.body, dict(request.headers))
        response = self.connection.getresponse()
        return HttpResponse(response.status, dict(response.getheaders()), response.read())

    def sleep(self, seconds: float) -> None:
        time.sleep(min(seconds, 5.5))

    def close(self) -> None:
        if self.connection is not None:
            self.connection.close()


class AllLost(Plain):
    """Calls every failure a lost connection."""

    def send(self, request: HttpRequest, *, timeout: float) -> HttpResponse:
        try:
            return super().send(request, timeout=timeout)
        except TimeoutError:
            raise RequestTimeout("too late") from None
        except (OSError, http.client.HTTPException) as error:
            raise ConnectionLost(str(error)) from error


class Wrapped(Urllib3Transport):
    """A transport without a fault, for the others to add one."""

    def __init__(self, **options: Any) -> None:
        super().__init__(TransportSettings(**options))

    def send(self, request: HttpRequest, *, timeout: float) -> HttpResponse:
        return super().send(request, timeout=timeout)


class Repeating(Wrapped):
    def send(self, request: HttpRequest, *, timeout: float) -> HttpResponse:
        try:
            return super().send(request, timeout=timeout)
        except ConnectionLost:
            return super().send(request, timeout=timeout)


class Talkative(Wrapped):
    def send(self, request: HttpRequest, *, timeout: float) -> HttpResponse:
        try:
            return super().send(request, timeout=timeout)
        except TransportError as error:
            raise type(error)(f"{error}: {request.body!r}") from None


class Revealing(Wrapped):
    """Shows the headers in the cause of its error."""

    def send(self, request: HttpRequest, *, timeout: float) -> HttpResponse:
        try:
            return super().send(request, timeout=timeout)
        except TransportError as error:
            raise type(error)("failed") from OSError(dict(request.headers))


class Judging(Wrapped):
    def send(self, request: HttpRequest, *, timeout: float) -> HttpResponse:
        response = super().send(request, timeout=timeout)
        if response.status >= 400:
            raise ConnectionLost(f"status {response.status}")
        return response


class Following(Wrapped):
    def send(self, request: HttpRequest, *, timeout: float) -> HttpResponse:
        response = super().send(request, timeout=timeout)
        location = response.headers.get("location")
        if location is None:
            return response
        base = request.url.rpartition("/")[0]
        return super().send(HttpRequest("GET", base + location, {}, b""), timeout=timeout)


class Sleepless(Wrapped):
    def sleep(self, seconds: float) -> None:
        pass


class Deaf(Wrapped):
    """Goes on after it was closed."""

    def close(self) -> None:
        pass


class Hoarding(Deaf):
    """Leaves its connections to the garbage collector, which does not get them."""

    hoard: ClassVar[list[Deaf]] = []

    def close(self) -> None:
        self.hoard.append(self)


class Faithful(Wrapped):
    """Uses a connection again, however long it was idle."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**(options | {"keep_idle": 1e9}))


class Literal(Wrapped):
    """Takes every Content-Encoding for a coding."""

    def send(self, request: HttpRequest, *, timeout: float) -> HttpResponse:
        response = super().send(request, timeout=timeout)
        if response.headers.get("content-encoding") == "utf-8":
            raise ConnectionLost("the reply has a coding that is not known")
        return response


CASES: list[Any] = [
    ("test_a_refused_connection_is_a_connect_error", Plain),
    ("test_a_refused_connection_is_a_connect_error", AllLost),
    pytest.param("test_a_reply_that_drips_ends_within_the_timeout", AllLost, marks=pytest.mark.slow),
    ("test_interim_replies_are_passed_over", AllLost),
    ("test_many_share_it_and_each_gets_its_own_reply", AllLost),
    pytest.param("test_closing_ends_sleeps_at_once_and_for_good", AllLost, marks=pytest.mark.slow),
    ("test_a_whole_refusal_counts_although_the_connection_is_reset_after_it", AllLost),
    ("test_a_request_that_may_have_been_processed_is_never_sent_again", Repeating),
    ("test_a_connection_reset_or_closed_after_the_request_is_lost", Repeating),
    ("test_a_reply_that_is_cut_short_is_lost", Talkative),
    ("test_no_reply_in_time_is_a_request_timeout", Revealing),
    ("test_every_status_is_a_reply_and_none_an_error", Judging),
    ("test_a_redirect_is_reported_and_not_followed", Following),
    ("test_it_sleeps_as_long_as_it_is_told", Sleepless),
    ("test_once_closed_it_sends_nothing", Deaf),
    pytest.param("test_closing_leaves_no_descriptor_to_the_garbage_collector", Hoarding, marks=pytest.mark.slow),
    ("test_a_connection_that_was_idle_for_too_long_is_not_used_again", Faithful),
    ("test_what_is_no_coding_is_passed_over", Literal),
]


class Contract(TransportContract):
    options = frozenset({"max_response", "keep_idle"})
    __test__ = False


# What careless transports leave behind does not matter here.
@pytest.mark.leaves_threads
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("case", "transport"), CASES, ids=lambda value: getattr(value, "__name__", value))
def test_a_careless_transport_fails_the_case(case: str, transport: Callable[..., Any]) -> None:
    with pytest.raises((AssertionError, TransportError, OSError, http.client.HTTPException)):
        getattr(Contract(), case)(transport)


def test_a_case_for_an_option_that_a_transport_lacks_is_skipped() -> None:
    with pytest.raises(pytest.skip.Exception, match="connections"):
        Contract().test_no_more_connections_are_open_than_allowed(Plain)


def test_the_contract_can_be_imported_without_pytest() -> None:
    import subprocess
    import sys

    program = "import sys; sys.modules['pytest'] = None; import altcraft.testing; altcraft.testing.TransportContract"
    subprocess.run([sys.executable, "-c", program], check=True)
