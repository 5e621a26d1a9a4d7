"""What the errors of an exchange say, and what they must not hold on to."""

from __future__ import annotations

from altcraft.errors import AltcraftError, ConnectError, ConnectionLost, DecodeError, RequestTimeout, TransportError

__all__ = ["CLOSED", "ENDED", "FAILURES", "Progress", "bare", "said"]

CLOSED = "the transport is closed"
ENDED = "no connection: the peer has ended the one that was kept"
FAILURES = (TransportError, DecodeError)
"""What an exchange ends with, if not with a reply."""


class Progress:
    """How far an exchange has come, for those libraries that don't tell by their errors."""

    is_sent = False
    """Whether any of the request may have reached the server."""
    is_kept = False
    """Whether the connection is one that was kept, so that the peer may have ended it."""

    def failed(self, text: str) -> TransportError:
        """Returns the error of an exchange that breaks off here."""
        return ConnectionLost(text) if self.is_sent else ConnectError(text)

    def late(self, timeout: float) -> TransportError:
        """Returns the error of an exchange whose time is up."""
        if self.is_sent:
            return RequestTimeout(f"no complete reply within {timeout:g} s")
        return ConnectError("no connection in time")


def bare(error: BaseException) -> BaseException:
    """Takes from an error the frames and causes that hold a request or a reply, and returns it.

    Error reporters show the local variables of every frame, a library's included, and the token is among them. The
    frames would also keep the bodies alive for as long as the error. An OSError stays as the cause, without its
    frames. What no exchange is expected to raise is a bug, and keeps its frames.
    """
    if isinstance(error, (AltcraftError, ValueError)) or not isinstance(error, Exception):
        error.__traceback__ = error.__context__ = None
        cause, error.__cause__ = error.__cause__, None
        if isinstance(cause, OSError):
            cause.__traceback__ = cause.__context__ = cause.__cause__ = None
            error.__cause__ = cause
    return error


def said(error: BaseException) -> str:
    """Returns what an error says, or the name of its class: never an empty text."""
    if isinstance(error, OSError) and error.errno is not None:
        return str(error)
    return ", ".join(filter(None, (str(each) for each in error.args if each is not None))) or type(error).__name__
