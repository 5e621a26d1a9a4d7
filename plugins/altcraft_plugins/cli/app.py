"""Runs a command from its arguments to its exit code: the one place where what went wrong becomes words."""

from __future__ import annotations

import errno
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

import click

from altcraft_plugins.cli.commands import NothingAsked, root
from altcraft_plugins.cli.connection import Connect, make_client
from altcraft_plugins.cli.options import Invocation
from altcraft_plugins.cli.outcome import BROKEN_PIPE, DONE, FAILED, INTERRUPTED, USAGE, Misuse, Problem, Stopped, masked
from altcraft_plugins.cli.reporting import forgiving_streams, printable

__all__ = ["run"]

COMPLETION = "_ALTCRAFT_COMPLETE"


def run(argv: Sequence[str], *, connect: Connect = make_client, is_last: bool = False) -> int:
    """The exit code. `connect` makes the clients. `is_last` says that the process ends with this command."""
    forgiving_streams()
    invocation = Invocation(connect)
    if COMPLETION in os.environ:  # a shell asks; click answers, and exits
        root.main(list(argv), prog_name="altcraft", complete_var=COMPLETION)
    with _one_interrupt(is_last):
        try:
            code = _guarded(argv, invocation)
            sys.stdout.flush()
        except OSError as error:
            return _unwritable(error)
    return code


def _guarded(argv: Sequence[str], invocation: Invocation) -> int:
    try:
        # Not main(): it would take broken pipes and interrupts into its own hands.
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
    except KeyboardInterrupt:
        invocation.reporter.problem(Problem("Interrupted", "interrupted", INTERRUPTED))
        return INTERRUPTED
    return outcome if isinstance(outcome, int) else DONE


def _misused(argv: Sequence[str], error: click.UsageError) -> int:
    """What to type instead, in the usual form; as a line where the arguments ask for lines."""
    message = masked(error.format_message())
    if "--json" in argv[: argv.index("--") if "--" in argv else None]:
        from altcraft_plugins.cli.jsonlines import JsonReporter

        JsonReporter().problem(Problem("Usage", message, USAGE))
        return USAGE
    if isinstance(error, NothingAsked) and error.ctx is not None:
        sys.stderr.write(error.ctx.get_help() + "\n")
        return USAGE
    if error.ctx is not None:
        sys.stderr.write(f"{error.ctx.get_usage()}\nTry '{error.ctx.command_path} --help' for help.\n\n")
    sys.stderr.write(f"Error: {printable(message)}\n")
    return USAGE


def _unwritable(error: OSError) -> int:
    """Nobody reads on, or nothing takes the output: quiet in the first case, a line in the second."""
    # What is still buffered would be written, and fail again, when the interpreter ends.
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    if isinstance(error, BrokenPipeError) or error.errno == errno.EINVAL:  # what Windows calls it
        return BROKEN_PIPE
    with suppress(OSError):
        sys.stderr.write(f"altcraft: the output cannot be written: {error.strerror}\n")
    return FAILED


@contextmanager
def _one_interrupt(is_last: bool) -> Iterator[None]:
    """Lets the first Ctrl-C through, and no other: it must not cut off the way back to the task, nor the exit code."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(*_: object) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        raise KeyboardInterrupt

    before = signal.getsignal(signal.SIGINT)
    if before not in (signal.SIG_IGN, None):  # ignored for a job in the background: it stays so
        signal.signal(signal.SIGINT, interrupt)
    try:
        yield
    finally:
        if not is_last or signal.getsignal(signal.SIGINT) is interrupt:
            signal.signal(signal.SIGINT, before or signal.SIG_DFL)
