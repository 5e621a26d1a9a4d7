"""The helps: what applies and nothing else, examples that work, the words explained."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest

from altcraft_plugins.cli.app import run
from altcraft_plugins.cli.commands.groups import root
from altcraft_plugins.cli.invocation import Invocation
from plugins.cli.test_documentation import COMMANDS, commands_in

ROOT = Path(__file__).resolve().parents[3]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def help_of(capsys: pytest.CaptureFixture[str], *command: str) -> str:
    capsys.readouterr()
    assert run([*command, "-h"]) == 0
    return capsys.readouterr().out


def test_recounting_is_explained_first(capsys) -> None:
    text = help_of(capsys)
    assert "To recount" in text
    assert text.index("To recount") < text.index("Options:")


@pytest.mark.parametrize("args", [("sandbox",), ("sandbox", "serve"), ("listen",), ("demo",)])
def test_a_command_without_a_connection_lists_no_options_for_one(capsys, args: tuple[str, ...]) -> None:
    text = help_of(capsys, *args)
    for option in ("--url", "--codec", "--auth", "--proxy", "--retries", "--request-timeout"):
        assert f"{option} " not in text


@pytest.mark.parametrize("args", [("segments", "counters"), ("databases", "counters"), ("tasks", "status")])
def test_a_command_that_does_not_wait_lists_no_timeout_of_a_wait(capsys, args: tuple[str, ...]) -> None:
    assert "--timeout" not in help_of(capsys, *args)


@pytest.mark.parametrize(
    ("args", "option", "command"),
    [
        (("--url", "https://your.host", "demo"), "--url", "altcraft demo"),
        (("--codec", "xml", "sandbox", "serve"), "--codec", "altcraft sandbox serve"),
        (("--timeout", "5", "tasks", "status", "a"), "--timeout", "altcraft tasks status"),
        (("--proxy", "http://proxy", "listen"), "--proxy", "altcraft listen"),
    ],
)
def test_an_option_before_the_command_that_does_not_apply_to_it_is_refused(capsys, args, option, command) -> None:
    assert run(args) == 2
    assert f"{option} does not apply to `{command}`" in capsys.readouterr().err


@pytest.mark.parametrize("name", COMMANDS)
def test_a_help_has_examples_and_each_of_them_parses(capsys, name: str) -> None:
    command = COMMANDS[name]
    lines = help_of(capsys, *name.split()[1:]).splitlines()
    examples = [line.strip() for line in lines[lines.index("Examples:") :] if line.startswith("  altcraft ")]
    assert examples
    for example in examples:
        program, *words = shlex.split(example.partition(" >")[0])
        assert program == "altcraft"
        assert example.startswith(name)
        command.make_context(name, words[len(name.split()) - 1 :], obj=Invocation())


def commands_of(page: Path) -> list[list[str]]:
    """The words of every command line of ours in the page's code blocks and spans, up to a comment, a pipe or a >."""
    text = page.read_text("utf-8")
    spans = re.findall(r"`(altcraft [^`\n]+)`", re.sub(r"^ *```.*?^ *```", "", text, flags=re.M | re.S))
    blocks = re.findall(r"^ *```(?:sh|console|bash)\n(.*?)^ *```", text, flags=re.M | re.S)
    lines = [line.strip().removeprefix("$ ") for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    found = [re.split(r" +(?:#|\||>|&&)|\)$", line)[0] for line in [*spans, *lines]]
    return [shlex.split(line.replace("...", "").replace("…", ""))[1:] for line in found if line.startswith("altcraft ")]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_line_of_the_documentation_parses(page: Path) -> None:
    for words in commands_of(page):
        names = [word for word in words if not word.startswith("-")]
        command: click.Command = root
        while isinstance(command, click.Group) and names and names[0] in commands_in(command):
            command = commands_in(command)[names[0]]
            words.remove(names.pop(0))
        for option in [word.partition("=")[0] for word in words if word.startswith("-")]:
            known = {name for param in command.params for name in param.opts} | {"-h", "--help"}
            assert option in known, f"{page.name}: {command.name}: {option}"
        assert not isinstance(command, click.Group) or not words or words[0].startswith("-"), f"{page.name}: {words}"


@pytest.mark.parametrize("name", COMMANDS)
def test_no_line_of_a_help_is_wider_than_the_screen(capsys, monkeypatch, name: str) -> None:
    for columns in (60, 80, 120):
        monkeypatch.setenv("COLUMNS", str(columns))
        wide = [line for line in help_of(capsys, *name.split()[1:]).splitlines() if len(line) > columns]
        assert [line for line in wide if not line.startswith("  altcraft ")] == []


def test_every_group_lists_its_commands(capsys) -> None:
    for name, group in commands_in(root).items():
        if isinstance(group, click.Group):
            text = help_of(capsys, name)
            assert all(f"\n  {command} " in text for command in commands_in(group))


@pytest.mark.parametrize("name", COMMANDS)
def test_the_summary_in_a_list_of_commands_is_the_first_sentence_of_the_help(name: str) -> None:
    group: click.Group = root
    *path, last = name.split()[1:]
    for word in path:
        within = commands_in(group)[word]
        assert isinstance(within, click.Group)
        group = within
    assert group.later[last].summary == COMMANDS[name].get_short_help_str(1000)


@pytest.mark.parametrize("words", [["--help"], ["--version"], ["segments", "--help"]])
def test_a_help_and_the_version_import_no_command_and_nothing_of_the_client(words: list[str]) -> None:
    program = (
        f"import sys; from altcraft_plugins.cli import main; main({words!r}); sys.stderr.write(' '.join(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    imported = set(done.stderr.split())
    assert "altcraft" in done.stdout
    assert "click" in imported
    assert not imported & {"altcraft", "msgspec", "rich", "importlib.metadata", "urllib.parse"}
    assert not [
        name
        for name in imported
        if name.startswith("altcraft_plugins.cli.commands.") and not name.endswith(("groups", "click_classes"))
    ]
