"""docs/how-to/notebooks.md as a notebook: each block is a cell, and a kernel runs them one after the other."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
import pytest
from ipykernel.kernelspec import install
from nbclient import NotebookClient

pytestmark = [
    pytest.mark.slow,
    # Of the libraries that run notebooks: how they open their sockets and loops is theirs.
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning", "ignore::RuntimeWarning"),
    pytest.mark.leaves_threads,
]

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "notebooks.md"
CELLS = re.findall(r"^```python\n(.*?)\n```$", PAGE.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Runs cells in a kernel with this interpreter. Returns what each shows: media types to data."""
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "share" / "jupyter"))
    install(prefix=str(tmp_path), kernel_name="tested")
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("ALTCRAFT_URL", "sandbox:?pace=0")

    def run(cells):
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
        NotebookClient(notebook, timeout=120, kernel_name="tested").execute(cwd=str(tmp_path))
        return [
            [dict(output.get("data", {"text/plain": output.get("text", "")})) for output in cell.outputs]
            for cell in notebook.cells
        ]

    return run


def test_every_cell_of_the_page_runs_and_results_are_tables(run):
    shown = dict(zip(CELLS, run(CELLS), strict=True))
    (rows,) = shown["altcraft.rows(result, task)"]
    assert rows["text/html"].startswith("<table")
    assert "<strong>Database, resource 24</strong>" in shown["result[0]"][0]["text/html"]
    assert "<strong>Database, resource 24</strong>" in shown["result"][0]["text/html"], "the extension is loaded"
    assert "completed 100" in "".join(output["text/plain"] for output in shown[CELLS[0]])
    frame = next(outputs for cell, outputs in shown.items() if cell.startswith("import pandas"))
    assert "1336" in frame[0]["text/html"]


def test_without_the_extension_a_result_is_a_text(run):
    assert list(run([*CELLS[:1], "result"])[1][0]) == ["text/plain"]
