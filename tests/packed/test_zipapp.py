"""The library out of a zip file, as `python -m zipapp` makes them."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
import zipapp
import zipfile
from pathlib import Path

import hatchling.build
import pytest

from packed.conftest import PROGRAM

ROOT = Path(__file__).resolve().parents[2]
INSTALLED = ("msgspec",)
"""It has machine code, which Python imports from files only, never out of a zip file."""
ZIPPED = ("urllib3", "defusedxml", "pluggy")
WIRES = [
    "Client-urllib3-json", "Client-urllib3-xml", "Client-http_client-json", "AsyncClient-threads-json", "sandbox--json",
    "sandbox--xml",
]  # fmt: skip


def copy_package(name: str, into: Path) -> None:
    """Copies an installed package's folder."""
    spec = importlib.util.find_spec(name)
    assert spec is not None
    assert spec.origin is not None
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(Path(spec.origin).parent, into / name, ignore=ignored)


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program, this distribution as its wheel has it, and the libraries that are pure Python, in one file."""
    folder = tmp_path_factory.mktemp("zipapp")
    contents = folder / "contents"
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        wheel = hatchling.build.build_wheel(str(folder))
    with zipfile.ZipFile(folder / wheel) as built:
        built.extractall(contents)
    for name in ZIPPED:
        copy_package(name, contents)
    shutil.copy(PROGRAM, contents / "program.py")
    zipapp.create_archive(contents, folder / "program.pyz", main="program:main", compressed=True)
    return folder / "program.pyz"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what has to be installed beside the archive, and nothing else."""
    folder = tmp_path_factory.mktemp("installed")
    for name in INSTALLED:
        copy_package(name, folder)
    return folder


def run(archive: Path, installed: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    # Without the site, Python sees the archive, the folder and its own library.
    command = [sys.executable, "-S", str(archive), *arguments]
    environment = {"PYTHONPATH": str(installed)}
    return subprocess.run(
        command, cwd=archive.parent, env=environment, capture_output=True, text=True, timeout=120, check=False
    )


def test_a_zip_file_has_its_transports_both_codecs_and_the_sandbox(archive: Path, installed: Path, url: str) -> None:
    ran = run(archive, installed, url, *WIRES)
    assert ran.stdout.splitlines() == [f"{wire} 1336" for wire in WIRES], ran.stderr


def test_a_transport_in_a_zip_file_says_which_library_is_missing(archive: Path, installed: Path, url: str) -> None:
    ran = run(archive, installed, url, "Client-httpx-json", "AsyncClient-aiohttp-json")
    assert [line.split()[:2] for line in ran.stdout.splitlines()] == [
        ["Client-httpx-json", "MissingExtra"],
        ["AsyncClient-aiohttp-json", "MissingExtra"],
    ], ran.stderr
