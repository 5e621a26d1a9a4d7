"""`altcraft completion`: the script that completes commands and options in a shell."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
from click.shell_completion import get_completion_class

from altcraft_plugins.cli.commands.groups import root
from altcraft_plugins.cli.exit_codes import DONE
from altcraft_plugins.cli.options import COMPLETION_VARIABLE, shared

if TYPE_CHECKING:
    from altcraft_plugins.cli.invocation import Invocation

__all__ = ["completion"]


@root.command(
    "completion",
    params=shared(),
    examples="""
        altcraft completion bash >> ~/.bashrc
        altcraft completion zsh >> ~/.zshrc
        altcraft completion fish > ~/.config/fish/completions/altcraft.fish
    """,
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_obj
def completion(invocation: Invocation, shell: str) -> int:
    """Print the script that completes commands and options in SHELL: bash 4.4 or newer, zsh, or fish."""
    made = get_completion_class(shell)
    assert made is not None
    script = made(root, {}, "altcraft", COMPLETION_VARIABLE)
    invocation.reporter.say(made.source_template % script.source_vars())
    return DONE
