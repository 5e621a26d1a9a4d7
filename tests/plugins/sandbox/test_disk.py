"""A full or broken disk is 503 in the envelope. No traceback is logged, and no task is lost."""

from __future__ import annotations

import os
import sqlite3

import pytest

from altcraft_plugins.sandbox import Sandbox
from altcraft_plugins.sandbox.data.store import StoreUnavailable
from plugins.sandbox.api import finish, post, start, status

DATABASE = "databases/refresh_counters"
GOOD = {"id": 5, "resource_id": 24}


def fill(app):
    """Makes the database as large as sqlite allows it to be: more is a full disk."""
    with app.rows() as rows:
        (pages,) = rows.execute("PRAGMA page_count").fetchone()
        rows.execute(f"PRAGMA max_page_count = {pages}")


def empty(app):
    with app.rows() as rows:
        rows.execute("PRAGMA max_page_count = 1000000")


def until_refused(app, format):
    for _ in range(500):
        answer = post(app, DATABASE, GOOD, format)
        if answer.status != 200:
            return answer
    raise AssertionError("the disk is never full")


@pytest.mark.parametrize("format", ["json", "xml"])
def test_a_full_disk_is_a_503_and_passes(app, format, caplog):
    fill(app)
    answer = until_refused(app, format)
    assert (answer.status, answer.headers["Content-Type"]) == (503, f"application/{format}")
    assert b"the disk is full" in answer.body
    assert post(app, "databases/get_counters", GOOD, format).status == 200, "reading needs no space"
    empty(app)
    assert post(app, DATABASE, GOOD, format).status == 200
    assert [record.exc_info for record in caplog.records] == [None], "a traceback was logged"


def test_a_task_waits_for_space_and_goes_on(app):
    task_id = start(app, DATABASE, **GOOD)
    fill(app)
    until_refused(app, "json")
    for _ in range(3):
        assert app.step()
    empty(app)
    finish(app)
    assert status(app, task_id)["status"] == "completed"


def test_a_database_that_turns_read_only_is_a_503(tmp_path, caplog):
    with Sandbox(db=str(tmp_path / "sandbox.sqlite3"), worker=False) as app:
        with app.rows() as rows:
            rows.execute("PRAGMA query_only = ON")
        answer = post(app, DATABASE, GOOD)
        assert answer.status == answer.json["error"] == 503
        assert "can't be written" in answer.json["error_text"]
    assert [record.exc_info for record in caplog.records] == [None]


def test_a_full_disk_inside_rows_is_an_error_that_says_so(app):
    fill(app)
    large = "INSERT INTO meta VALUES ('large', hex(randomblob(10000000)))"
    with pytest.raises(StoreUnavailable, match="the disk is full"), app.rows() as rows:
        rows.execute(large)


def test_an_error_in_a_statement_is_not_taken_for_a_broken_disk(app):
    with pytest.raises(sqlite3.OperationalError, match="no such table"), app.rows() as rows:
        rows.execute("SELECT * FROM no_such")


@pytest.mark.skipif(os.name == "nt", reason="the directory's permissions are POSIX's")
def test_a_file_that_can_not_be_created_is_refused_in_words(tmp_path):
    with pytest.raises(ValueError, match="can't be used as a sandbox's database: unable to open"):
        Sandbox(db=str(tmp_path))
