"""Every number is counted from rows: a changed row changes the number."""

from __future__ import annotations

import pytest

from altcraft_plugins.sandbox import Sandbox
from altcraft_plugins.sandbox.counting.slices import COUNTERS
from altcraft_plugins.sandbox.data.tables import STATUSES
from plugins.sandbox.api import counted, counters, post


def database(app, id=5, resource_id=24):
    (entry,) = counted(app, "databases/refresh_counters", id=id, resource_id=resource_id)
    return entry


def segment(app, id, database=None, resource_id=24):
    where = {} if database is None else {"list_id": database}
    (entry,) = counted(app, "segments/refresh_counters", id=id, resource_id=resource_id, **where)
    return entry


@pytest.mark.parametrize("status", STATUSES)
def test_one_subscription_changed_moves_one_from_counter_to_counter(app, status):
    before = counters(database(app))
    with app.rows() as rows:
        rows.execute(
            "UPDATE subscriptions SET status = ?, reachable = 0 WHERE resource_id = 24 AND channel = 'email'"
            " AND profile_id = (SELECT min(profile_id) FROM subscriptions JOIN profiles ON profiles.id = profile_id"
            " WHERE database_id = 5 AND resource_id = 24 AND status = 'subscribed')",
            (status,),
        )
    expected = dict(before)
    expected["subscribed"] -= 1
    expected["subscribed_sendable"] -= 1
    expected[status] += 1
    assert counters(database(app)) == expected


def test_a_deleted_profile_is_counted_no_more(app):
    with app.rows() as rows:
        rows.execute(
            "DELETE FROM profiles WHERE id IN"
            " (SELECT profile_id FROM subscriptions JOIN profiles ON profiles.id = profile_id"
            " WHERE database_id = 5 AND resource_id = 24 AND status = 'hardbounced' LIMIT 11)"
        )
    entry = database(app)
    assert entry["total_count"] == 1325
    assert counters(entry)["hardbounced"] == 400
    assert counters(entry)["subscribed"] == 925
    assert counters(entry, "sms")["all"] == 1325


def test_an_unreachable_subscriber_is_subscribed_but_not_sendable(app):
    with app.rows() as rows:
        rows.execute("UPDATE subscriptions SET reachable = 0 WHERE resource_id = 24")
    found = counters(database(app))
    assert found["subscribed"] == 925
    assert found["subscribed_sendable"] == 0


def test_a_dynamic_segment_follows_its_profiles(app):
    assert counters(segment(app, 7, 1))["subscribed_sendable"] == 209
    with app.rows() as rows:
        rows.execute(
            "UPDATE profiles SET age = 17 WHERE id ="
            " (SELECT min(p.id) FROM profiles p JOIN subscriptions s ON s.profile_id = p.id AND s.resource_id = 24"
            " WHERE p.country = 'RS' AND p.age >= 18 AND s.channel = 'email' AND s.reachable)"
        )
    assert counters(segment(app, 7, 1))["subscribed_sendable"] == 208
    with app.rows() as rows:
        rows.execute("UPDATE profiles SET country = 'CY' WHERE database_id = 1")
    assert counters(segment(app, 7, 1)) == {"subscribed_sendable": 0, "unconfirmed_sendable": 0}


def test_a_dynamic_segment_can_be_asked_of_another_database(app):
    entry = segment(app, 7, 5)
    assert entry["list_id"] == 5
    with app.rows() as rows:
        (expected,) = rows.execute(
            "SELECT count(*) FROM profiles JOIN subscriptions ON profile_id = profiles.id"
            " WHERE database_id = 5 AND country = 'RS' AND age >= 18 AND resource_id = 24 AND channel = 'email'"
            " AND status = 'subscribed' AND reachable"
        ).fetchone()
    assert counters(entry)["subscribed_sendable"] == expected > 0


def test_a_static_segment_counts_its_members_and_knows_its_database(app):
    entry = segment(app, 8)
    assert entry["list_id"] == 5
    assert counters(entry)["subscribed_sendable"] == 200
    with app.rows() as rows:
        rows.execute("DELETE FROM members WHERE segment_id = 8")
    assert counters(segment(app, 8, 5))["subscribed_sendable"] == 0


def test_messenger_channels_are_counted_in_the_resources_order():
    with Sandbox(worker=False) as app:
        entry = database(app, id=9, resource_id=30)
    names = [channel["channel"] for channel in entry["channels"]]
    assert names == ["email", "sms", "push", "notify", "viber", "whatsapp", "telegram_bot"]
    for name in names:
        found = counters(entry, name)
        assert tuple(found) == COUNTERS
        assert found["all"] == 2000
        assert 0 < found["subscribed_sendable"] < found["subscribed"] < sum(found[s] for s in STATUSES) < 2000
        assert min(found.values()) > 0


def test_a_resource_counts_one_database_or_all_of_them(app):
    (one,) = counted(app, "resources/refresh_counters", id=24, list_id=5)
    assert counters(one)["hardbounced"] == 411
    every = counted(app, "resources/refresh_counters", id=24)
    assert [entry["list_id"] for entry in every] == [1, 5, 9]
    assert [entry["total_count"] for entry in every] == [1343, 1336, 50]
    assert every[1]["channels"] == one["channels"]


def test_get_counters_counts_now_before_the_first_refresh_and_repeats_its_result_after_it(app):
    asked = {"id": 5, "resource_id": 24}

    def hardbounced():
        (email, *_) = post(app, "databases/get_counters", asked).json["data"]
        return email["status"]["hardbounced"]

    with app.rows() as rows:
        rows.execute("UPDATE subscriptions SET status = 'invalid' WHERE status = 'hardbounced' AND resource_id = 24")
    assert hardbounced() == 0
    database(app)
    with app.rows() as rows:
        rows.execute("UPDATE subscriptions SET status = 'hardbounced' WHERE status = 'invalid' AND resource_id = 24")
    assert hardbounced() == 0
    database(app)
    assert hardbounced() == 411
