"""`altcraft listen`, and `--listen` of a refresh. The receiver is a plugin of its own: found by name, not imported."""

from __future__ import annotations

import functools
import os
import queue
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar, cast

import click
from msgspec import Struct

from altcraft_plugins.cli.options import Invocation, reported
from altcraft_plugins.cli.outcome import DONE, FAILED, Misuse, Problem, Stopped

if TYPE_CHECKING:
    from altcraft import Client, Delivery, Feedback
    from altcraft_plugins.cli.reporting import Reporter

__all__ = ["SECRET_VARIABLE", "Where", "listen", "takes_feedback"]

F = TypeVar("F", bound="Callable[..., object]")

SECRET_VARIABLE: Final = "ALTCRAFT_FEEDBACK_SECRET"  # noqa: S105  # the variable's name
RECEIVER: Final = "altcraft_plugins.feedback"
A_YEAR: Final = 366 * 86_400.0
HOST = {"default": "127.0.0.1", "show_default": True, "metavar": "HOST"}
PUBLIC = {"metavar": "URL", "help": "Where the platform reaches the receiver, if not at the address it listens on."}


class Receiver(Protocol):
    """As much of a receiver as is used here."""

    base_url: str

    def feedback(self) -> Feedback: ...


class Where(Struct, frozen=True):
    """Where the platform is to report a refresh: at `url`, at a receiver of this command's own, or nowhere."""

    url: str | None = None
    listens: bool = False
    host: str = "127.0.0.1"
    port: int = 0
    public_url: str | None = None

    @contextmanager
    def feedback(self, client: Client) -> Iterator[Feedback | None]:
        """What goes into the request, while the block lasts."""
        from altcraft import Feedback

        if not self.listens:
            yield Feedback(self.url) if self.url else None
            return
        with _listening(self.host, self.port, self.public_url, {"hooks": client.hooks}) as receiver:
            yield receiver.feedback()


def takes_feedback(command: F) -> F:
    """--feedback, --listen and what belongs to it, as one argument `feedback`, a Where."""

    @functools.wraps(command)
    def wrapped(
        *args: object,
        feedback: str | None,
        listen: bool,
        listen_host: str,
        listen_port: int,
        public_url: str | None,
        no_wait: bool,
        **others: object,
    ) -> object:
        if listen and (feedback or no_wait):
            other = "--feedback" if feedback else "--no-wait"
            raise click.UsageError(f"Give one of --listen and {other}.", click.get_current_context())
        where = Where(feedback, listen, listen_host, listen_port, public_url)
        return command(*args, feedback=where, no_wait=no_wait, **others)

    made: Any = wrapped
    for option in (
        click.option("--public-url", **PUBLIC),  # type: ignore[arg-type]  # click checks them
        click.option(
            "--listen-port", type=click.IntRange(0, 65535), default=0, help="Port of --listen. [default: any]"
        ),
        click.option("--listen-host", help="Address of --listen.", **HOST),  # type: ignore[arg-type]
        click.option("--listen", is_flag=True, help="Listen for the platform's own word that it is done."),
        click.option("--feedback", metavar="URL", help="Have the platform send the statistics there, too."),
    ):
        made = option(made)
    return cast(F, made)


@click.command("listen")
@click.option("--host", help="Address to listen on.", **HOST)  # type: ignore[arg-type]  # click checks them
@click.option("--port", type=click.IntRange(0, 65535), default=8081, show_default=True, help="0 takes a free one.")
@click.option("--public-url", **PUBLIC)  # type: ignore[arg-type]  # likewise
@click.option("--urls", type=click.IntRange(0), default=1, show_default=True, metavar="N", help="How many to hand out.")
@reported
@click.pass_obj
def listen(invocation: Invocation, host: str, port: int, public_url: str | None, urls: int) -> int:
    """Receive feedback until Ctrl-C, and print a line for each delivery.

    Hands out URLs for `--feedback` of a refresh. With the environment variable ALTCRAFT_FEEDBACK_SECRET it also takes
    deliveries on URLs from other processes that have the same secret.
    """
    reporter = invocation.reporter
    deliveries: queue.SimpleQueue[Delivery] = queue.SimpleQueue()
    settings: dict[str, object] = {"plugins": [_Queued(deliveries)], "spacing": 0.0, "lifetime": A_YEAR}
    with _until_stopped(), _listening(host, port, public_url, settings) as receiver:
        reporter.serving("Listening", receiver.base_url)
        for _ in range(urls):
            reporter.handed_out(receiver.feedback().url)
        _report(deliveries, reporter)
    return DONE


def _report(deliveries: queue.SimpleQueue[Delivery], reporter: Reporter) -> None:
    """Prints in this thread, so that an output which breaks ends the command."""
    while True:
        try:
            reporter.delivery(deliveries.get(timeout=1.0))  # a wait without end can't be interrupted everywhere
        except queue.Empty:
            continue


class _Queued:
    def __init__(self, deliveries: queue.SimpleQueue[Delivery]) -> None:
        from altcraft import hookimpl

        def altcraft_feedback_received(delivery: Delivery) -> None:
            deliveries.put(delivery)

        self.altcraft_feedback_received = hookimpl(altcraft_feedback_received)


@contextmanager
def _listening(host: str, port: int, public_url: str | None, settings: Mapping[str, object]) -> Iterator[Receiver]:
    """A receiver on a socket. Misuse for settings that make no sense, Stopped where it can't be served."""
    server = import_module(f"{RECEIVER}.server")
    make = functools.partial(
        import_module(RECEIVER).FeedbackReceiver,
        secret=os.environ.get(SECRET_VARIABLE, "").strip() or None,
        **settings,
    )
    serving: AbstractContextManager[Receiver] = server.listening(host, port, url=public_url, make=make)
    try:
        receiver = serving.__enter__()
    except ValueError as error:
        raise Misuse(str(error)) from None
    except RuntimeError as error:  # how the server says, in one line, that it cannot start
        raise Stopped(Problem(type(error).__name__, str(error), FAILED)) from None
    try:
        yield receiver
    finally:
        serving.__exit__(None, None, None)


class _Ended(BaseException):
    """A signal has come: nothing went wrong."""


@contextmanager
def _until_stopped() -> Iterator[None]:
    """The first SIGINT or SIGTERM ends the block, quietly; outside the main thread none is handled."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(*_: object) -> None:
        for number in before:
            signal.signal(number, signal.SIG_IGN)  # the closing that has begun is not to be broken into
        raise _Ended

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        for number in before:
            signal.signal(number, stop)
        yield
    except _Ended:
        return
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
