"""The documentation's examples: each is read, written and read again, and has the same value in both formats."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from xml.etree import ElementTree

import pytest

from altcraft.codecs import Codec, default_registry
from altcraft.schema import (
    ChannelStatistics,
    DatabasesRefreshCounters,
    DatabaseStatistics,
    Envelope,
    Feedback,
    SegmentsRefreshCounters,
    SegmentStatistics,
    TaskStarted,
    TaskStatus,
    TaskStatusRequest,
)
from golden import EXAMPLES, FOLDER, Example, ProfilesExport, example

REFERENCE = Path(os.environ.get("ALTCRAFT_REFERENCE", FOLDER))
"""Folder with the pages themselves, if the variable names one. The project has only the copies of their examples."""

TOKEN = "abcdefghijklmnqrstuvwxyz"
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3}|\.\d{6})?Z")
each_example = pytest.mark.parametrize("golden", EXAMPLES, ids=lambda golden: golden.file.name)
IN_BOTH = sorted(
    {known.name for known in EXAMPLES if known.format == "xml"} & {e.name for e in EXAMPLES if e.format == "json"}
)


def quoted_examples(page: str) -> Iterator[str]:
    """The complete JSON objects and XML documents in a page, without the abbreviated ones ("…")."""
    at, decoder = 0, json.JSONDecoder()
    while (at := page.find("{", at)) >= 0:
        try:
            end = decoder.raw_decode(page, at)[1]
        except ValueError:
            at += 1
            continue
        yield page[at:end]
        at = end
    for document in re.finditer(r"<xml>(?:(?!<xml>).)*?</xml>", page, re.DOTALL):
        yield document[0]


SOURCES = sorted({known.file for known in EXAMPLES} | {*REFERENCE.glob("*-*.txt"), *REFERENCE.glob("*-*.md")})
PAGE_EXAMPLES = [
    pytest.param(text, id=f"{source.name}:{number}")
    for source in SOURCES
    for number, text in enumerate(quoted_examples(source.read_text(encoding="utf-8")))
    if "…" not in text
]


def facts(text: bytes, format_: str) -> object:
    """The facts in a document, without the order of its members and the precision of its times."""
    if format_ == "json":
        return _json_facts(json.loads(text))
    return _xml_facts(ElementTree.fromstring(text))


def _json_facts(value: object) -> object:
    if isinstance(value, dict):
        return {name: _json_facts(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_json_facts(item) for item in value]
    return _moment(value) if isinstance(value, str) else value


def _xml_facts(element: ElementTree.Element) -> object:
    if not len(element):
        return _moment(element.text or "")
    children: dict[str, list[object]] = {}
    for child in element:
        children.setdefault(child.tag, []).append(_xml_facts(child))
    return children


def _moment(text: str) -> object:
    return datetime.fromisoformat(text.replace("Z", "+00:00")) if MOMENT.fullmatch(text) else text


def test_every_file_is_in_the_index_and_every_entry_has_its_file() -> None:
    files = {file.name for file in FOLDER.iterdir() if file.suffix in (".json", ".xml")} - {"index.json"}
    assert files == {known.file.name for known in EXAMPLES}
    assert len(EXAMPLES) == len(files) == 23


@each_example
def test_an_example_is_read_by_its_type(golden: Example) -> None:
    assert isinstance(golden.decode(), getattr(golden.type, "__origin__", golden.type))


@each_example
def test_an_example_is_written_with_all_of_its_facts(golden: Example) -> None:
    written = golden.codec.encode(golden.decode())
    assert facts(written, golden.format) == facts(golden.body, golden.format)


@each_example
def test_an_example_that_is_written_and_read_again_is_equal(golden: Example) -> None:
    value = golden.decode()
    assert golden.codec.decode(golden.codec.encode(value), golden.type) == value


@each_example
@pytest.mark.parametrize("other", list(default_registry()), ids=lambda codec: codec.name)
def test_an_example_is_equal_after_a_round_trip_through_every_format(golden: Example, other: Codec) -> None:
    value = golden.decode()
    assert other.decode(other.encode(value), golden.type) == value


@pytest.mark.parametrize("name", IN_BOTH)
def test_both_formats_of_an_example_give_the_same_value(name: str) -> None:
    assert example(name, "json").decode() == example(name, "xml").decode()


@each_example
def test_an_example_reads_the_same_with_its_members_in_reverse(golden: Example) -> None:
    assert golden.codec.decode(reversed_members(golden), golden.type) == golden.decode()


def reversed_members(golden: Example) -> bytes:
    if golden.format == "json":
        return json.dumps(_reverse_json(json.loads(golden.body))).encode()
    root = ElementTree.fromstring(golden.body)
    for element in root.iter():
        # Members may come in any order, the items of an array may not: a stable sort by name, in reverse.
        names = list(dict.fromkeys(child.tag for child in element))[::-1]
        element[:] = sorted(element, key=lambda child: names.index(child.tag))
    return ElementTree.tostring(root)


def _reverse_json(value: object) -> object:
    if isinstance(value, dict):
        return {name: _reverse_json(value[name]) for name in reversed(value)}
    return [_reverse_json(item) for item in value] if isinstance(value, list) else value


@each_example
def test_an_example_can_be_read_without_any_type(golden: Example) -> None:
    untyped, said = golden.codec.decode(golden.body, object), facts(golden.body, golden.format)
    assert isinstance(untyped, dict)
    assert isinstance(said, dict)
    assert list(untyped) == list(said)


@pytest.mark.parametrize("text", PAGE_EXAMPLES)
def test_every_example_of_the_pages_has_a_copy_here(text: str) -> None:
    copies = [known for known in EXAMPLES if known.body.decode().strip() == text]
    assert copies, f"in no file of tests/golden: {text}"
    for copy in copies:
        assert copy.codec.decode(text.encode(), copy.type) == copy.decode()


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.name)
def test_every_page_has_examples_and_every_copy_is_one(source: Path) -> None:
    found = list(quoted_examples(source.read_text(encoding="utf-8")))
    assert len(found) == 1 if source.parent == FOLDER else len(found) >= 7


# The values of the examples.


def read(name: str, format_: str) -> object:
    return example(name, format_).decode()


both_formats = pytest.mark.parametrize("format_", ["json", "xml"])


@both_formats
def test_the_request_for_a_segment_has_segment_resource_and_database(format_: str) -> None:
    assert read("segments_refresh.request", format_) == SegmentsRefreshCounters(
        7, 24, db_id=1, token=TOKEN, format="json"
    )


@both_formats
def test_the_request_for_a_database_has_database_resource_and_feedback(format_: str) -> None:
    assert read("databases_refresh.request", format_) == DatabasesRefreshCounters(
        5, 24, Feedback("http://example.com/receiver"), token=TOKEN, format="json"
    )


@both_formats
@pytest.mark.parametrize("kind", ["segments", "databases"])
def test_the_request_for_a_status_has_the_task(kind: str, format_: str) -> None:
    assert read(f"{kind}_refresh.status_request", format_) == TaskStatusRequest(
        "930bfdb0-a5a8-4207-a77d-6b989bdea326", token=TOKEN
    )


@both_formats
@pytest.mark.parametrize(
    ("kind", "task_id"),
    [
        ("segments", "55a345c8-3d79-47ef-b03e-b84ce8e0c126"),
        ("databases", "6908adeb-346e-4f5e-9f68-df062bf795cf"),
    ],
)
def test_the_reply_to_a_submission_has_the_task_id(kind: str, task_id: str, format_: str) -> None:
    assert read(f"{kind}_refresh.started", format_) == Envelope(
        data=TaskStarted(task_id), error=0, error_text="Successful operation"
    )


@both_formats
def test_the_statistics_of_a_segment_are_complete(format_: str) -> None:
    envelope = read("segments_refresh.completed", format_)
    assert isinstance(envelope, Envelope)
    counters = {"subscribed_sendable": 209, "unconfirmed_sendable": 0}
    silent = {"subscribed_sendable": 0, "unconfirmed_sendable": 0}
    statistics = SegmentStatistics(
        channels=[
            ChannelStatistics("email", counters),
            ChannelStatistics("push", silent),
            ChannelStatistics("sms", silent),
        ],
        in_progress=False,
        list_id=1,
        refresh_task_id="",
        resource_id=27,
        updated=datetime(2024, 4, 20, 9, 30, 1, 583_000, tzinfo=timezone.utc),
    )
    assert envelope.data == TaskStatus("completed", 100, [statistics])
    status = statistics.channels[0].status
    assert (status.subscribed_sendable, status.unconfirmed_sendable, status.subscribed) == (209, 0, None)


@both_formats
def test_the_statistics_of_a_database_are_complete(format_: str) -> None:
    envelope = read("databases_refresh.completed", format_)
    assert isinstance(envelope, Envelope)
    assert isinstance(envelope.data, TaskStatus)
    assert (envelope.data.status, envelope.data.progress) == ("completed", 100)
    (statistics,) = envelope.data.result
    assert isinstance(statistics, DatabaseStatistics)
    assert (statistics.in_progress, statistics.refresh_task_id) == (False, "")
    assert (statistics.resource_id, statistics.total_count) == (24, 1336)
    assert statistics.updated == datetime(2024, 4, 17, 21, 36, 1, 449_000, tzinfo=timezone.utc)
    assert statistics.last_count_time == "counted at 2024-04-17T21:36:01Z in 82.746959ms"
    assert statistics.counted_at == datetime(2024, 4, 17, 21, 36, 1, tzinfo=timezone.utc)
    assert statistics.count_duration == timedelta(microseconds=82_747)
    assert [channel.channel for channel in statistics.channels] == ["email", "push", "sms"]
    email, push, _sms = (channel.status for channel in statistics.channels)
    assert (email.all, email.hardbounced, email.subscribed, email.subscribed_sendable) == (1336, 411, 925, 925)
    assert (push.all, push.subscribed) == (1336, 0)
    assert all(len(channel.status) == 10 for channel in statistics.channels)


@both_formats
def test_the_result_of_an_export_is_an_object_with_an_array_of_one_and_an_empty_one(format_: str) -> None:
    envelope = read("profiles_get_all.completed", format_)
    assert isinstance(envelope, Envelope)
    urls = ["/api/download/data/4cf4/1_database_export.csv"]
    assert envelope.data == TaskStatus("completed", 100, ProfilesExport([], 1, 1343, "database", urls))


@pytest.mark.parametrize(
    ("name", "format_", "channels", "counts"),
    [
        ("databases_get_counters.reply", "json", ["email"], {"all": 1336, "hardbounced": 411, "subscribed": 925}),
        ("segments_get_counters.reply", "xml", ["email", "push"], {"subscribed_sendable": 209}),
    ],
)
def test_get_counters_gives_channels(name: str, format_: str, channels: list[str], counts: dict[str, int]) -> None:
    envelope = read(name, format_)
    assert isinstance(envelope, Envelope)
    assert isinstance(envelope.data, list)
    assert [entry.channel for entry in envelope.data] == channels
    assert {name: envelope.data[0].status[name] for name in counts} == counts


@both_formats
def test_a_refusal_has_a_code_and_no_data(format_: str) -> None:
    assert read("refusal", format_) == Envelope(error=401, error_text="…")
