"""A receiver of feedback for as long as a command runs.

The receiver is a plugin of its own, so this module finds it by its name and does not import it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Final, Protocol

from msgspec import Struct

from altcraft_plugins.cli.exit_codes import FAILED
from altcraft_plugins.cli.problems import Problem
from altcraft_plugins.cli.stopping import Misuse, Stopped

if TYPE_CHECKING:
    from altcraft import Client, Feedback

__all__ = ["SECRET_VARIABLE", "ReportTo", "listening"]

SECRET_VARIABLE: Final = "ALTCRAFT_FEEDBACK_SECRET"  # noqa: S105  # the variable's name
RECEIVER: Final = "altcraft_plugins.feedback"


class Receiver(Protocol):
    """The part of a receiver that the commands use."""

    base_url: str

    def feedback(self) -> Feedback: ...


class ReportTo(Struct, frozen=True):
    """Where the platform reports the end of a task: at `url`, at a receiver of this command, or nowhere."""

    url: str | None = None
    listens: bool = False
    host: str = "127.0.0.1"
    port: int = 0
    public_url: str | None = None

    @contextmanager
    def feedback(self, client: Client) -> Iterator[Callable[[], Feedback | None]]:
        """Makes the `feedback` of each request while the block lasts."""
        from altcraft import Feedback

        if not self.listens:
            yield lambda: Feedback(self.url) if self.url else None
            return
        with listening(self.host, self.port, self.public_url, {"hooks": client.hooks}) as receiver:
            yield receiver.feedback


@contextmanager
def listening(host: str, port: int, public_url: str | None, settings: Mapping[str, object]) -> Iterator[Receiver]:
    """A receiver on a socket. Misuse for settings that make no sense, Stopped where it can't be served."""
    server = import_module(f"{RECEIVER}.server")
    secret = os.environ.get(SECRET_VARIABLE, "").strip() or None
    make = partial(import_module(RECEIVER).FeedbackReceiver, secret=secret, **settings)
    with ExitStack() as stack:
        try:
            receiver: Receiver = stack.enter_context(server.listening(host, port, url=public_url, make=make))
        except ValueError as error:
            raise Misuse(str(error)) from None
        except RuntimeError as error:  # how the server says, in one line, that it cannot start
            raise Stopped(Problem(type(error).__name__, str(error), FAILED)) from None
        yield receiver
