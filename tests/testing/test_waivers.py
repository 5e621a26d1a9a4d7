"""The list of what may be declared as not supported is complete, and pytest shows how far a contract is."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from altcraft.codecs import Codec, default_registry
from altcraft.testing import CodecContract, OperationContract, TransportContract
from altcraft.testing.contract import Contract

pytest_plugins = "pytester"

CONTRACTS = [CodecContract, OperationContract, TransportContract]

PROGRAM = """
import msgspec
import pytest
from altcraft import Operation, PlainRequest
from altcraft.testing import Example, OperationContract

class Count(PlainRequest[int], frozen=True):
    id: int

class TestCount(OperationContract):
    operation = Operation("rows/count", Count)
    requests = [Example(Count(7), json='{"id": 7}')]
    results = [Example(3)]
    answers_in_the_sandbox = False

class TestWrong(TestCount):
    requests = [Example(Count(7), json='{"id": 8}')]
"""


class BareTransport(TransportContract):
    """Declares everything that a transport for threads may declare."""

    keeps_connections = False
    __test__ = False


class BareCodec(CodecContract):
    __test__ = False


class Began(Exception):
    """A case has asked for the implementation, so it is not skipped."""


def skipped(run: Callable[[str], object], cases: Iterable[str]) -> set[str]:
    """The cases that are skipped. A case that ends in any other way is not."""
    reasons: dict[str, str] = {}
    for case in cases:
        try:
            run(case)
        except pytest.skip.Exception as skip:
            reasons[case] = str(skip)
        except BaseException:
            continue
    assert all(reason.startswith("declared as not supported: ") for reason in reasons.values())
    return set(reasons)


def waived(contract: type[Contract]) -> set[str]:
    return {name for name, waivers in contract.cases().items() if waivers}


def test_the_cases_that_a_bare_transport_skips_are_those_of_the_list() -> None:
    def refuse() -> Any:
        raise Began

    contract = BareTransport()
    assert skipped(lambda case: getattr(contract, case)(refuse), contract.cases()) == waived(TransportContract)


def test_the_cases_that_a_bare_codec_skips_are_those_of_the_list() -> None:
    class Bare:
        name = "bare"
        content_types = ("application/bare",)

        def encode(self, value: object) -> bytes:
            raise Began

        decode = encode

    codec: Any = Bare()
    assert skipped(lambda case: getattr(BareCodec(), case)(codec), BareCodec.cases()) == waived(CodecContract)


def test_a_codec_with_everything_skips_nothing() -> None:
    class Whole(CodecContract):
        first_bytes = b'{["'
        __test__ = False

    json: Codec = default_registry().by_name("json")
    for case in waived(CodecContract):
        getattr(Whole(), case)(json)


@pytest.mark.parametrize("contract", CONTRACTS)
def test_the_list_names_cases_that_exist_each_with_a_reason_and_a_way_to_declare_it(contract: type[Contract]) -> None:
    cases = contract.cases()
    assert contract.waivers
    for waiver in contract.waivers:
        assert waiver.reason
        assert waiver.declared_by
        assert waiver.cases
        assert set(waiver.cases) <= set(cases)
    assert any(not waivers for waivers in cases.values()), "nothing is required"


@pytest.mark.parametrize("contract", CONTRACTS)
def test_the_page_lists_what_may_be_declared_as_the_code_does(contract: type[Contract]) -> None:
    page = (Path(__file__).parents[2] / "docs" / "how-to" / "extending.md").read_text("utf-8")
    section = page.partition(f"\n### {contract.__name__}\n")[2].partition("\n#")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines() if line[:1] == "|"]
    listed = [(waiver.name, waiver.declared_by, waiver.reason) for waiver in contract.waivers]
    assert [tuple(row) for row in rows[2:]] == listed


@pytest.fixture
def run(pytester: pytest.Pytester) -> Callable[..., str]:
    """Runs the program under pytest, with these options, and returns what that prints."""
    pytester.makepyfile(test_program=PROGRAM)
    return lambda *options: pytester.runpytest_inprocess(
        "-p", "no:cacheprovider", "-p", "no:asyncio", *options
    ).stdout.str()


@pytest.mark.slow  # a process of its own
def test_pytest_shows_which_case_runs_and_sums_up_what_was_declared(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_program=PROGRAM)
    # In a process of its own, whose output pytest captures as it does everywhere.
    said = pytester.runpytest_subprocess("-p", "no:cacheprovider", "-p", "no:asyncio", timeout=60).stdout.str()
    assert re.search(r"^  1 of 12: .*\.", said, flags=re.MULTILINE)
    assert re.search(r"^  \d+ of 12: a request is written as its page shows it in json F", said, flags=re.MULTILINE)
    assert "test_program.py::TestCount (OperationContract): 6 passed, 6 declared as not supported\n" in said
    assert "    2 x the sandbox: an invented platform has nothing to say" in said
    assert "test_program.py::TestWrong (OperationContract): 5 passed, 1 failed, 6 declared" in said


@pytest.mark.parametrize("option", ["-q", "-v"])
def test_quiet_and_verbose_runs_get_no_lines_but_the_summary(run: Callable[..., str], option: str) -> None:
    said = run(option)
    assert "  1 of 12" not in said
    assert "6 passed, 6 declared as not supported" in said
