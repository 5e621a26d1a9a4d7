"""The codec benchmark measures what it says it does: every contender that is here reads the documents in full."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(autouse=True)
def the_root_is_where_the_benchmarks_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT))


def test_every_contender_that_is_installed_reads_what_the_document_says() -> None:
    from tests.benchmarks.codecs.contenders import contenders, prepare

    ours = 0
    for task, size in (("decode", "small"), ("decode", "task_id"), ("encode", "request"), ("encode", "small")):
        for contender in contenders(task, size):
            try:
                run, given = prepare(contender.key)
            except ImportError:
                assert not contender.ours, "ours needs nothing but what the distribution requires"
                continue
            run(given)
            ours += contender.ours
    assert ours >= 10


def test_a_goal_is_judged_by_the_ratio_of_its_rows_and_not_at_all_without_them() -> None:
    from tests.benchmarks.codecs.goals import goals
    from tests.benchmarks.codecs.measure import Row

    def row(name: str, kinstr: float) -> Row:
        return Row(task="decode", format="xml", size="small", name=name, us=1.0, kinstr=kinstr)

    judged = list(
        goals([row("altcraft", 120.0), row("raw expat, no handlers", 100.0), row("C ElementTree, tree only", 250.0)])
    )
    by_peer = {(goal.ours, goal.theirs): goal for goal in judged if goal.size == "small"}
    assert by_peer["altcraft", "raw expat, no handlers"].ratio == pytest.approx(1.2)
    assert by_peer["altcraft", "raw expat, no handlers"].passed is False
    assert by_peer["altcraft", "C ElementTree, tree only"].passed is True
    assert by_peer["altcraft", "xmltodict + pydantic"].passed is None


def test_counting_gives_more_work_the_larger_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.benchmarks import instructions

    monkeypatch.setattr(instructions, "valgrind", lambda: None)  # it would take seconds
    costs = instructions.count(
        {
            "once": instructions.Case("", "sum(range(2000))"),
            "often": instructions.Case("", "sum(range(40000))"),
            "never": instructions.Case("import nothing_of_that_name", "pass"),
        }
    )
    assert costs["once"].unit == "ns"
    assert costs["once"].per_call is not None
    assert costs["often"].per_call is not None
    assert costs["often"].per_call > 2 * costs["once"].per_call
    assert costs["never"].per_call is None
    assert "nothing_of_that_name" in costs["never"].note


def test_the_express_road_is_taken_by_every_golden_document() -> None:
    from tests.benchmarks.codecs.express import road_rows, road_table

    rows = road_rows(counting=False)
    assert len(rows) > 10
    assert all(row.share > 0.99 for row in rows)
    assert all(row.document in road_table(rows) for row in rows)


def test_a_line_of_json_is_a_row(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.benchmarks.codecs import __main__ as benchmark
    from tests.benchmarks.codecs.measure import Row

    rows = [Row(task="decode", format="xml", size="small", name="altcraft", ours=True, us=1.0)]
    monkeypatch.setattr(benchmark, "measure", lambda *_: iter([rows]))
    monkeypatch.setattr(sys, "argv", ["codecs", "--quick", "--json"])
    assert benchmark.main() == 0
    first, *others = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    goals = [line for line in others if "ours" in line]
    assert len(others) > len(goals)  # those of the express road
    assert (first["name"], first["us"]) == ("altcraft", 1.0)
    assert all(goal["passed"] is None for goal in goals)
