from __future__ import annotations

import os

import pytest

from plugins.cli.running import Command, Terminal


@pytest.fixture(autouse=True)
def nothing_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith("ALTCRAFT") or name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("ALTCRAFT_URL", "https://example.com")


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    return Command(capsys, monkeypatch)


@pytest.fixture
def altcraft(capsys: pytest.CaptureFixture[str]) -> Terminal:
    return Terminal(capsys)
