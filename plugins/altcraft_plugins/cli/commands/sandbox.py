"""`altcraft sandbox serve`. The sandbox is a plugin of its own, so the command finds it by its name."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final, cast

import click

from altcraft_plugins.cli.commands.groups import sandbox
from altcraft_plugins.cli.exit_codes import DONE, FAILED
from altcraft_plugins.cli.options import OUTPUT, shared
from altcraft_plugins.cli.parameter_types import DURATION, PACE
from altcraft_plugins.cli.problems import Problem
from altcraft_plugins.cli.signals import Interrupted
from altcraft_plugins.cli.stopping import Misuse, Stopped

if TYPE_CHECKING:
    from typing import Protocol

    from altcraft_plugins.cli.invocation import Invocation

    class _Served(Protocol):
        url: str
        exports: list[str]

    class _ServerModule(Protocol):
        def serve(self, **settings: object) -> _Served: ...

        def serve_until_signal(self, start: Callable[[], _Served], report: Callable[[_Served], None]) -> None: ...


__all__ = ["sandbox_serve"]

SERVER: Final = "altcraft_plugins.sandbox.server"


@sandbox.command(
    "serve",
    params=shared(OUTPUT),
    examples="""
        altcraft sandbox serve
        altcraft sandbox serve --port 9000 --db kept.sqlite3 --pace 500ms..5s
        altcraft sandbox serve --faults plan.toml --feedback never:0.2
    """,
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port", type=click.IntRange(0, 65535), metavar="PORT", default=8080, show_default=True, help="0 takes a free one."
)
@click.option("--db", metavar="FILE", help="Keep everything in this file. [default: in memory]")
@click.option("--profiles", type=click.IntRange(0), metavar="N", help="Size of database 9. [default: 2000]")
@click.option(
    "--pace", type=PACE, metavar="DURATION", help="How long a recount takes: 2.5s, or 500ms..5s. [default: 2.5s]"
)
@click.option("--feedback", metavar="HOW", help="Have deliveries go wrong: late, never:0.2 and so on.")
@click.option("--feedback-delay", type=DURATION, metavar="DURATION", help="How late late ones are. [default: 3s]")
@click.option("--feedback-anywhere", is_flag=True, help="Deliver to other machines, too.")
@click.option("--faults", metavar="FILE", help="Misbehave as this TOML file says: a plan of faults.")
@click.pass_obj
def sandbox_serve(invocation: Invocation, /, **settings: object) -> int:
    """Serve the sandbox over HTTP until Ctrl-C.

    It accepts the token in ALTCRAFT_SANDBOX_TOKEN, or those in the file that ALTCRAFT_SANDBOX_TOKEN_FILE names, one a
    line. Without either it accepts the public token, and listens on this machine only.
    """
    if find_spec("waitress") is None:
        raise Misuse("serving the sandbox needs the package waitress: pip install waitress")
    server = cast("_ServerModule", import_module(SERVER))
    given = {name: value for name, value in settings.items() if value is not None}

    def report(served: _Served) -> None:
        invocation.reporter.serving("The sandbox answers", served.url)
        invocation.reporter.say("\n".join(served.exports))

    try:
        server.serve_until_signal(lambda: server.serve(**given), report)
    except Interrupted:  # the server itself handles SIGINT and SIGTERM
        return DONE
    except ValueError as error:
        raise Misuse(str(error)) from None
    except BrokenPipeError:
        raise
    except (RuntimeError, OSError) as error:  # one line that says why the server can't start
        raise Stopped(Problem(type(error).__name__, str(error), FAILED)) from None
    return DONE
