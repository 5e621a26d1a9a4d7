"""The options that many commands share. They stand before the command, after it, or between its two words."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import click
from click.core import ParameterSource

from altcraft_plugins.cli.parameter_types import DURATION, POSITIVE_DURATION

if TYPE_CHECKING:
    from altcraft_plugins.cli.invocation import Invocation

__all__ = [
    "COMPLETION_VARIABLE",
    "CONNECTION",
    "EVERY",
    "HISTORY",
    "INTO_FILE",
    "JOURNAL",
    "OUTPUT",
    "PLUGINS",
    "POLLS",
    "RESULTS",
    "RETRIES",
    "TIMEOUT",
    "TOKEN_VARIABLE",
    "VERBOSE",
    "SharedOption",
    "shared",
]

TOKEN_VARIABLE: Final = "ALTCRAFT_TOKEN"  # noqa: S105  # the variable's name
COMPLETION_VARIABLE: Final = "_ALTCRAFT_COMPLETE"
"""In the environment, it has the program print completions: the shell's script sets it."""


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


def shared(*groups: tuple[SharedOption, ...]) -> list[click.Parameter]:
    """The `params` of a command with these groups of options. `--token` is one that is refused."""
    refused = click.Option(["--token"], hidden=True, expose_value=False, callback=_refuse_token)
    return [*(option for group in groups for option in group), refused]


def _one_of(*names: str) -> Callable[[click.Context, click.Parameter, str], list[str]]:
    """Completes one of the names. A plugin may bring others, so any name is accepted."""
    return lambda ctx, param, incomplete: [name for name in names if name.startswith(incomplete)]


_for_connection = partial(SharedOption, section="Connection")
PLUGINS: Final = (
    _for_connection(
        "--plugin",
        "plugins",
        multiple=True,
        metavar="MODULE[:OBJECT]",
        help="Use a plugin. Give it several times for several plugins.",
    ),
    _for_connection("--entry-points", is_flag=True, help="Use the plugins of all installed distributions, too."),
)
CONNECTION: Final = (
    _for_connection("--url", metavar="URL", help="The installation, or sandbox: for the embedded sandbox."),
    _for_connection(
        "--codec",
        metavar="NAME",
        shell_complete=_one_of("json", "xml"),
        help="The format: json, xml or a plugin's. [default: json]",
    ),
    _for_connection(
        "--auth",
        type=click.Choice(["body", "bearer"]),
        help="Where the token travels. [default: body]",
    ),
    _for_connection(
        "--transport",
        metavar="NAME",
        shell_complete=_one_of("urllib3", "http_client", "pycurl", "httpx"),
        help="urllib3, http_client, pycurl, httpx or a plugin's. [default: urllib3]",
    ),
    _for_connection(
        "--proxy",
        metavar="URL",
        help="Send everything through this proxy. [default: as HTTP_PROXY, HTTPS_PROXY and NO_PROXY say]",
    ),
    _for_connection("--ca-file", metavar="FILE", help="Certificates to trust, in PEM. [default: the system's]"),
    _for_connection(
        "--connections",
        type=click.IntRange(1),
        metavar="N",
        help="How many connections are open at most. [default: 16]",
    ),
    _for_connection(
        "--keep-idle",
        type=DURATION,
        metavar="DURATION",
        help="How long an idle connection is used again. [default: 30s]",
    ),
    _for_connection(
        "--request-timeout",
        type=POSITIVE_DURATION,
        metavar="DURATION",
        help="Limit of one HTTP exchange. [default: 10s]",
    ),
    *PLUGINS,
)

_for_polls = partial(SharedOption, section="Retries and polls")
RETRIES: Final = (
    _for_polls(
        "--retries",
        type=click.IntRange(0),
        metavar="N",
        help="How often a failed exchange is repeated. [default: 3]",
    ),
    _for_polls(
        "--retry-base",
        type=POSITIVE_DURATION,
        metavar="DURATION",
        help="Delay before the first repetition; it doubles. [default: 500ms]",
    ),
    _for_polls(
        "--retry-maximum",
        type=POSITIVE_DURATION,
        metavar="DURATION",
        help="Longest delay before a repetition. [default: 30s]",
    ),
    _for_polls(
        "--retry-patience",
        type=DURATION,
        metavar="DURATION",
        help="How long a wait repeats polls that keep failing. [default: 2m]",
    ),
)
POLLS: Final = (
    *RETRIES,
    _for_polls(
        "--poll-initial",
        type=POSITIVE_DURATION,
        metavar="DURATION",
        help="First delay between two polls of a task. [default: 1s]",
    ),
    _for_polls(
        "--poll-maximum",
        type=POSITIVE_DURATION,
        metavar="DURATION",
        help="Longest delay between two polls. [default: 30s]",
    ),
    _for_polls(
        "--poll-factor",
        type=click.FloatRange(1),
        metavar="X",
        help="How fast the delay between polls grows. [default: 1.5]",
    ),
    _for_polls(
        "--poll-stall-after",
        type=POSITIVE_DURATION,
        metavar="DURATION",
        help="Give up a task that makes no progress for so long.",
    ),
    _for_polls(
        "--poll-deadline",
        type=POSITIVE_DURATION,
        metavar="DURATION",
        help="Give up a task that is older than this.",
    ),
    _for_polls(
        "--poll-grace",
        type=DURATION,
        metavar="DURATION",
        help="How long a new task may be unknown to the platform. [default: 5s]",
    ),
    _for_polls(
        "--poll-done",
        multiple=True,
        metavar="STATUS",
        help="A status of a finished task. [default: completed, success]",
    ),
    _for_polls(
        "--poll-failed",
        multiple=True,
        metavar="STATUS",
        help="A status of a failed task. [default: failed, error, canceled, cancelled]",
    ),
)

_for_output = partial(SharedOption, section="Waiting and output")
TIMEOUT: Final = (
    _for_output(
        "--timeout",
        type=DURATION,
        metavar="DURATION",
        help="How long to wait for all tasks together. [default: no limit]",
    ),
)
OUTPUT: Final = (
    _for_output(
        "--json",
        is_flag=True,
        variable=False,
        help="Print JSON lines on stdout, and nothing else there.",
    ),
)
VERBOSE: Final = (
    _for_output(
        "--verbose",
        "-v",
        count=True,
        variable=False,
        help="Show retries and polls on stderr; -vv shows every exchange.",
    ),
)
INTO_FILE: Final = (
    _for_output(
        "--output",
        "-o",
        metavar="FILE",
        variable=False,
        help="Write the results to FILE when the command ends.",
    ),
)
RESULTS: Final = (
    _for_output("--csv", is_flag=True, variable=False, help="Print the statistics as CSV, a row a channel."),
    _for_output("--bom", is_flag=True, variable=False, help="Begin the CSV with a byte-order mark, for Excel."),
    *INTO_FILE,
)
JOURNAL: Final = (
    _for_output(
        "--journal",
        metavar="FILE",
        help="Keep tasks and outcomes in FILE, so that a later command can go on with them.",
    ),
)
HISTORY: Final = (
    _for_output("--history", metavar="FILE", help="Keep every completed count in FILE."),
    _for_output(
        "--history-keep",
        type=POSITIVE_DURATION,
        metavar="DURATION",
        help="Delete counts of the history that are older: 400d. [default: never]",
    ),
)
EVERY: Final = (TIMEOUT, JOURNAL, HISTORY, RESULTS, OUTPUT, VERBOSE, CONNECTION, POLLS)
"""All groups, for a command that waits for tasks."""
