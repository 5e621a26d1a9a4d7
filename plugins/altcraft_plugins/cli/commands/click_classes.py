"""click's command and group with help of our kind: shared options in sections, and examples."""

from __future__ import annotations

from typing import Any

import click

from altcraft_plugins.cli.options import SharedOption

__all__ = ["Command", "Group", "MissingCommand"]


class MissingCommand(click.UsageError):
    """A group was called without a command. The answer is its help."""


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
    """A group of commands, which does nothing itself."""

    command_class = Command
    group_class = type

    def __init__(self, *args: Any, **settings: Any) -> None:
        given: dict[str, Any] = {**settings, "callback": _demand_command, "invoke_without_command": True}
        super().__init__(*args, **given)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The commands, then the options. Only the program's own help lists those that its commands share."""
        self.format_commands(ctx, formatter)
        if ctx.parent is None:
            super().format_options(ctx, formatter)


@click.pass_context
def _demand_command(ctx: click.Context, /) -> None:
    if ctx.invoked_subcommand is None:
        raise MissingCommand("Missing command.", ctx)
