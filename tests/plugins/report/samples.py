"""Rows for reports: names that are counted every day, with numbers that move a little."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone

from altcraft_plugins.history import Row

NOW = datetime(2026, 11, 28, 7, 30, tzinfo=timezone.utc)
HOSTILE = "<script>alert(1)</script>\"'&</title></svg>\x00\u202e<b>"


def row(name: str, at: datetime, channel: str = "email", **counters: object) -> Row:
    return Row(name=name, at=at, channel=channel, counters=counters, segment_id=7, took=2.5)


def daily(names: Sequence[str], days: int, channels: Sequence[str] = ("email", "sms", "push")) -> list[Row]:
    """Counts of the last days, the newest an hour and a half before `NOW`."""
    rng = random.Random(4)
    rows: list[Row] = []
    for name in names:
        for channel in channels:
            subscribed, hard, unconfirmed = (
                rng.randint(20_000, 90_000),
                rng.randint(100, 5_000),
                rng.randint(500, 9_000),
            )
            for day in reversed(range(days)):
                subscribed = int(subscribed * (1 + rng.gauss(0.0005, 0.002)))
                unconfirmed = max(0, int(unconfirmed * (1 + rng.gauss(0, 0.01))))
                hard += rng.randint(0, 9)
                counters = {
                    "all": subscribed + hard + unconfirmed + 1500,
                    "subscribed": subscribed,
                    "unsubscribed": 1200,
                    "complained": 40,
                    "hardbounced": hard,
                    "unconfirmed": unconfirmed,
                    "suspended": 260,
                    "invalid": 0,
                    "subscribed_sendable": subscribed * 97 // 100,
                    "unconfirmed_sendable": unconfirmed * 9 // 10,
                }
                rows.append(row(name, NOW - timedelta(days=day, hours=1.5), channel, **counters))
    return rows
