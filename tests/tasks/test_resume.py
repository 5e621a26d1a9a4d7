"""The resume token: one word that gives back what it was made of, and clear words for what is none."""

from __future__ import annotations

import re
import zlib
from math import inf
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from altcraft import BadResumeToken, History
from altcraft.tasks import resume
from altcraft.tasks.resume import KEY_LENGTH, NOTE_LENGTH, Parked, ResumeToken, parse_resume_token

UUID = "930bfdb0-a5a8-4207-a77d-6b989bdea326"
TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
NOW = 1_790_000_000.0

words = st.text(st.characters(categories=["L", "N", "P", "S"]), min_size=1, max_size=60)
ids = words | st.uuids().map(str) | st.uuids().map(lambda uuid: uuid.hex) | st.uuids().map(lambda uuid: f"task_{uuid}")
fields = st.dictionaries(
    words, st.integers(-(2**31), 2**31) | words | st.none() | st.lists(words, max_size=3), max_size=4
)


@st.composite
def histories(draw: st.DrawFn, task_id: str) -> History:
    """What any polls may have shown: made by polls."""
    started = NOW - draw(st.integers(0, 10**6)) / 1000
    history = History.begin(started, draw(st.booleans()), task_id, announced=draw(st.booleans()))
    for _ in range(draw(st.integers(0, 6))):
        at = history.at + draw(st.integers(0, 90_000)) / 1000
        progress = draw(st.none() | st.integers(-1, 101) | st.floats(0, 100))
        history = history.observed(at, draw(words), progress)
    return history


@st.composite
def tokens(draw: st.DrawFn) -> ResumeToken:
    task_id = draw(ids)
    history = draw(histories(task_id))
    parked = Parked(
        state := draw(st.sampled_from(["idle", "sleeping", "backing_off"])),
        NOW if state == "idle" else NOW + draw(st.integers(-100, 10**6)) / 1000,
        history,
        failures := draw(st.integers(0, 20)),
        NOW - 7 if failures else 0.0,
        draw(st.just(-inf) | st.just(NOW - 60)),
        draw(st.just(inf) | st.just(NOW + 60)),
        draw(st.none() | st.just(0.0) | st.just(NOW + 5)),
    )
    return ResumeToken(
        task_id=task_id,
        operation=draw(st.none() | words | st.sampled_from(["segments/refresh_counters", "tasks/status"])),
        request=draw(st.none() | fields),
        key=draw(st.none() | ids),
        note=draw(st.just("") | words),
        traceparent=draw(st.sampled_from(["", TRACEPARENT, f"00-{'0' * 31}1-{'0' * 15}1-00"])),
        saved_at=NOW,
        submitted_at=draw(st.none() | st.just(NOW - 5)),
        parked=draw(st.none() | st.just(parked)),
    )


def as_values(value: object) -> Any:
    """A token as plain values, its times to the millisecond."""

    def rounded(part: object) -> object:
        if isinstance(part, dict):
            return {key: rounded(item) for key, item in part.items()}
        return round(part, 3) if isinstance(part, float) and abs(part) < inf else part

    return rounded(msgspec.to_builtins(value))


@given(tokens())
def test_a_token_gives_back_what_it_was_made_of(token: ResumeToken) -> None:
    assert as_values(parse_resume_token(token.encode())) == as_values(token)


@given(tokens())
def test_a_token_is_one_word(token: ResumeToken) -> None:
    assert re.fullmatch(r"[A-Za-z0-9_]+", token.encode())


@given(tokens())
def test_white_space_around_a_token_says_nothing(token: ResumeToken) -> None:
    assert parse_resume_token(f"\n {token.encode()} \n") == parse_resume_token(token.encode())


@given(tokens(), st.data())
def test_a_mangled_token_is_recognized(token: ResumeToken, data: st.DataObject) -> None:
    word = token.encode()
    place = data.draw(st.integers(0, len(word) - 1))
    other = data.draw(st.sampled_from("0aZ_x ").filter(lambda character: character != word[place]))
    mangled = data.draw(
        st.sampled_from(
            [
                word[:place] + other + word[place + 1 :],
                word[:-1],
                word[1:],
                word[4:],
                word * 2,
                word.lower(),
                word.upper(),
            ]
        )
    )
    if mangled.strip() == word:
        return
    with pytest.raises(BadResumeToken):
        parse_resume_token(mangled)


def test_a_token_of_a_task_just_submitted_has_about_120_characters() -> None:
    token = ResumeToken(
        task_id=UUID,
        operation="segments/refresh_counters",
        request={"id": 7, "resource_id": 24, "db_id": 1},
        key="0" * 31 + "1",
        saved_at=NOW,
        submitted_at=NOW,
    )
    assert len(token.encode()) <= 125


def test_a_traceparent_adds_at_most_35_characters_and_no_field_that_an_earlier_release_does_not_read() -> None:
    token = ResumeToken(task_id=UUID, operation="segments/refresh_counters", request={"id": 7}, key="0" * 31 + "1")
    traced = msgspec.structs.replace(token, traceparent=TRACEPARENT)
    assert len(traced.encode()) - len(token.encode()) <= 35
    assert len(content_of(traced)) == len(content_of(token)) == 9


def test_a_short_token_with_a_traceparent_is_longer_than_any_task_id() -> None:
    token = ResumeToken(task_id="7", traceparent=TRACEPARENT)
    assert len(token.encode()) > 72
    assert parse_resume_token(token.encode()).traceparent == TRACEPARENT


def content_of(token: ResumeToken) -> list[Any]:
    """What stands in a token, as MessagePack has it."""
    number = 0
    for digit in token.encode().removeprefix("at2_"):
        number = number * 62 + "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz".index(digit)
    data = number.to_bytes((number.bit_length() + 7) // 8, "big")
    content: list[Any] = msgspec.msgpack.decode(data[5:])
    return content


@pytest.mark.parametrize("seconds", [0.0, 1e-6, 3600.0])
def test_a_token_is_read_although_the_wall_clock_was_set_back_since_the_submission(seconds: float) -> None:
    now = 1_795_830_237.055458
    token = ResumeToken(task_id="task_1", saved_at=now, submitted_at=now + seconds)
    assert parse_resume_token(token.encode()).submitted_at == pytest.approx(now)


def test_a_token_with_a_full_history_has_at_most_300_characters() -> None:
    history = History.begin(NOW - 3600, True, UUID)
    for number in range(20):
        history = history.observed(NOW - 3000 + number * 150.123, "running", number * 4.37)
    token = ResumeToken(
        task_id=UUID,
        operation="databases/refresh_counters",
        request={"id": 5, "resource_id": 24},
        key="0" * 31 + "1",
        note="crm-42",
        saved_at=NOW,
        submitted_at=NOW - 3600,
        parked=Parked("backing_off", NOW + 30, history, 3, NOW - 7, NOW - 3500, NOW + 3600, NOW + 20),
    )
    assert len(token.encode()) <= 300


@pytest.mark.parametrize("task_id", [UUID, f"task_{UUID}", "7", "задача", "a.b-c~d"])
def test_a_bare_task_id_is_a_token_that_knows_no_operation(task_id: str) -> None:
    for text in (task_id, f"  {task_id}\n"):
        assert parse_resume_token(text) == ResumeToken(task_id=task_id)


@pytest.mark.parametrize("text", ["", " \n", "a b", "a\nb", "a\0b", "x" * 100])
def test_a_text_that_is_no_task_id_is_refused(text: str) -> None:
    with pytest.raises(BadResumeToken):
        parse_resume_token(text)


def test_the_json_form_of_version_1_is_read() -> None:
    token = parse_resume_token('{"v":1,"task_id":"a","operation":"b","host":"h"}')
    assert token == ResumeToken(task_id="a", operation="b")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "not a resume token"),
        ("{}", "not a resume token"),
        ('{"v":1}', "task_id"),
        ('{"v":"1","task_id":"a"}', "not a resume token"),
        ('{"v":1,"task_id":5}', "not a resume token"),
        ('{"v":1,"task_id":"a","operation":5}', "not a resume token"),
        ('{"v":1,"task_id":"a"}x', "not a resume token"),
        ('{"v":2,"task_id":"a"}', "version 2"),
        ('{"v":1,"task_id":""}', "without a task id"),
        ('{"v":1,"task_id":"\\ud800"}', "not a resume token"),
        ("at2_", "damaged"),
        ("at2_11", "damaged"),
        ("AT2_11", "damaged"),
        ("at2_" + "z" * 9000, "damaged"),
    ],
)
def test_a_broken_token_says_why(text: str, says: str) -> None:
    with pytest.raises(BadResumeToken, match=says):
        parse_resume_token(text)


def forged(**changes: Any) -> str:
    """A token whose checksum is right, and whose content no client would write."""
    history = [True, 5000000, 4000000, 4000000, 5000000, 5000000, 0.0, 3, "running", 30.0, 10.0, 0, False]
    parked = {
        "state": 1,
        "due": -1000000,
        "failures": 0,
        "since": 0,
        "began": None,
        "deadline": None,
        "late": None,
        "fb": False,
    }
    content = {
        "task_id": "t", "operation": 0, "request": {}, "key": "k", "note": "", "saved": 10**15, "submitted": 5000000,
        "parked": [*parked.values(), *history],
    }  # fmt: skip
    for name, value in changes.items():
        if name in parked:
            content["parked"][list(parked).index(name)] = value
        elif name.startswith("history_"):
            content["parked"][len(parked) + int(name[8:])] = value
        else:
            content[name] = value
    data = msgspec.msgpack.encode(list(content.values()))
    return "at2_" + resume._word(zlib.crc32(data).to_bytes(4, "big") + data)


def test_a_forged_token_of_plausible_values_is_read() -> None:
    assert parse_resume_token(forged()).parked is not None


@pytest.mark.parametrize(
    "changes",
    [
        {"task_id": ""}, {"task_id": 5}, {"task_id": b"12345"}, {"task_id": "a\nb"}, {"task_id": "x" * 5000},
        {"operation": 99}, {"operation": -9}, {"operation": ""}, {"operation": "a\0b"}, {"operation": 1.5},
        {"request": []}, {"request": 5}, {"key": ""}, {"key": "k" * (KEY_LENGTH + 1)},
        {"note": "n" * (NOTE_LENGTH + 1)},
        {"note": "a\x1b[31m"}, {"note": None}, {"saved": -1}, {"saved": 2**62}, {"saved": "now"}, {"submitted": -1},
        {"submitted": 10**16}, {"parked": []}, {"parked": [1, 2]}, {"parked": 5}, {"state": 7}, {"state": -1},
        {"due": 10**16}, {"due": "soon"}, {"failures": -1}, {"failures": 2**40}, {"deadline": 10**16},
        {"began": -(10**16)},
        {"late": 10**16, "fb": True}, {"history_1": 10**16}, {"history_2": 9000000}, {"history_3": 3000000},
        {"history_4": 3000000},
        {"history_5": 3000000}, {"history_6": 101.0}, {"history_7": -1}, {"history_7": 2**40},
        {"history_9": float("nan")},
        {"history_9": -5.0}, {"history_10": 0.0}, {"history_10": float("inf")}, {"history_11": -1},
    ],
)  # fmt: skip
def test_every_value_of_a_token_is_bounded(changes: dict[str, Any]) -> None:
    with pytest.raises(BadResumeToken):
        parse_resume_token(forged(**changes))


def test_a_large_request_stays_behind() -> None:
    token = ResumeToken(task_id="t", request={"filter": "x" * 3000}, saved_at=NOW)
    assert parse_resume_token(token.encode()).request is None


@given(st.text() | st.text("at2_019AZaz{}").map(lambda text: f"at2_{text}"))
def test_any_text_is_a_token_or_a_bad_resume_token(text: str) -> None:
    for candidate in (text, "{" + text):
        try:
            assert parse_resume_token(candidate).task_id
        except BadResumeToken:
            continue


@pytest.mark.parametrize("odd", [b"t-1", None, 7])
def test_what_is_no_text_is_a_type_error_that_says_so(odd: object) -> None:
    with pytest.raises(TypeError, match="pass it as a str"):
        parse_resume_token(odd)  # type: ignore[arg-type]  # what a queue may hand out
