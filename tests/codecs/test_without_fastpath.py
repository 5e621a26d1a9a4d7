"""The fast path is one file behind one `if`: without both, all tests but its own pass."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CORE = Path("core", "altcraft")
MODULE = "altcraft.codecs.xml.fastpath"
OWN_TESTS = (
    "codecs/test_xml_fastpath.py",
    "codecs/test_without_fastpath.py",
    "fuzz/fastpath.py",
    "fuzz/test_fastpath.py",
    "benchmarks/codecs/fastpath.py",
)


def switches(source: str) -> list[ast.If]:
    """The `if` statements in whose body the fast path is imported."""
    statements = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.If)]
    return [node for node in statements if any(MODULE in ast.unparse(part) for part in node.body)]


def test_the_fast_path_is_imported_once_and_behind_an_if() -> None:
    importers = [path for path in (ROOT / CORE).rglob("*.py") if f"from {MODULE}" in path.read_text("utf-8")]
    assert [path.name for path in importers] == ["reader.py"]
    source = importers[0].read_text("utf-8")
    assert len(switches(source)) == 1
    assert source.count("FastPath") == 2  # in its import, and where it is made


@pytest.mark.slow
def test_without_the_file_and_the_if_all_other_tests_of_the_codecs_pass(tmp_path: Path) -> None:
    for part in ("core", "tests", "docs"):
        shutil.copytree(ROOT / part, tmp_path / part, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    (tmp_path / CORE / "codecs" / "xml" / "fastpath.py").unlink()
    for name in OWN_TESTS:
        (tmp_path / "tests" / name).unlink()
    reader = tmp_path / CORE / "codecs" / "xml" / "reader.py"
    (switch,) = switches(reader.read_text("utf-8"))
    assert switch.end_lineno is not None
    lines = reader.read_text("utf-8").splitlines(keepends=True)
    reader.write_text("".join(lines[: switch.lineno - 1] + lines[switch.end_lineno :]), "utf-8")

    wanted = ("codecs", "fuzz", "golden", "hostile", "testing/test_codec_contract.py", "test_codec_benchmark.py")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-m", "not slow"]
        + [f"tests/{name}" for name in wanted],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.fspath(tmp_path / "core"), "PYTEST_ADDOPTS": ""},
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
