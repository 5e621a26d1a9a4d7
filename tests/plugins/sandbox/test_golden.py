"""The documented examples, byte by byte, counted from rows."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from plugins.sandbox.api import child, counted, counters, finish, post, start

DATA = Path(__file__).parent / "data"

TIMES = {
    "updated": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z",
    "last_count_time": r"counted at \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ in \d+(?:\.\d+)?(?:ns|µs|ms|s)",
}


def reference(kind: str, format: str) -> str:
    """The documented example without white space between its elements."""
    text = (DATA / f"{kind}_status.{format}").read_text()
    if format == "json":
        return json.dumps(json.loads(text), separators=(",", ":"))
    return re.sub(r">\s+<", "><", text.strip())


def without_times(text: str) -> str:
    """The text with its times, if they have the documented form, replaced by TIME."""
    for name, form in TIMES.items():
        text = re.sub(rf'("{name}":"|<{name}>){form}(?=["<])', r"\1TIME", text)
    return text


GOLDEN = [
    ("segment", "segments/refresh_counters", {"id": 7, "resource_id": 27, "db_id": 1}),
    ("database", "databases/refresh_counters", {"id": 5, "resource_id": 24}),
]


@pytest.mark.parametrize("format", ["json", "xml"])
@pytest.mark.parametrize(("kind", "path", "parameters"), GOLDEN, ids=["segment", "database"])
def test_a_finished_task_answers_the_documented_bytes(app, kind, path, parameters, format):
    task_id = start(app, path, **parameters)
    finish(app)
    answer = post(app, "tasks/status", {"task_id": task_id}, format)
    assert answer.headers["Content-Type"] == f"application/{format}"
    expected = without_times(reference(kind, format))
    assert "TIME" in expected
    assert without_times(answer.body.decode()) == expected


def test_the_documented_segment_has_the_same_numbers_on_both_of_its_resources(app):
    (asked,) = counted(app, "segments/refresh_counters", id=7, resource_id=24, db_id=1)
    (shown,) = counted(app, "segments/refresh_counters", id=7, resource_id=27, db_id=1)
    assert asked["resource_id"] == 24
    assert shown["resource_id"] == 27
    assert asked["channels"] == shown["channels"]
    assert counters(asked) == {"subscribed_sendable": 209, "unconfirmed_sendable": 0}


@pytest.mark.parametrize("format", ["json", "xml"])
def test_a_refresh_answers_with_a_task_id_and_nothing_else(app, format):
    answer = post(app, "databases/refresh_counters", {"id": 5, "resource_id": 24}, format)
    uuid = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
    shape = {
        "json": r'{"data":{"task_id":"UUID"},"error":0,"error_text":"Successful operation"}',
        "xml": r"<xml><data><task_id>UUID</task_id></data><error>0</error>"
        r"<error_text>Successful operation</error_text></xml>",
    }[format]
    assert re.fullmatch(shape.replace("UUID", uuid), answer.body.decode())


def test_an_array_of_one_is_an_array_in_json_and_a_lone_element_in_xml(app):
    parameters = {"id": 5, "resource_id": 12}  # a resource with one channel
    (channel,) = post(app, "databases/get_counters", parameters).json["data"]
    assert channel["channel"] == "email"
    root = post(app, "databases/get_counters", parameters, "xml").xml
    assert [child.tag for child in root] == ["data", "error", "error_text"]
    assert [child.tag for child in child(root, "data")] == ["channel", "status"]


def test_get_counters_repeats_data_for_every_channel_in_xml(app):
    root = post(app, "segments/get_counters", {"id": 7, "resource_id": 24, "list_id": 1}, "xml").xml
    assert [data.findtext("channel") for data in root.findall("data")] == ["email", "push", "sms"]
    assert root.findtext("data/status/subscribed_sendable") == "209"


def test_a_running_task_has_a_null_result(app):
    task_id = start(app, "databases/refresh_counters", id=5, resource_id=24)
    answer = post(app, "tasks/status", {"task_id": task_id})
    assert answer.body == (
        b'{"data":{"status":"queued","progress":0,"result":null},"error":0,"error_text":"Successful operation"}'
    )
    root = post(app, "tasks/status", {"task_id": task_id}, "xml").xml
    assert [child.tag for child in child(root, "data")] == ["status", "progress", "result"]
    assert len(child(root, "data/result")) == 0
    assert not root.findtext("data/result")
