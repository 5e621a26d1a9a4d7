"""The Retry-After header."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from altcraft.wire.retry_after import LONGEST_WAIT, retry_after

DATE = "Fri, 31 Dec 1999 23:59:29 GMT"
LATER = "Fri, 31 Dec 1999 23:59:59 GMT"


@pytest.mark.parametrize(
    ("asked", "seconds"),
    [
        ("120", 120.0), (" 5 ", 5.0), ("0", 0.0), ("007", 7.0),
        ("5.4", 6.0), ("5.0", 5.0), ("0.001", 1.0), (".5", 1.0), ("5.", 5.0), ("1.9999999999999999999", 2.0),
        ("86400", 86400.0), ("86401", LONGEST_WAIT), ("99999999999999999999", LONGEST_WAIT), ("9" * 400, LONGEST_WAIT),
        ("9" * 5000, LONGEST_WAIT), ("86399.5", 86400.0), ("86400.5", LONGEST_WAIT), ("0." + "0" * 400 + "1", 0.0),
    ],
)  # fmt: skip
@pytest.mark.parametrize("name", ["Retry-After", "retry-after", "RETRY-AFTER"])
def test_seconds_are_rounded_up_and_bounded(asked: str, seconds: float, name: str) -> None:
    assert retry_after({name: asked}) == seconds


@pytest.mark.parametrize(
    "asked",
    ["", " ", "soon", "-5", "-0.5", "+5", "5,4", "5, 10", "1e3", "0x10", "nan", "inf", "Infinity", "5 s", "5s", "٥",
     "５", "1_000", ".", "1.2.3", "--", "\0"],
)  # fmt: skip
def test_nonsense_asks_for_nothing(asked: str) -> None:
    assert retry_after({"Retry-After": asked, "Date": DATE}) is None


def test_no_header_asks_for_nothing() -> None:
    assert retry_after({"Date": DATE}) is None


@pytest.mark.parametrize(
    ("until", "since", "seconds"),
    [
        (LATER, DATE, 30.0),
        (DATE, LATER, 0.0),
        ("Friday, 31-Dec-99 23:59:59 GMT", DATE, 30.0),
        ("Fri Dec 31 23:59:59 1999", DATE, 30.0),
        ("Sat Jan  1 00:00:29 2000", DATE, 60.0),
        ("fri, 31 dec 1999 23:59:59 gmt", DATE, 30.0),
        ("Fri, 31 Dec 1999 23:59:59 UTC", DATE, 30.0),
        ("Fri, 31 Dec 1999 23:59:59 +0000", DATE, 30.0),
        ("Thu, 31 Dec 1998 23:59:60 GMT", "Thu, 31 Dec 1998 23:59:00 GMT", 59.0),  # a leap second
        ("Fri, 31 Dec 9999 23:59:59 GMT", DATE, LONGEST_WAIT),
        ("Sunday, 06-Nov-94 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:07 GMT", 30.0),
        ("Tuesday, 06-Nov-29 08:49:37 GMT", "Tue, 06 Nov 2029 08:49:07 GMT", 30.0),
    ],
)
def test_a_date_counts_from_the_replys_own(until: str, since: str, seconds: float) -> None:
    assert retry_after({"Retry-After": until, "Date": since}) == seconds


@pytest.mark.parametrize("number", range(1, 13))
def test_every_month_has_its_number(number: int) -> None:
    until = datetime(2026, number, 1, tzinfo=timezone.utc)
    since = until - timedelta(seconds=90)
    assert retry_after({"Retry-After": format_datetime(until, True), "Date": format_datetime(since, True)}) == 90.0


@pytest.mark.parametrize(
    ("until", "since"),
    [
        (LATER, None), (LATER, "today"), ("Fri, 31 Dec 1999 23:59:59", DATE), ("Fri, 31 Dec 1999 23:59:59 +0300", DATE),
        ("Fri, 31 Foo 1999 23:59:59 GMT", DATE), ("Fri, 32 Dec 1999 23:59:59 GMT", DATE),
        ("Fri, 31 Dec 1999 25:59:59 GMT", DATE), ("Fri, 31 Dec 0000 23:59:59 GMT", DATE),
        ("Fri, 31 Dec 1999 23:59 GMT", DATE), ("Fri, 31 Dec 1999 23:5:599 GMT", DATE),
        ("Fri, 31 Dec 1999 ::::::59 GMT", DATE),
    ],
)  # fmt: skip
def test_a_date_that_makes_no_sense_asks_for_nothing(until: str, since: str | None) -> None:
    assert retry_after({"Retry-After": until} | ({} if since is None else {"Date": since})) is None


@given(st.text(max_size=40) | st.text("0123456789:-., GMTfridecx", max_size=40), st.text(max_size=30) | st.just(DATE))
def test_no_header_breaks_the_reading(asked: str, since: str) -> None:
    seconds = retry_after({"Retry-After": asked, "Date": since})
    assert seconds is None or 0 <= seconds <= LONGEST_WAIT
