"""How a contract shows its progress under pytest: a line for each case that begins, and a summary at the end.

The lines come at pytest's usual verbosity. With -v pytest names the cases itself, and -q wants no lines. The workers of
pytest-xdist have no terminal, so there is neither then; pytest's own report still has the reasons (-ra).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

import pytest

from altcraft.testing.contract import DECLARED, Contract

if TYPE_CHECKING:
    from _pytest.terminal import TerminalReporter

__all__ = ["contract_progress"]

_NAME = "altcraft-contracts"


@pytest.fixture(autouse=True)
def contract_progress(self: Contract, request: pytest.FixtureRequest) -> Iterator[None]:
    """Shows that a case begins, and has its outcome counted."""
    plugins = request.config.pluginmanager
    progress = plugins.get_plugin(_NAME)
    if progress is None:
        capture = plugins.get_plugin("capturemanager")
        uncaptured = nullcontext if capture is None else capture.global_and_fixture_disabled
        progress = _Progress(plugins.get_plugin("terminalreporter"), uncaptured)
        plugins.register(progress, _NAME)
    progress.begin(request.node)
    yield


class _Progress:
    """A plugin of pytest, registered by the first case of a contract."""

    def __init__(
        self, terminal: TerminalReporter | None, uncaptured: Callable[[], AbstractContextManager[None]]
    ) -> None:
        self._terminal = terminal
        self._uncaptured = uncaptured
        self._contracts: dict[str, str] = {}  # by the id of the test
        self._outcomes: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._reasons: defaultdict[str, Counter[str]] = defaultdict(Counter)

    def begin(self, item: pytest.Function) -> None:
        """Notes that a case begins, and shows it."""
        assert item.cls is not None  # it is a class that has the fixture
        kept = next((cls.__name__ for cls in item.cls.__mro__ if cls.__module__.startswith("altcraft.")), "")
        self._contracts[item.nodeid] = f"{item.nodeid.rpartition('::')[0]} ({kept})"
        if self._terminal is None or item.config.get_verbosity() != 0:
            return
        cases = [each for each in item.session.items if isinstance(each, pytest.Function) and each.cls is item.cls]
        title = item.name.removeprefix("test_").replace("_", " ")
        with self._uncaptured():
            self._terminal.write(f"\n  {cases.index(item) + 1} of {len(cases)}: {title} ", flush=True)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Counts an outcome."""
        contract = self._contracts.get(report.nodeid)
        if contract is None or (report.when != "call" and report.passed):
            return
        reason = str(report.longrepr[2]).removeprefix("Skipped: ") if isinstance(report.longrepr, tuple) else ""
        if not report.skipped:
            self._outcomes[contract][report.outcome] += 1
        elif reason.startswith(DECLARED):
            self._outcomes[contract][DECLARED] += 1
            self._reasons[contract][reason.removeprefix(f"{DECLARED}: ")] += 1
        else:
            self._outcomes[contract]["not possible here"] += 1
            self._reasons[contract][f"not possible here: {reason}"] += 1

    def pytest_terminal_summary(self, terminalreporter: TerminalReporter) -> None:
        """Says of each contract how many cases passed, and what was declared, and why that is allowed."""
        terminalreporter.section("contracts")
        for contract, outcomes in self._outcomes.items():
            counts = ", ".join(f"{count} {outcome}" for outcome, count in outcomes.items())
            terminalreporter.write_line(f"{contract}: {counts}")
            for reason, count in self._reasons[contract].items():
                terminalreporter.write_line(f"    {count} x {reason}")
