"""The sandbox's tables, as SQL.

There are three groups: the platform's data (`resources` to `members`), the finished counts (`statistics`), and the work
(`tasks`, `submissions` and `deliveries`). A profile without a subscription to a channel has no row in `subscriptions`.
"""

from __future__ import annotations

from typing import Final

__all__ = ["ADDED", "APPLICATION_ID", "STATUSES", "TABLES"]

APPLICATION_ID: Final = 0x414C5453
"""sqlite's application_id, which marks a database file as a sandbox's."""

STATUSES: Final = (
    "subscribed",
    "unsubscribed",
    "complained",
    "hardbounced",
    "unconfirmed",
    "suspended",
    "invalid",
)
"""The statuses of a subscription. Each has a counter of the same name."""

TABLES: Final = f"""
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

CREATE TABLE resources (id INTEGER PRIMARY KEY, name TEXT NOT NULL);

CREATE TABLE channels (
    resource_id INTEGER NOT NULL REFERENCES resources (id),
    channel TEXT NOT NULL,
    position INTEGER NOT NULL,
    PRIMARY KEY (resource_id, channel)
) WITHOUT ROWID;

CREATE TABLE databases (id INTEGER PRIMARY KEY, name TEXT NOT NULL);

CREATE TABLE profiles (
    id INTEGER PRIMARY KEY,
    database_id INTEGER NOT NULL REFERENCES databases (id),
    number INTEGER NOT NULL,
    email TEXT NOT NULL,
    country TEXT NOT NULL,
    age INTEGER NOT NULL,
    registered TEXT NOT NULL
);
CREATE INDEX profiles_of_database ON profiles (database_id);

CREATE TABLE subscriptions (
    resource_id INTEGER NOT NULL,
    profile_id INTEGER NOT NULL REFERENCES profiles (id) ON DELETE CASCADE,
    channel TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ({", ".join(repr(status) for status in STATUSES)})),
    reachable INTEGER NOT NULL CHECK (reachable IN (0, 1)),
    PRIMARY KEY (resource_id, profile_id, channel),
    FOREIGN KEY (resource_id, channel) REFERENCES channels (resource_id, channel)
) WITHOUT ROWID;

-- A static segment has a database and members. A dynamic one has a condition, and applies to any database.
CREATE TABLE segments (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    database_id INTEGER REFERENCES databases (id),
    condition TEXT,
    CHECK ((database_id IS NULL) <> (condition IS NULL))
);

CREATE TABLE members (
    segment_id INTEGER NOT NULL REFERENCES segments (id) ON DELETE CASCADE,
    profile_id INTEGER NOT NULL REFERENCES profiles (id) ON DELETE CASCADE,
    PRIMARY KEY (segment_id, profile_id)
) WITHOUT ROWID;

-- The last finished count of each target; `entry` is the JSON of one element of a task's result.
CREATE TABLE statistics (
    kind TEXT NOT NULL,
    id INTEGER NOT NULL,
    list_id INTEGER NOT NULL,
    resource_id INTEGER NOT NULL,
    entry TEXT NOT NULL,
    PRIMARY KEY (kind, id, list_id, resource_id)
) WITHOUT ROWID;

-- `work` is the state of the count as JSON, `result` the finished result as JSON.
CREATE TABLE tasks (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('queued', 'running', 'completed', 'failed')),
    progress INTEGER NOT NULL,
    work TEXT NOT NULL,
    result TEXT,
    failure TEXT,
    feedback_type TEXT,
    feedback_url TEXT,
    created TEXT NOT NULL,
    finished TEXT
);
CREATE INDEX tasks_unfinished ON tasks (number) WHERE status IN ('queued', 'running');
"""

ADDED: Final = (
    """
-- The deliveries of feedback, made or still to be made. `due` is in Unix seconds.
CREATE TABLE IF NOT EXISTS deliveries (
    task_id TEXT PRIMARY KEY REFERENCES tasks (id) ON DELETE CASCADE,
    state TEXT NOT NULL CHECK (state IN ('pending', 'delivered', 'given up', 'withheld')),
    attempts INTEGER NOT NULL,
    due REAL NOT NULL,
    outcome TEXT
) WITHOUT ROWID
""",
    """
-- Every processed submission, also of a task that a fault has made vanish. `parameters` is JSON without the token.
-- `number` counts the submissions with the same parameters. `fault` is the task's fault as JSON, until it has happened.
CREATE TABLE IF NOT EXISTS submissions (
    task_id TEXT PRIMARY KEY,
    operation TEXT NOT NULL,
    parameters TEXT NOT NULL,
    number INTEGER NOT NULL,
    fault TEXT
) WITHOUT ROWID
""",
    "CREATE INDEX IF NOT EXISTS submissions_by_request ON submissions (operation, parameters)",
)
"""Statements that are executed whenever a file is opened: files of earlier versions lack these tables."""
