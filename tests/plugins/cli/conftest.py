from __future__ import annotations

import pytest

from plugins.cli.running import Terminal


@pytest.fixture(autouse=True)
def nothing_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ALTCRAFT_TOKEN", "NO_COLOR", "FORCE_COLOR", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ALTCRAFT_URL", "https://example.com")


@pytest.fixture
def altcraft(capsys: pytest.CaptureFixture[str]) -> Terminal:
    return Terminal(capsys)
