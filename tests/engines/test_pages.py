"""The pages on job engines: their blocks run as they are written, with the engine, against a served sandbox."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

import test_readme_and_docs as docs
from altcraft_plugins.sandbox import serve
from postgresql import postgresql

pytestmark = [
    pytest.mark.slow,
    pytest.mark.leaves_threads,
    pytest.mark.filterwarnings("default"),  # the engines' own
]


@pytest.mark.parametrize(
    "page",
    [pytest.param(page, id=page.stem, marks=getattr(pytest.mark, marker)) for page, marker in docs.ENGINES.items()],
)
def test_the_examples_of_a_page_run_in_the_engine(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name, value in {
        "ALTCRAFT_TOKEN": "sandbox",
        "DAGSTER_HOME": str(tmp_path),
        "PREFECT_HOME": str(tmp_path),
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "300",  # it makes its database first
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    }.items():
        monkeypatch.setenv(name, value)
    session: dict[str, object] = {"__name__": "__main__"}
    with contextlib.ExitStack() as stack:
        platform = stack.enter_context(serve(port=0, profiles=50, pace=0.2, tokens=["sandbox"]))
        monkeypatch.setenv("ALTCRAFT_URL", platform.url)
        if docs.ENGINES[page] == "postgresql":
            monkeypatch.setenv("DATABASE_URL", stack.enter_context(postgresql()))
        for block in docs.python_blocks(page):
            text = "\n" * (block.line - 1) + block.text
            exec(compile(text, str(page), "exec", dont_inherit=True), session)
        assert platform.sandbox.submissions().total() >= 1
