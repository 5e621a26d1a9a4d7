"""The files of the journal and the history, when another process has them."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from altcraft_plugins.history import History
from altcraft_plugins.journal import Journal


@pytest.mark.parametrize("kind", [History, Journal])
@pytest.mark.parametrize("lock", ["IMMEDIATE", "EXCLUSIVE"])
def test_a_file_that_another_process_is_making_is_waited_for(
    tmp_path: Path, kind: Callable[[Path], Any], lock: str
) -> None:
    path = tmp_path / "file"
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute(f"BEGIN {lock}")
    release = threading.Timer(0.2, lambda: other.execute("COMMIT"))
    release.start()
    kind(path).close()
    release.join()
    other.close()


def test_a_file_that_could_not_be_made_is_made_by_the_next_use(tmp_path: Path) -> None:
    history = History(tmp_path / "file")
    history.close()
    for file in tmp_path.iterdir():
        file.unlink()
    assert history.items() == []
    history.close()
