"""`altcraft listen`: prints the feedback that the platform delivers."""

from __future__ import annotations

import queue
from typing import TYPE_CHECKING, Final, NoReturn

import click

from altcraft_plugins.cli.commands.groups import root
from altcraft_plugins.cli.exit_codes import DONE
from altcraft_plugins.cli.options import OUTPUT, shared
from altcraft_plugins.cli.receiver import listening
from altcraft_plugins.cli.signals import Interrupted

if TYPE_CHECKING:
    from altcraft import Delivery
    from altcraft_plugins.cli.invocation import Invocation
    from altcraft_plugins.cli.output.reporter import Reporter

__all__ = ["listen"]

A_YEAR: Final = 366 * 86_400.0


@root.command(
    "listen",
    params=shared(OUTPUT),
    examples="""
        altcraft listen
        altcraft listen --host 0.0.0.0 --port 8081 --public-url https://me.example/altcraft
    """,
)
@click.option("--host", default="127.0.0.1", show_default=True, metavar="HOST", help="Address to listen on.")
@click.option(
    "--port", type=click.IntRange(0, 65535), metavar="PORT", default=8081, show_default=True, help="0 takes a free one."
)
@click.option(
    "--public-url", metavar="URL", help="Where the platform reaches this command. [default: the address itself]"
)
@click.option("--urls", type=click.IntRange(0), default=1, show_default=True, metavar="N", help="How many to hand out.")
@click.pass_obj
def listen(invocation: Invocation, host: str, port: int, public_url: str | None, urls: int) -> int:
    """Receive feedback until Ctrl-C, and print a line for each delivery.

    Hands out URLs for `--feedback` of a refresh. With the environment variable ALTCRAFT_FEEDBACK_SECRET it also takes
    deliveries on the URLs of other processes that have the same secret.
    """
    reporter = invocation.reporter
    deliveries: queue.SimpleQueue[Delivery] = queue.SimpleQueue()
    settings: dict[str, object] = {"plugins": [_Queued(deliveries)], "spacing": 0.0, "lifetime": A_YEAR}
    try:
        with listening(host, port, public_url, settings) as receiver:
            reporter.serving("Listening", receiver.base_url)
            for _ in range(urls):
                reporter.handed_out(receiver.feedback().url)
            _report(deliveries, reporter)
    except Interrupted:
        return DONE


def _report(deliveries: queue.SimpleQueue[Delivery], reporter: Reporter) -> NoReturn:
    """Reports in this thread, so that an output that breaks ends the command."""
    while True:
        try:
            reporter.delivery(deliveries.get(timeout=1.0))  # not every platform interrupts a wait without a timeout
        except queue.Empty:
            continue


class _Queued:
    """A plugin that queues the deliveries."""

    def __init__(self, deliveries: queue.SimpleQueue[Delivery]) -> None:
        from altcraft import hookimpl

        def altcraft_feedback_received(delivery: Delivery) -> None:
            deliveries.put(delivery)

        self.altcraft_feedback_received = hookimpl(altcraft_feedback_received)
