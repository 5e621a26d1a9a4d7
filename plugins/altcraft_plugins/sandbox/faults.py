"""A refusal, raised anywhere on the way to an answer and written as an error envelope at the end of it."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["Fault"]


class Fault(Exception):
    """The request is refused. `code` is the envelope's error and the HTTP status; `text` says why.

    `headers` are sent with the reply.
    """

    def __init__(self, code: int, text: str, headers: Sequence[tuple[str, str]] = ()) -> None:
        super().__init__(code, text)
        self.code = code
        self.text = text
        self.headers = tuple(headers)
