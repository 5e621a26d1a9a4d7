"""The options that stand before the command as well as after it, and what they amount to."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, TypeVar

import click
from click.core import ParameterSource

from altcraft_plugins.cli.connection import TOKEN_VARIABLE, URL_VARIABLE, Connect, Connection, make_client
from altcraft_plugins.cli.reporting import Reporter

__all__ = ["PACE", "SECONDS", "Invocation", "connected", "reported", "versioned", "waiting"]

F = TypeVar("F", bound="Callable[..., object]")

KEY: Final = "altcraft_plugins.cli"


if TYPE_CHECKING:
    _Type = click.ParamType[float]
else:  # not generic in every version of click
    _Type = click.ParamType


class _Seconds(_Type):
    name = "seconds"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        try:
            seconds = float(str(value))
        except ValueError:
            seconds = math.nan
        if not (math.isfinite(seconds) and seconds >= 0):
            self.fail(f"{value!r} is not a number of seconds", param, ctx)
        return seconds


class _Pace(_Type):
    """A number of seconds, or two with dots between them."""

    name = "pace"

    def convert(  # type: ignore[override]  # a range is a pair
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> float | tuple[float, float]:
        least, dots, most = str(value).partition("..")
        if not dots:
            return SECONDS.convert(least, param, ctx)
        return SECONDS.convert(least, param, ctx), SECONDS.convert(most, param, ctx)


SECONDS: Final = _Seconds()
PACE: Final = _Pace()


class Invocation:
    """One run of the program: what its options said, wherever they stood; the innermost counts."""

    def __init__(self, connect: Connect = make_client) -> None:
        self.connect = connect
        self.given: dict[str, object] = {}

    @property
    def timeout(self) -> float | None:
        """Seconds to wait for a task, None for as long as it takes."""
        timeout = self.given.get("timeout")
        return timeout if isinstance(timeout, float) else None

    @property
    def reporter(self) -> Reporter:
        """The one that fits: for machines with --json, else for people."""
        if self.given.get("json"):
            from altcraft_plugins.cli.jsonlines import JsonReporter

            return JsonReporter()
        from altcraft_plugins.cli.human import HumanReporter

        return HumanReporter()

    def connection(self) -> Connection:
        """Where to. UsageError where nobody has said."""
        url = str(self.given.get("url") or os.environ.get(URL_VARIABLE, "").strip())
        if not url:
            raise click.UsageError(
                f"No URL of an installation: give --url https://your.host or set {URL_VARIABLE}; "
                f"--url sandbox: tries it without one.",
                click.get_current_context(),
            )
        request_timeout = self.given.get("request_timeout")
        if request_timeout == 0:
            raise click.UsageError("--request-timeout takes more than 0 seconds.", click.get_current_context())
        return Connection(
            url=url,
            codec=str(self.given.get("codec", "json")),
            auth=str(self.given.get("auth", "body")),
            request_timeout=request_timeout if isinstance(request_timeout, float) else 10.0,
        )


def _note(ctx: click.Context, param: click.Parameter, value: object) -> None:
    """Remembers what was typed; an option that was not leaves the outer one's word alone."""
    assert param.name is not None
    if ctx.get_parameter_source(param.name) is ParameterSource.COMMANDLINE:
        ctx.ensure_object(Invocation).given[param.name] = value


def _refuse_token(ctx: click.Context, param: click.Parameter, value: object) -> None:
    if ctx.get_parameter_source("token") is ParameterSource.COMMANDLINE:
        raise click.UsageError(
            f"The token is never an argument, where every process of the machine can read it: set {TOKEN_VARIABLE}. "
            f"If it was a real one, replace it.",
            ctx,
        )


def _option(*names: str, **settings: object) -> Callable[[F], F]:
    return click.option(*names, expose_value=False, callback=_note, **settings)  # type: ignore[arg-type]  # click checks them


def _show_version(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    if not value or ctx.resilient_parsing:
        return
    from importlib.metadata import PackageNotFoundError, version

    try:
        found = version("altcraft-client")
    except PackageNotFoundError:
        found = "(not installed: run from its sources)"
    click.echo(f"altcraft {found}")
    ctx.exit()


def versioned(command: F) -> F:
    """--version."""
    text = "Show the version and exit."
    return click.option(
        "--version", is_flag=True, is_eager=True, expose_value=False, callback=_show_version, help=text
    )(command)


def reported(command: F) -> F:
    """--json, and the refusal of --token."""
    command = click.option("--token", hidden=True, expose_value=False, callback=_refuse_token)(command)
    return _option("--json", is_flag=True, help="Print JSON lines on stdout, and nothing else there.")(command)


def waiting(command: F) -> F:
    """--timeout."""
    text = "How long to wait for tasks. [default: no limit]"
    return _option("--timeout", type=SECONDS, metavar="SECONDS", help=text)(command)


def connected(command: F) -> F:
    """Where to and how, and what `reported` brings."""
    command = reported(command)
    command = _option(
        "--request-timeout", type=SECONDS, metavar="SECONDS", help="Limit of one HTTP exchange. [default: 10]"
    )(command)
    command = _option("--auth", type=click.Choice(["body", "bearer"]), help="Where the token travels. [default: body]")(
        command
    )
    command = _option("--codec", type=click.Choice(["json", "xml"]), help="The format that is spoken. [default: json]")(
        command
    )
    return _option(
        "--url", metavar="URL", help=f"The installation, or sandbox: for the embedded one. [env: {URL_VARIABLE}]"
    )(command)
