"""What a sender is answered: a status, and no word about the receiver."""

from __future__ import annotations

from altcraft import HttpResponse

__all__ = ["TAKEN", "Refusal"]

_HEADERS = {"Content-Type": "text/plain", "Content-Length": "0"}

TAKEN = HttpResponse(200, _HEADERS, b"")


class Refusal(Exception):
    """The request is answered with `status`, and no hint comes of it."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status

    def reply(self) -> HttpResponse:
        """The answer to send."""
        allow = {"Allow": "POST"} if self.status == 405 else {}
        return HttpResponse(self.status, _HEADERS | allow, b"")
