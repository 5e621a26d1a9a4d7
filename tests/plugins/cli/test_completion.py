"""Completion of commands and options in a shell."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from plugins.cli.running import environment


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_gets_its_script_on_stdout_and_nothing_else(command, shell: str) -> None:
    ran = command("completion", shell)
    assert (ran.code, ran.err) == (0, "")
    assert f"_ALTCRAFT_COMPLETE={shell}_complete" in ran.out


def test_another_shell_is_2(command) -> None:
    ran = command("completion", "tcsh")
    assert (ran.code, ran.out) == (2, "")
    assert "bash" in ran.err


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("bash"), reason="no bash")
@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["seg"], ["segments"]),
        (["segments", "re"], ["refresh"]),
        (["segments", "refresh", "--retr"], ["--retries", "--retry-base", "--retry-maximum", "--retry-patience"]),
        (["--codec", "x"], ["xml"]),
        (["tasks", "wait", "--transport", "h"], ["http_client", "httpx"]),
        (["completion", "f"], ["fish"]),
    ],
)
def test_bash_completes(words: list[str], found: list[str]) -> None:
    program = Path(sys.executable).with_name("altcraft")
    if not program.exists():
        pytest.skip("the program is not installed beside the interpreter")
    script = (
        f"source <({program} completion bash)\n"
        f"COMP_WORDS=({program} {' '.join(words)}); COMP_CWORD={len(words)}\n"
        f"_altcraft_completion {program}\n"
        'printf "%s\\n" "${COMPREPLY[@]}"\n'
    )
    done = subprocess.run(["bash", "-c", script], env=environment(), capture_output=True, text=True, check=True)
    assert sorted(done.stdout.split()) == found


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("fish"), reason="no fish")
@pytest.mark.parametrize(("line", "found"), [("altcraft seg", "segments"), ("altcraft run --codec x", "xml")])
def test_fish_completes(line: str, found: str) -> None:
    script = f"altcraft completion fish | source; complete -C '{line}'"
    done = subprocess.run(["fish", "-c", script], env=on_the_path(), capture_output=True, text=True, check=True)
    assert [word.split("\t")[0] for word in done.stdout.splitlines()] == [found]


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("zsh"), reason="no zsh")
def test_zsh_takes_the_script_for_the_program() -> None:
    script = "autoload -U compinit; compinit -u -D; source <(altcraft completion zsh); print $_comps[altcraft]"
    done = subprocess.run(["zsh", "-fc", script], env=on_the_path(), capture_output=True, text=True, check=True)
    assert (done.stdout.strip(), done.stderr) == ("_altcraft_completion", "")


def on_the_path() -> dict[str, str]:
    """The environment, with the program on the path."""
    program = Path(sys.executable).with_name("altcraft")
    if not program.exists():
        pytest.skip("the program is not installed beside the interpreter")
    return environment(PATH=f"{program.parent}:{environment()['PATH']}")
