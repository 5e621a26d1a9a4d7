"""Runs one command, from its arguments to its exit code. All errors become words here."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

import click

from altcraft_plugins.cli.commands.click_classes import MissingCommand
from altcraft_plugins.cli.commands.groups import root
from altcraft_plugins.cli.exit_codes import BROKEN_PIPE, DONE, FAILED, USAGE
from altcraft_plugins.cli.invocation import Invocation
from altcraft_plugins.cli.options import COMPLETION_VARIABLE
from altcraft_plugins.cli.output.streams import forgiving_streams, printable
from altcraft_plugins.cli.signals import as_interrupted, interrupted_by_signals
from altcraft_plugins.cli.stopping import Misuse, Stopped

if TYPE_CHECKING:
    from altcraft_plugins.cli.connection import Connect

__all__ = ["run"]


def run(argv: Sequence[str], *, connect: Connect | None = None, is_last: bool = False) -> int:
    """The exit code. `connect` makes the clients; None stands for `make_client`.

    `is_last` says that the process ends with this command.
    """
    forgiving_streams()
    invocation = Invocation(connect)
    if COMPLETION_VARIABLE in os.environ:  # the shell asks for completions; click answers and exits
        root.main(list(argv), prog_name="altcraft", complete_var=COMPLETION_VARIABLE, obj=invocation)
    with interrupted_by_signals(is_last=is_last) as received:
        try:
            try:
                code = _carried_out(argv, invocation)
            finally:
                invocation.finish()
            sys.stdout.flush()
        except OSError as error:
            code = _unwritable(error)
    return received.interrupted.exit_code if received.interrupted and code in (FAILED, BROKEN_PIPE) else code


def _carried_out(argv: Sequence[str], invocation: Invocation) -> int:
    try:
        # Not root.main(), which handles broken pipes and interrupts in its own way.
        with root.make_context("altcraft", list(argv), obj=invocation) as context:
            outcome: object = root.invoke(context)
    except click.exceptions.Exit as ended:
        return ended.exit_code
    except click.UsageError as error:
        return _misused(argv, error)
    except Misuse as error:
        return _misused(argv, click.UsageError(str(error)))
    except Stopped as stopped:
        invocation.reporter.problem(stopped.problem)
        return stopped.problem.exit_code
    except KeyboardInterrupt as error:
        from altcraft_plugins.cli.problems import problem_of_interrupt

        problem = problem_of_interrupt(as_interrupted(error))
        invocation.reporter.problem(problem)
        return problem.exit_code
    return outcome if isinstance(outcome, int) else DONE


def _misused(argv: Sequence[str], error: click.UsageError) -> int:
    """Says what to type instead: in click's form or, where the arguments ask for JSON lines, as one of those."""
    from altcraft_plugins.cli.connection import masked

    message = masked(error.format_message())
    if "--json" in argv[: argv.index("--") if "--" in argv else None]:
        from altcraft_plugins.cli.output.destination import Destination
        from altcraft_plugins.cli.output.jsonlines import JsonReporter
        from altcraft_plugins.cli.problems import Problem

        JsonReporter(Destination(None)).problem(Problem("Usage", message, USAGE))
        return USAGE
    if isinstance(error, MissingCommand) and error.ctx is not None:
        sys.stderr.write(error.ctx.get_help() + "\n")
        return USAGE
    if error.ctx is not None:
        sys.stderr.write(f"{error.ctx.get_usage()}\nTry '{error.ctx.command_path} --help' for help.\n\n")
    sys.stderr.write(f"Error: {printable(message)}\n")
    return USAGE


def _unwritable(error: OSError) -> int:
    """Ends quietly where the reader has gone, and with a line where the output can't be written."""
    # The interpreter would write what is still buffered when it ends, and fail again.
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    if isinstance(error, BrokenPipeError) or error.errno == errno.EINVAL:  # EINVAL: Windows
        return BROKEN_PIPE
    with suppress(OSError):
        sys.stderr.write(f"altcraft: the output cannot be written: {error.strerror}\n")
    return FAILED
