"""Trends: which rows make one series, and how its counters and shares have changed."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from altcraft_plugins.history import Row, series_of

DAY = datetime(2026, 11, 20, 6, 0, tzinfo=timezone.utc)


def row(day: int = 0, *, name: str = "A", channel: str = "email", **more: Any) -> Row:
    counters = more.pop("counters", {"all": 200, "subscribed": 100 + day})
    return Row(name=name, at=DAY + timedelta(days=day), channel=channel, counters=counters, **more)


def test_a_change_goes_from_the_oldest_count_to_the_newest_in_any_order_of_rows() -> None:
    (series,) = series_of([row(2), row(0), row(1)])
    change = series.change_of("subscribed")
    assert change is not None
    assert [point.count for point in change.points] == [100, 101, 102]
    assert (change.first.count, change.last.count, change.change) == (100, 102, 2)
    assert change.percentage_points == pytest.approx(1.0)
    assert change.latest == pytest.approx(0.5)


def test_a_single_count_has_no_latest_change() -> None:
    (series,) = series_of([row()])
    change = series.change_of("subscribed")
    assert change is not None
    assert (change.change, change.latest, change.percentage_points) == (0, None, 0.0)


def test_a_share_is_of_all_or_of_the_databases_total_or_unknown() -> None:
    def share(**more: Any) -> float | None:
        (series,) = series_of([row(**more)])
        change = series.change_of("subscribed")
        assert change is not None
        return change.last.share

    assert share(counters={"all": 400, "subscribed": 100}, total_count=1000) == 0.25
    assert share(counters={"subscribed": 100}, total_count=1000) == 0.1
    assert share(counters={"all": "many", "subscribed": 100}, total_count=1000) == 0.1
    assert share(counters={"subscribed": 100}) is None
    assert share(counters={"all": 0, "subscribed": 0}) is None
    assert share(counters={"all": 10**400, "subscribed": 10**800}) is None


def test_counters_come_in_the_order_of_the_documentation_then_the_others() -> None:
    counters = {"seen": 1, "invalid": 0, "open_rate": 0.5, "subscribed": 2, "all": 3, "flag": True}
    (series,) = series_of([row(counters=counters)])
    assert [change.counter for change in series.changes] == ["all", "subscribed", "invalid", "seen"]
    assert series.change_of("open_rate") is None


def test_names_are_sorted_and_channels_keep_their_order() -> None:
    rows = [row(name=name, channel=channel) for name in ("b", "A") for channel in ("sms", "email")]
    assert [(series.name, series.label) for series in series_of(rows)] == [
        ("A", "sms"), ("A", "email"), ("b", "sms"), ("b", "email"),
    ]  # fmt: skip


def test_names_with_numbers_are_sorted_as_people_do() -> None:
    names = ["Group 4", "group 39", "Group 004b", "4", "", "Group", f"Group {'9' * 5000}", "Группа 2", "Группа 10"]
    assert [series.name for series in series_of(row(name=name) for name in reversed(names))] == [
        "", "4", "Group", "Group 4", "Group 004b", "group 39", f"Group {'9' * 5000}", "Группа 2", "Группа 10",
    ]  # fmt: skip


def test_databases_and_installations_of_one_name_are_told_apart() -> None:
    databases = series_of([row(list_id=1), row(list_id=5)])
    assert [series.label for series in databases] == ["email, database 1", "email, database 5"]
    hosts = series_of([row(host="a.example"), row(host="b.example")])
    assert [series.label for series in hosts] == ["email, a.example", "email, b.example"]


def test_an_imported_count_without_a_host_belongs_to_the_one_installation() -> None:
    (series,) = series_of([row(0), row(1, host="a.example", list_id=None)])
    assert series.label == "email"
    assert len(series.rows) == 2
