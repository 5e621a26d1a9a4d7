"""docs/reference/command-line.md names every command, every option, every exit code and every key of the JSON lines."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from altcraft_plugins.cli import exit_codes
from altcraft_plugins.cli.commands.groups import root
from altcraft_plugins.cli.problems import Problem

PAGE = (Path(__file__).parents[3] / "docs" / "reference" / "command-line.md").read_text("utf-8")


def commands_in(group: click.Group) -> dict[str, click.Command]:
    context = click.Context(group)
    found = {name: group.get_command(context, name) for name in group.list_commands(context)}
    return {name: command for name, command in found.items() if command is not None}


def commands(group: click.Group, path: tuple[str, ...] = ("altcraft",)) -> Iterator[tuple[str, click.Command]]:
    for name, command in commands_in(group).items():
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))
        else:
            yield " ".join((*path, name)), command


COMMANDS = dict(commands(root))


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_is_documented_with_its_options(name: str) -> None:
    assert f"| `{name}" in PAGE
    for parameter in COMMANDS[name].params:
        if isinstance(parameter, click.Option):
            for option in parameter.opts:
                assert f"`{option}" in PAGE or f"{option} " in PAGE


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_and_its_options_explain_themselves(name: str) -> None:
    command = COMMANDS[name]
    assert command.help
    for parameter in command.params:
        if isinstance(parameter, click.Option) and not parameter.hidden:
            assert parameter.help


def test_the_commands_that_are_documented_exist() -> None:
    assert {match.strip() for match in re.findall(r"^\| `(altcraft [a-z ]+)", PAGE, flags=re.M)} == set(COMMANDS)


def test_the_exit_codes_are_documented() -> None:
    codes = {value for name, value in vars(exit_codes).items() if name.isupper() and isinstance(value, int)}
    assert codes == {int(code) for code in re.findall(r"^\| (\d+) \|", PAGE, flags=re.M)}


def test_the_keys_of_an_error_line_are_documented() -> None:
    (row,) = re.findall(r"^\| `error` \|(.*)\|$", PAGE, flags=re.M)
    assert set(re.findall(r"`(\w+)`", row)) == set(Problem.__struct_fields__)
