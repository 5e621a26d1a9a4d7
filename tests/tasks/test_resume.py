"""The resume token: versioned JSON, and clear words for what is none."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from altcraft.tasks.resume import parse_resume_token, resume_token

words = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)


@given(words, st.none() | words)
def test_a_token_gives_back_what_it_was_made_of(task_id: str, operation: str | None) -> None:
    token = parse_resume_token(resume_token(task_id, operation))
    assert (token.task_id, token.operation) == (task_id, operation)


def test_a_token_is_versioned_json_without_anything_else() -> None:
    token = resume_token("930bfdb0-a5a8", "segments/refresh_counters")
    assert json.loads(token) == {"v": 1, "task_id": "930bfdb0-a5a8", "operation": "segments/refresh_counters"}
    assert "\n" not in token


@pytest.mark.parametrize("task_id", ["930bfdb0-a5a8-4207-a77d-6b989bdea326", "task_930bfdb0", "7", "a b", "задача"])
def test_a_bare_task_id_is_a_token_that_knows_no_operation(task_id: str) -> None:
    for text in (task_id, f"  {task_id}\n"):
        token = parse_resume_token(text)
        assert (token.task_id, token.operation) == (task_id, None)


def test_white_space_around_a_token_says_nothing() -> None:
    assert parse_resume_token(f"\n {resume_token('a', 'b')} \n") == parse_resume_token(resume_token("a", "b"))


def test_members_that_a_later_release_may_add_are_passed_over() -> None:
    assert parse_resume_token('{"v":1,"task_id":"a","operation":"b","host":"h"}').task_id == "a"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "empty"),
        (" \n", "empty"),
        ("{", "not a resume token"),
        ("{}", "not a resume token"),
        ('{"v":1}', "task_id"),
        ('{"v":"1","task_id":"a"}', "not a resume token"),
        ('{"v":1,"task_id":5}', "not a resume token"),
        ('{"v":1,"task_id":null}', "not a resume token"),
        ('{"v":1,"task_id":"a","operation":5}', "not a resume token"),
        ('{"v":1,"task_id":"a"}x', "not a resume token"),
        ('{"v":2,"task_id":"a"}', "version 2"),
        ('{"v":0,"task_id":"a"}', "version 0"),
        ('{"v":1,"task_id":""}', "without a task id"),
        ('{"v":1,"task_id":"\\ud800"}', "not a resume token"),
    ],
)
def test_a_broken_token_is_a_value_error_that_says_why(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        parse_resume_token(text)


@given(st.text())
def test_whatever_the_text_is_the_answer_is_a_token_or_a_value_error(text: str) -> None:
    for candidate in (text, "{" + text):
        try:
            assert parse_resume_token(candidate).task_id
        except ValueError:
            continue
