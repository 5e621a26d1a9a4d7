"""PyInstaller packs what the library loads by name, with the hooks that the distribution brings."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

import altcraft
from packed.conftest import PROGRAM

OPTIONAL = ("aiohttp", "httpx", "pycurl")
TOOLS = ("trio", "pytest", "_pytest", "hypothesis", "django", "fastapi", "pydantic")
"""Installed beside the tests. No program of these tests uses them, and some optional import leads to each."""
WIRES = [
    "Client-urllib3-json", "Client-urllib3-xml", "Client-http_client-json", "Client-httpx-json", "Client-pycurl-json",
    "AsyncClient-threads-json", "AsyncClient-aiohttp-json", "AsyncClient-httpx-xml", "sandbox--json", "sandbox--xml",
]  # fmt: skip


def pack(program: Path, folder: Path, *options: str, without: Iterable[str] = ()) -> None:
    """Runs PyInstaller on a program. What it makes is in `folder/dist`."""
    excluded = [option for name in (*TOOLS, *without) for option in ("--exclude-module", name)]
    command = [sys.executable, "-m", "PyInstaller", "--noconfirm", "--log-level", "ERROR", *excluded, *options]
    packed = subprocess.run(
        [*command, str(program)], cwd=folder, capture_output=True, text=True, timeout=900, check=False
    )
    assert packed.returncode == 0, packed.stderr


def run(program: Path, *arguments: str, cwd: Path, token: str = "") -> subprocess.CompletedProcess[str]:
    environment = {"ALTCRAFT_TOKEN": token} if token else {}
    return subprocess.run(
        [program, *arguments], cwd=cwd, env=environment, capture_output=True, text=True, timeout=120, check=False
    )


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program in a folder, with every library."""
    folder = tmp_path_factory.mktemp("program")
    pack(PROGRAM, folder)
    return folder / "dist" / "program" / "program"


@pytest.fixture(scope="module")
def command_line(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The command line in one file, packed as if the optional libraries were not installed."""
    folder = tmp_path_factory.mktemp("command line")
    (folder / "command.py").write_text("import sys\nfrom altcraft_plugins.cli import main\nsys.exit(main())\n")
    pack(folder / "command.py", folder, "--onefile", without=OPTIONAL)
    return folder / "dist" / "command"


def test_a_packed_program_has_all_transports_both_codecs_and_the_sandbox(
    program: Path, url: str, tmp_path: Path
) -> None:
    ran = run(program, url, *WIRES, cwd=tmp_path)
    assert ran.stdout.splitlines() == [f"{wire} 1336" for wire in WIRES], ran.stderr


def test_the_packed_command_line_shows_its_demo_and_its_version(command_line: Path, tmp_path: Path) -> None:
    demo = run(command_line, "demo", cwd=tmp_path)
    assert demo.returncode == 0, demo.stderr
    assert "1336" in demo.stdout
    assert altcraft.__version__ in run(command_line, "--version", cwd=tmp_path).stdout


def test_the_packed_command_line_says_which_library_a_transport_misses(
    command_line: Path, url: str, tmp_path: Path
) -> None:
    command = ["databases", "counters", "5", "--resource-id", "24", "--url", url]
    assert run(command_line, *command, cwd=tmp_path, token="sandbox").returncode == 0
    ran = run(command_line, *command, "--transport", "httpx", cwd=tmp_path, token="sandbox")
    assert ran.returncode != 0
    assert "httpx" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_the_packed_command_line_serves_the_sandbox(command_line: Path, tmp_path: Path) -> None:
    command = [command_line, "sandbox", "serve", "--port", "0"]
    with subprocess.Popen(command, cwd=tmp_path, env={}, stdout=subprocess.PIPE, text=True) as serving:
        assert serving.stdout is not None
        try:
            assert "http://127.0.0.1:" in serving.stdout.readline()
        finally:
            serving.terminate()
            serving.wait(30)
