"""What all cases of the contract share: how a transport is made, used, and seen to fail."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import ClassVar, TypeVar

from altcraft.errors import TransportError
from altcraft.testing.transport.pilot import BODY_TOKEN, HEADER_TOKEN, Loop, MakeTransport, Pilot
from altcraft.wire.messages import HttpRequest, HttpResponse

__all__ = ["Case"]

E = TypeVar("E", bound=TransportError)

SLACK = 1.5
"""Seconds that a bounded exchange may take longer than its timeout, on a busy machine."""


class Case:
    """The base of the contract."""

    loop: ClassVar[Loop | None] = None
    options: ClassVar[frozenset[str]] = frozenset()
    keeps_connections: ClassVar[bool] = True

    def fly(self, make_transport: MakeTransport, **options: object) -> Pilot:
        """The transport, made with these options and about to be used; the case is skipped where one isn't known."""
        missing = options.keys() - self.options
        if missing:
            import pytest

            pytest.skip(f"{', '.join(sorted(missing))}: not an option of this transport")
        return Pilot(lambda: make_transport(**options), self.loop)

    def fails(
        self, pilot: Pilot, request: HttpRequest, kinds: type[E] | tuple[type[E], ...], timeout: float = 5.0
    ) -> E:
        """The error that the exchange ends with: one of these kinds, in time, and without a secret in it."""
        began = time.monotonic()
        error = self.failed(pilot.begin(request, timeout), kinds)
        taken = time.monotonic() - began
        assert taken < timeout + SLACK, f"an exchange of at most {timeout:g} s took {taken:.1f} s"
        return error

    def failed(self, future: Future[HttpResponse], kinds: type[E] | tuple[type[E], ...]) -> E:
        """The error of an exchange under way."""
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
        assert str(error).strip(), "the error has no message"
        return error

    def eventually(self, holds: Callable[[], bool], what: str) -> None:
        """Waits for something that has been set in motion."""
        patience = time.monotonic() + 5
        while not holds():
            assert time.monotonic() < patience, what
            time.sleep(0.005)


def _names(kinds: type[E] | tuple[type[E], ...]) -> str:
    return " or ".join(kind.__name__ for kind in (kinds if isinstance(kinds, tuple) else (kinds,)))
