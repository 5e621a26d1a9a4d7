"""The options that many commands share. They stand before the command, after it, or between its two words."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click
from click.core import ParameterSource

from altcraft_plugins.cli.connection import TOKEN_VARIABLE
from altcraft_plugins.cli.parameter_types import DURATION, POSITIVE_DURATION

if TYPE_CHECKING:
    from altcraft_plugins.cli.invocation import Invocation

__all__ = [
    "COMPLETION_VARIABLE",
    "CONNECTION",
    "OUTPUT",
    "PLUGINS",
    "POLLS",
    "RESULTS",
    "RETRIES",
    "TIMEOUT",
    "VERBOSE",
    "SharedOption",
    "shared",
]  # fmt: skip

COMPLETION_VARIABLE: Final = "_ALTCRAFT_COMPLETE"
"""In the environment, it has the program print completions: the shell's script sets it."""

F = TypeVar("F", bound="Callable[..., object]")


class SharedOption(click.Option):
    """An option of many commands. Its value goes to the `Invocation`, and not to the command's function.

    `section` is the heading of the help under which the option stands. `variable` is the environment variable that
    stands in for the option, or None.
    """

    def __init__(self, *names: str, section: str, variable: bool = True, **settings: Any) -> None:
        super().__init__(names, expose_value=False, callback=_note, **settings)
        self.section = section
        self.variable = f"ALTCRAFT_{str(self.name).upper()}" if variable else None

    def from_environment(self, ctx: click.Context) -> object:
        """The value of the environment variable, or None. UsageError where it is not one."""
        text = os.environ.get(self.variable, "").strip() if self.variable else ""
        if not text:
            return None
        try:
            value: object = self.type_cast_value(ctx, text.split(",") if self.multiple else text)
        except click.BadParameter as error:
            raise click.UsageError(f"{self.variable}: {error.message}", ctx) from None
        return value

    def arguments(self, value: object) -> list[str]:
        """The option as it is typed, for a command that repeats it."""
        name = max(self.opts, key=len)
        if self.is_flag:
            return [name]
        values = value if isinstance(value, tuple) else (value,)
        return [word for each in values for word in (name, _text(each))]


def _text(value: object) -> str:
    """A value as it is typed, but for the password of a proxy: the command that holds it may end up in a log."""
    if isinstance(value, float):
        return str(value).removesuffix(".0")
    return re.sub(r"(?<=://)([^/@]*:)[^/@]*(?=@)", r"\1***", str(value))


def _note(ctx: click.Context, param: click.Parameter, value: object) -> None:
    assert isinstance(param, SharedOption)
    if ctx.get_parameter_source(str(param.name)) is ParameterSource.COMMANDLINE:
        invocation: Invocation = ctx.obj
        invocation.note(param, value)


def _refuse_token(ctx: click.Context, param: click.Parameter, value: object) -> None:
    if ctx.get_parameter_source("token") is ParameterSource.COMMANDLINE:
        raise click.UsageError(
            f"The token is never an argument, where every process of the machine can read it: set {TOKEN_VARIABLE}. "
            f"If it was a real one, replace it.",
            ctx,
        )


def shared(*groups: tuple[SharedOption, ...]) -> Callable[[F], F]:
    """Adds groups of shared options to a command, and has `--token` refused."""

    def add(command: F) -> F:
        params: list[click.Parameter] = command.__dict__.setdefault("__click_params__", [])
        params.extend(option for group in reversed(groups) for option in reversed(group))
        return click.option("--token", hidden=True, expose_value=False, callback=_refuse_token)(command)

    return add


def _one_of(*names: str) -> Callable[[click.Context, click.Parameter, str], list[str]]:
    """Completes one of the names. A plugin may bring others, so any name is accepted."""
    return lambda ctx, param, incomplete: [name for name in names if name.startswith(incomplete)]


_SECTION = "Connection"
PLUGINS: Final = (
    SharedOption(
        "--plugin",
        "plugins",
        multiple=True,
        metavar="MODULE[:OBJECT]",
        section=_SECTION,
        help="Use a plugin. Give it several times for several plugins.",
    ),
    SharedOption(
        "--entry-points", is_flag=True, section=_SECTION, help="Use the plugins of all installed distributions, too."
    ),
)
CONNECTION: Final = (
    SharedOption(
        "--url", metavar="URL", section=_SECTION, help="The installation, or sandbox: for the embedded sandbox."
    ),
    SharedOption(
        "--codec",
        metavar="NAME",
        shell_complete=_one_of("json", "xml"),
        section=_SECTION,
        help="The format: json, xml or a plugin's. [default: json]",
    ),
    SharedOption(
        "--auth",
        type=click.Choice(["body", "bearer"]),
        section=_SECTION,
        help="Where the token travels. [default: body]",
    ),
    SharedOption(
        "--transport",
        metavar="NAME",
        shell_complete=_one_of("urllib3", "http_client", "pycurl", "httpx"),
        section=_SECTION,
        help="urllib3, http_client, pycurl, httpx or a plugin's. [default: urllib3]",
    ),
    SharedOption(
        "--proxy",
        metavar="URL",
        section=_SECTION,
        help="Send everything through this proxy. [default: as HTTP_PROXY, HTTPS_PROXY and NO_PROXY say]",
    ),
    SharedOption(
        "--ca-file", metavar="FILE", section=_SECTION, help="Certificates to trust, in PEM. [default: the system's]"
    ),
    SharedOption(
        "--connections",
        type=click.IntRange(1),
        metavar="N",
        section=_SECTION,
        help="How many connections are open at most. [default: 16]",
    ),
    SharedOption(
        "--keep-idle",
        type=DURATION,
        metavar="DURATION",
        section=_SECTION,
        help="How long an idle connection is used again. [default: 30s]",
    ),
    SharedOption(
        "--request-timeout",
        type=POSITIVE_DURATION,
        metavar="DURATION",
        section=_SECTION,
        help="Limit of one HTTP exchange. [default: 10s]",
    ),
    *PLUGINS,
)

_SECTION = "Retries and polls"
RETRIES: Final = (
    SharedOption(
        "--retries",
        type=click.IntRange(0),
        metavar="N",
        section=_SECTION,
        help="How often a failed exchange is repeated. [default: 3]",
    ),
    SharedOption(
        "--retry-base",
        type=POSITIVE_DURATION,
        metavar="DURATION",
        section=_SECTION,
        help="Delay before the first repetition; it doubles. [default: 500ms]",
    ),
    SharedOption(
        "--retry-maximum",
        type=POSITIVE_DURATION,
        metavar="DURATION",
        section=_SECTION,
        help="Longest delay before a repetition. [default: 30s]",
    ),
    SharedOption(
        "--retry-patience",
        type=DURATION,
        metavar="DURATION",
        section=_SECTION,
        help="How long a wait repeats polls that keep failing. [default: 2m]",
    ),
)
POLLS: Final = (
    *RETRIES,
    SharedOption(
        "--poll-initial",
        type=POSITIVE_DURATION,
        metavar="DURATION",
        section=_SECTION,
        help="First delay between two polls of a task. [default: 1s]",
    ),
    SharedOption(
        "--poll-maximum",
        type=POSITIVE_DURATION,
        metavar="DURATION",
        section=_SECTION,
        help="Longest delay between two polls. [default: 30s]",
    ),
    SharedOption(
        "--poll-factor",
        type=click.FloatRange(1),
        metavar="X",
        section=_SECTION,
        help="How fast the delay between polls grows. [default: 1.5]",
    ),
    SharedOption(
        "--poll-stall-after",
        type=POSITIVE_DURATION,
        metavar="DURATION",
        section=_SECTION,
        help="Give up a task that makes no progress for so long.",
    ),
    SharedOption(
        "--poll-deadline",
        type=POSITIVE_DURATION,
        metavar="DURATION",
        section=_SECTION,
        help="Give up a task that is older than this.",
    ),
    SharedOption(
        "--poll-grace",
        type=DURATION,
        metavar="DURATION",
        section=_SECTION,
        help="How long a new task may be unknown to the platform. [default: 5s]",
    ),
    SharedOption(
        "--poll-done",
        multiple=True,
        metavar="STATUS",
        section=_SECTION,
        help="A status of a finished task. [default: completed, success]",
    ),
    SharedOption(
        "--poll-failed",
        multiple=True,
        metavar="STATUS",
        section=_SECTION,
        help="A status of a failed task. [default: failed, error, canceled, cancelled]",
    ),
)

_SECTION = "Waiting and output"
TIMEOUT: Final = (
    SharedOption(
        "--timeout",
        type=DURATION,
        metavar="DURATION",
        section=_SECTION,
        help="How long to wait for all tasks together. [default: no limit]",
    ),
)
OUTPUT: Final = (
    SharedOption(
        "--json",
        is_flag=True,
        variable=False,
        section=_SECTION,
        help="Print JSON lines on stdout, and nothing else there.",
    ),
)
VERBOSE: Final = (
    SharedOption(
        "--verbose",
        "-v",
        is_flag=True,
        variable=False,
        section=_SECTION,
        help="Show exchanges, retries and polls on stderr.",
    ),
)
RESULTS: Final = (
    SharedOption(
        "--csv", is_flag=True, variable=False, section=_SECTION, help="Print the statistics as CSV, a row a channel."
    ),
    SharedOption(
        "--output",
        "-o",
        metavar="FILE",
        variable=False,
        section=_SECTION,
        help="Write the results to FILE when the command ends.",
    ),
)
