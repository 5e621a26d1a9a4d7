"""The population is the same on every machine, and as large as `profiles` says."""

from __future__ import annotations

import hashlib
import time

import pytest

from altcraft_plugins.sandbox import Sandbox
from plugins.sandbox.api import counted, counters

TABLES = ("resources", "channels", "databases", "profiles", "subscriptions", "segments", "members")


def digest(app):
    found = hashlib.sha256()
    with app.rows() as rows:
        for table in TABLES:
            for row in sorted(map(repr, rows.execute(f"SELECT * FROM {table}"))):
                found.update(row.encode())
    return found.hexdigest()


def test_the_default_population_is_the_same_everywhere():
    # A change here changes the numbers of every user: mention it in the changelog.
    with Sandbox(worker=False) as app:
        found = digest(app)
    assert found == "f5f9de5f6b4524972777719ad4ab64fce8cb56c6fe0387451869eef50b8ed4fb"


def test_the_same_size_gives_the_same_population():
    with Sandbox(profiles=300) as one, Sandbox(profiles=300) as other, Sandbox(profiles=301) as larger:
        assert digest(one) == digest(other) != digest(larger)


def test_every_foreign_key_has_its_row(app):
    with app.rows() as rows:
        assert rows.execute("PRAGMA foreign_key_check").fetchall() == []


@pytest.mark.slow
def test_a_large_population_is_created_fast_and_keeps_the_documented_numbers():
    began = time.monotonic()
    with Sandbox(profiles=100_000, worker=False) as app:
        assert time.monotonic() - began < 20  # about two seconds on an idle machine
        (large,) = counted(app, "databases/refresh_counters", id=9, resource_id=30)
        (database,) = counted(app, "databases/refresh_counters", id=5, resource_id=24)
        (segment,) = counted(app, "segments/refresh_counters", id=7, resource_id=24, db_id=1)
    assert large["total_count"] == 100_000
    assert counters(large, "viber")["subscribed"] > 20_000
    assert counters(database)["hardbounced"] == 411
    assert counters(segment)["subscribed_sendable"] == 209


def test_a_smaller_population_is_the_beginning_of_a_larger_one():
    def people(app):
        with app.rows() as rows:
            return rows.execute("SELECT * FROM profiles WHERE database_id = 9 AND number < 50 ORDER BY id").fetchall()

    with Sandbox(profiles=50) as small, Sandbox(profiles=500) as large:
        assert len(people(small)) == 50
        assert people(small) == people(large)


@pytest.mark.parametrize(
    "settings",
    [
        {"profiles": -1},
        {"profiles": 10_000_001},
        {"pace": -1},
        {"pace": float("nan")},
        {"pace": float("inf")},
        {"tokens": []},
        {"tokens": [""]},
        {"tokens": "sandbox"},
    ],
)
def test_invalid_settings_are_refused(settings):
    with pytest.raises(ValueError, match=next(iter(settings))):
        Sandbox(**settings)
