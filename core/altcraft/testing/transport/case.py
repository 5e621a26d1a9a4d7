"""What all cases of the contract share: how a transport is made and used, and how it may fail."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import ClassVar, TypeVar

from altcraft.errors import AltcraftError, ConnectError, RequestTimeout
from altcraft.testing.contract import Contract, skip
from altcraft.testing.transport.tested import BODY_TOKEN, HEADER_TOKEN, Loop, MakeTransport, Tested
from altcraft.wire.messages import HttpRequest, HttpResponse

__all__ = ["SLACK", "Case"]

E = TypeVar("E", bound=AltcraftError)

SLACK = 1.5
"""Seconds that a bounded exchange may take longer than its timeout, on a busy machine."""


class Case(Contract):
    """The base of the contract."""

    loop: ClassVar[Loop | None] = None
    options: ClassVar[frozenset[str]] = frozenset()
    keeps_connections: ClassVar[bool] = True

    def made(self, make_transport: MakeTransport, **options: object) -> Tested:
        """Makes a transport with these options, for a `with` block. Skips the case if it does not take one of them."""
        missing = options.keys() - self.options
        if missing:
            self.waive(min(missing))
        return Tested(lambda: make_transport(**options), self.loop)

    def fails(
        self, tested: Tested, request: HttpRequest, kinds: type[E] | tuple[type[E], ...], timeout: float = 5.0
    ) -> E:
        """Returns the error that an exchange ends with: one of these kinds, in time, and without a secret in it."""
        began = time.monotonic()
        error = self.failed(tested.begin(request, timeout), kinds)
        taken = time.monotonic() - began
        assert taken < timeout + SLACK, f"an exchange of at most {timeout:g} s took {taken:.1f} s"
        return error

    def times_out(self, tested: Tested, request: HttpRequest, timeout: float) -> None:
        """Demands a RequestTimeout in time. A busy machine may take as long to connect: then it gets more."""
        for more in (1, 3):
            if isinstance(self.fails(tested, request, (RequestTimeout, ConnectError), timeout * more), RequestTimeout):
                return
        self.fails(tested, request, RequestTimeout, timeout * 9)

    def failed(self, future: Future[HttpResponse], kinds: type[E] | tuple[type[E], ...]) -> E:
        """Returns the error of an exchange under way."""
        error = future.exception(20)
        if error is None:
            raise AssertionError(f"expected {_names(kinds)}, but there was a reply: {future.result()!r}")
        assert isinstance(error, kinds), f"expected {_names(kinds)}, got {error!r}, because of {error.__cause__!r}"
        seen: BaseException | None = error
        while seen is not None:
            for text in (str(seen), repr(seen), repr(seen.args)):
                assert BODY_TOKEN not in text, f"the error shows the token in the body: {text}"
                assert HEADER_TOKEN not in text, f"the error shows the token among the headers: {text}"
            seen = seen.__cause__ or (None if seen.__suppress_context__ else seen.__context__)
        said = str(error).strip()
        assert said, "the error has no message"
        assert not said.endswith((":", "None", "None]", "()")), f"the error's message says nothing: {said}"
        return error

    def eventually(self, holds: Callable[[], bool], what: str) -> None:
        """Waits until something holds that has been set in motion. `what` is the complaint if it never does."""
        patience = time.monotonic() + 5
        while not holds():
            assert time.monotonic() < patience, what
            time.sleep(0.005)

    def descriptors(self) -> int:
        """Returns how many descriptors this process has open. Skips the case on a system that does not tell."""
        try:
            return len(os.listdir("/dev/fd"))
        except OSError:
            skip("this system does not list a process's descriptors")


def _names(kinds: type[E] | tuple[type[E], ...]) -> str:
    return " or ".join(kind.__name__ for kind in (kinds if isinstance(kinds, tuple) else (kinds,)))
