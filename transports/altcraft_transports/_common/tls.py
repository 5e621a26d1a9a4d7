"""TLS for clients that bring no context of their own: one is made and shared."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from altcraft.errors import ConnectError
from altcraft.wire.forks import importing
from altcraft_transports._common.forks import heed_forks

if TYPE_CHECKING:
    import ssl

__all__ = ["SharedContext", "default_context", "require_ssl"]


class SharedContext:
    """Makes a context at the first call, and returns the same one from then on. Making one takes tens of milliseconds.

    A forked child makes its own: a thread of the parent may have held a lock inside.
    """

    def __init__(self, make: Callable[[], ssl.SSLContext]) -> None:
        self._make = make
        self._context: ssl.SSLContext | None = None
        heed_forks(self)

    def __call__(self) -> ssl.SSLContext:
        """Returns the context. ConnectError in a Python that was built without TLS."""
        context = self._context
        if context is None:
            require_ssl()
            context = self._context = self._make()
        return context

    def after_fork(self) -> None:
        """Forgets the parent's context."""
        self._context = None


def require_ssl() -> None:
    """Raises ConnectError in a Python that was built without TLS."""
    try:
        with importing:
            import ssl  # noqa: F401
    except ImportError as error:
        raise ConnectError(_NO_SSL) from error


def _default() -> ssl.SSLContext:
    with importing:
        import ssl  # on first use: it takes longer to import than everything else here

    return ssl.create_default_context()


_NO_SSL = "no connection: this Python has no ssl module, which https needs; use one that was built with OpenSSL"
default_context = SharedContext(_default)
"""Returns a context with the system's authorities."""
