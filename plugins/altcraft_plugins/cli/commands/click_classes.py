"""click's command and group with help of our kind: shared options in sections, and examples."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any, NamedTuple

import click

from altcraft_plugins.cli.options import SharedOption

__all__ = ["Command", "Group", "Later", "MissingCommand"]


class Later(NamedTuple):
    """A command that is imported when it is used.

    `module` is the module's name in this folder, `summary` the first sentence of the command's help.
    """

    module: str
    summary: str


class MissingCommand(click.UsageError):
    """A group was called without a command. The command line prints the group's help, or a problem with --json."""


class _Explained(click.Command):
    """`examples` are command lines."""

    def __init__(self, *args: Any, examples: str = "", **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.examples = [line.strip() for line in examples.strip().splitlines()]

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The command's own options, then the shared ones under their headings."""
        sections: dict[str, list[tuple[str, str]]] = {"Options": []}
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx)
            if record is not None and not isinstance(param, click.Argument):
                section = param.section if isinstance(param, SharedOption) else "Options"
                sections.setdefault(section, []).append(record)
        for heading, records in sections.items():
            if records:
                with formatter.section(heading):
                    formatter.write_dl(records)

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """What the command does, and the examples."""
        super().format_help_text(ctx, formatter)
        if self.examples:
            with formatter.section("Examples"):
                indent = " " * formatter.current_indent
                formatter.write("".join(f"{indent}{line}\n" for line in self.examples))


class Command(_Explained):
    """A command."""

    def invoke(self, ctx: click.Context) -> Any:
        """Settles the values of the shared options, then runs the command."""
        ctx.obj.begin(ctx)
        return super().invoke(ctx)


class Group(_Explained, click.Group):
    """A group of commands, which does nothing itself.

    A command in `later` is imported when it is used. Lists of commands show its summary instead.
    """

    command_class = Command
    group_class = type

    def __init__(self, *args: Any, later: Mapping[str, Later] | None = None, **settings: Any) -> None:
        given: dict[str, Any] = {**settings, "callback": _demand_command, "invoke_without_command": True}
        super().__init__(*args, **given)
        self.later = later or {}

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names, sorted."""
        return sorted({*self.commands, *self.later})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command, imported now if need be. None where there is none of that name."""
        if cmd_name in self.later and cmd_name not in self.commands:
            import_module(f"{__package__}.{self.later[cmd_name].module}")
        return super().get_command(ctx, cmd_name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The names, each with its summary. Imports none of them."""
        names = self.list_commands(ctx)
        room = formatter.width - 6 - max(map(len, names), default=0)  # as click reckons
        listed = {
            name: click.Command(name, help=self.later[name].summary) if name in self.later else self.commands[name]
            for name in names
        }
        with formatter.section("Commands"):
            formatter.write_dl([(name, command.get_short_help_str(room)) for name, command in listed.items()])

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The commands, then the options. Only the program's own help lists those that its commands share."""
        self.format_commands(ctx, formatter)
        if ctx.parent is None:
            super().format_options(ctx, formatter)


@click.pass_context
def _demand_command(ctx: click.Context, /) -> None:
    if ctx.invoked_subcommand is None:
        raise MissingCommand("Missing command.", ctx)
