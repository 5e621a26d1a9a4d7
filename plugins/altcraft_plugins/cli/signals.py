"""SIGINT (Ctrl-C), SIGTERM and SIGHUP end a command once, as an exception."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["Interrupted", "Received", "as_interrupted", "interrupted_by_signals"]

NUMBERS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
"""Windows has no SIGHUP."""


class Interrupted(KeyboardInterrupt):
    """A signal asks the command to end. Code that lets a KeyboardInterrupt through lets this through, too."""

    def __init__(self, number: int = signal.SIGINT) -> None:
        super().__init__(number)
        self.exit_code = 128 + number
        self.cause = "interrupted" if number == signal.SIGINT else f"ended by {signal.Signals(number).name}"


def as_interrupted(error: KeyboardInterrupt) -> Interrupted:
    """The same as an Interrupted: outside `interrupted_by_signals`, Ctrl-C raises a plain KeyboardInterrupt."""
    return error if isinstance(error, Interrupted) else Interrupted()


class Received:
    """The signal that has ended the command, or None."""

    interrupted: Interrupted | None = None


@contextmanager
def interrupted_by_signals(*, is_last: bool) -> Iterator[Received]:
    """Raises Interrupted in the block at the first signal, and ignores all later ones.

    A later signal must neither cut off the output of the resume token nor change the exit code. With `is_last` the
    process ends after the block, so signals stay ignored. A signal that was ignored before (`nohup`, a job in the
    background) stays ignored. Outside the main thread, Python handles no signals and the block runs as it is.
    """
    received = Received()
    if threading.current_thread() is not threading.main_thread():
        yield received
        return

    def interrupt(number: int, _: object) -> None:
        for each in before:
            signal.signal(each, signal.SIG_IGN)
        received.interrupted = Interrupted(number)
        raise received.interrupted

    found = {number: signal.getsignal(number) for number in NUMBERS}
    before = {number: handler for number, handler in found.items() if handler not in (signal.SIG_IGN, None)}
    for number in before:
        signal.signal(number, interrupt)
    try:
        yield received
    finally:
        if received.interrupted is None or not is_last:
            for number, handler in before.items():
                signal.signal(number, handler)
