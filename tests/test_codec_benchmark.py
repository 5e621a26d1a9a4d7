"""The codec benchmark: every installed contender reads the documents in full, and goals are judged by ratios."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(autouse=True)
def the_root_is_where_the_benchmarks_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT))


@pytest.mark.slow
def test_every_installed_contender_reads_the_whole_document() -> None:
    from tests.benchmarks.codecs.contenders import contenders, prepare

    ours = 0
    for task, size in (("decode", "small"), ("decode", "task_id"), ("encode", "request"), ("encode", "small")):
        for contender in contenders(task, size):
            try:
                run, given = prepare(contender.key)
            except ImportError:
                assert not contender.ours, "ours needs only what the distribution requires"
                continue
            run(given)
            ours += contender.ours
    assert ours >= 10


def test_a_goal_is_judged_by_the_ratio_of_its_rows_if_both_were_measured() -> None:
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


@pytest.mark.slow
def test_more_work_counts_more(monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.benchmarks import instructions

    monkeypatch.setattr(instructions, "valgrind", lambda: None)  # valgrind would take seconds
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


def test_json_output_has_a_line_for_each_row(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.benchmarks.codecs import __main__ as benchmark
    from tests.benchmarks.codecs.measure import Row

    rows = [Row(task="decode", format="xml", size="small", name="altcraft", ours=True, us=1.0)]
    monkeypatch.setattr(benchmark, "measure", lambda *_: iter([rows]))
    monkeypatch.setattr(sys, "argv", ["codecs", "--quick", "--json"])
    assert benchmark.main() == 0
    first, *others = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert (first["name"], first["us"]) == ("altcraft", 1.0)
    assert others
    assert all(goal["passed"] is None for goal in others)
