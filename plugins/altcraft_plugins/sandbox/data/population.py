"""The invented population: the same `profiles` give the same rows, on every machine and every Python.

All values follow from integer arithmetic, done by sqlite, on a profile's number inside its database. Two databases are
small and have exact counts: a profile's *rank* is its number shuffled by a multiplication, so "rank below 411" selects
exactly 411 profiles, spread over the whole table. The values of the third database, whose size is a setting, are
pseudo-random.
"""

from __future__ import annotations

import json
import sqlite3
from typing import Final

__all__ = ["DEFAULT_PROFILES", "MAX_PROFILES", "populate"]

DEFAULT_PROFILES: Final = 2_000
MAX_PROFILES: Final = 10_000_000

PRIME: Final = 2_147_483_647

RESOURCES: Final = {
    12: ("Newsletter", ("email",)),
    24: ("Shop", ("email", "push", "sms")),
    27: ("Shop, second brand", ("email", "push", "sms")),
    30: ("Messengers", ("email", "sms", "push", "notify", "viber", "whatsapp", "telegram_bot")),
}
DATABASES: Final = {1: "Customers", 5: "Members", 9: "Everybody"}
LARGE: Final = 9

# database: (id of the first profile, number of profiles, multiplier that turns numbers into ranks). The multiplier and
# the number of profiles have no common divisor.
EXACT: Final = {1: (1, 1343, 611), 5: (2_001, 1336, 577)}
LARGE_FIRST: Final = 1_000_001

# By channel: how many of 1,000 profiles of the large database have a subscription.
PRESENCE: Final = {
    "email": 950,
    "sms": 700,
    "push": 400,
    "notify": 250,
    "viber": 350,
    "whatsapp": 300,
    "telegram_bot": 150,
}

# Upper bounds, of 1,000, of the statuses in the large database. Above the last one the status is invalid.
MIXED: Final = (
    (690, "subscribed"),
    (790, "unsubscribed"),
    (803, "complained"),
    (890, "hardbounced"),
    (960, "unconfirmed"),
    (982, "suspended"),
)

SEGMENTS: Final[tuple[tuple[int, str, int | None, object], ...]] = (
    (
        7,
        "Adults in Serbia",
        None,
        {"all": [{"field": "country", "is": "RS"}, {"field": "age", "at_least": 18}]},
    ),
    (8, "Panel", 5, None),
    (
        11,
        "Sixty and over, or abroad",
        None,
        {"any": [{"field": "age", "at_least": 60}, {"field": "country", "is": "CY"}]},
    ),
    (12, "Every fourth", 9, None),
    (13, "Broken: asks for a field that no profile has", None, {"field": "shoe_size", "at_least": 50}),
)


def _random(salt: int, below: int) -> str:
    """SQL for a pseudo-random number from 0 to below-1, made from the column `number`. `salt` picks the sequence."""
    # Squaring modulo a prime scatters the numbers. Operands stay below 2**31, so products fit into sqlite's 64 bits.
    spread = f"((number * {48271 + 2 * salt * 69621} + {salt * 16807 + 1}) % {PRIME})"
    return f"(({spread} * {spread}) % {PRIME} / 7 % {below})"


def populate(connection: sqlite3.Connection, profiles: int) -> None:
    """Fills the empty tables. `profiles` is the size of database 9; 100,000 take about a second."""
    for resource, (name, channels) in RESOURCES.items():
        connection.execute("INSERT INTO resources VALUES (?, ?)", (resource, name))
        connection.executemany(
            "INSERT INTO channels VALUES (?, ?, ?)",
            [(resource, channel, position) for position, channel in enumerate(channels)],
        )
    connection.executemany("INSERT INTO databases VALUES (?, ?)", DATABASES.items())
    for segment, name, database, condition in SEGMENTS:
        text = None if condition is None else json.dumps(condition)
        connection.execute("INSERT INTO segments VALUES (?, ?, ?, ?)", (segment, name, database, text))
    _insert_database_1(connection)
    _insert_database_5(connection)
    _insert_database_9(connection, profiles)


def _insert_profiles(
    connection: sqlite3.Connection, database: int, first: int, count: int, country: str, age: str
) -> None:
    """Inserts `count` profiles with ids from `first` on. `country` and `age` are SQL over `number`."""
    connection.execute(
        f"""
        WITH RECURSIVE numbers (number) AS (
            SELECT 0 WHERE {count} > 0 UNION ALL SELECT number + 1 FROM numbers WHERE number + 1 < {count}
        )
        INSERT INTO profiles (id, database_id, number, email, country, age, registered)
        SELECT {first} + number, {database}, number, 'profile' || ({first} + number) || '@example.com',
               {country}, {age}, date('2019-01-01', '+' || {_random(3, 1900)} || ' days')
        FROM numbers
        """
    )


def _insert_subscriptions(
    connection: sqlite3.Connection, database: int, resource: int, channel: str, select: str
) -> None:
    """Inserts subscriptions. `select` is SQL for their status and reachable, over the columns of `profiles`."""
    connection.execute(
        f"INSERT INTO subscriptions SELECT ?, id, ?, {select} AND database_id = ? ORDER BY id",
        (resource, channel, database),
    )


def _rank(database: int) -> str:
    _, count, step = EXACT[database]
    return f"(number * {step} % {count})"


def _insert_database_1(connection: sqlite3.Connection) -> None:
    """Database 1: 240 of its 1,343 profiles belong to segment 7, and 209 of the 240 are reachable by email."""
    first, count, _ = EXACT[1]
    rank = _rank(1)
    # Outside the segment are children of its country, and adults of other countries.
    country = f"CASE WHEN {rank} < 300 THEN 'RS' WHEN {rank} < 700 THEN 'CY' ELSE 'ME' END"
    age = f"CASE WHEN {rank} >= 240 AND {rank} < 300 THEN 7 + {_random(1, 11)} ELSE 18 + {_random(1, 70)} END"
    _insert_profiles(connection, 1, first, count, country, age)
    for resource in (24, 27):
        status = (
            f"CASE WHEN {rank} < 209 THEN 'subscribed' WHEN {rank} < 229 THEN 'hardbounced'"
            f" WHEN {rank} < 240 THEN 'unsubscribed' WHEN {rank} < 320 THEN 'unconfirmed' ELSE 'subscribed' END"
        )
        reachable = f"{rank} < 209 OR ({rank} >= 240 AND {rank} % 9 <> 0)"
        _insert_subscriptions(connection, 1, resource, "email", f"{status}, {reachable} FROM profiles WHERE 1")
        outside = f"'subscribed', {rank} % 5 <> 0 FROM profiles WHERE {rank} >= 1100"
        _insert_subscriptions(connection, 1, resource, "push", outside)


def _insert_database_5(connection: sqlite3.Connection) -> None:
    """Database 5: on the email of resource 24, 411 of its 1,336 profiles have bounced and 925 are subscribed."""
    first, count, _ = EXACT[5]
    rank = _rank(5)
    _insert_profiles(
        connection,
        5,
        first,
        count,
        f"CASE {_random(2, 3)} WHEN 0 THEN 'RS' ELSE 'CY' END",
        f"18 + {_random(1, 70)}",
    )
    status = f"CASE WHEN {rank} < 411 THEN 'hardbounced' ELSE 'subscribed' END"
    _insert_subscriptions(connection, 5, 24, "email", f"{status}, {rank} >= 411 FROM profiles WHERE 1")
    _insert_subscriptions(connection, 5, 12, "email", f"'subscribed', {rank} % 4 <> 0 FROM profiles WHERE {rank} < 800")
    connection.execute(
        f"INSERT INTO members SELECT 8, id FROM profiles WHERE database_id = 5 AND {rank} >= 311 AND {rank} < 611"
    )


def _insert_database_9(connection: sqlite3.Connection, profiles: int) -> None:
    """Database 9: `profiles` profiles, with every channel and every status."""
    country = f"CASE {_random(2, 5)} WHEN 0 THEN 'RS' WHEN 1 THEN 'CY' WHEN 2 THEN 'ME' ELSE 'KZ' END"
    _insert_profiles(connection, LARGE, LARGE_FIRST, profiles, country, f"16 + {_random(1, 75)}")
    salt = 10
    for resource in (12, 30):
        for channel in RESOURCES[resource][1]:
            mixed = " ".join(f"WHEN d < {bound} THEN '{status}'" for bound, status in MIXED)
            inner = (
                f"SELECT id, {_random(salt, 1000)} AS d, {_random(salt + 1, 100)} AS r, {_random(salt + 2, 1000)} AS p"
            )
            _insert_subscriptions(
                connection,
                LARGE,
                resource,
                channel,
                f"CASE {mixed} ELSE 'invalid' END, (d < 690 OR d BETWEEN 890 AND 959) AND r < 93"
                f" FROM ({inner}, database_id FROM profiles) WHERE p < {PRESENCE[channel]}",
            )
            salt += 3
    connection.execute("INSERT INTO members SELECT 12, id FROM profiles WHERE database_id = 9 AND number % 4 = 0")
