"""A refused request: raised anywhere while a request is answered, and written as an error envelope."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["Refusal"]


class Refusal(Exception):
    """The request is refused.

    `code` is the envelope's `error` and the HTTP status, `text` the envelope's `error_text`, `headers` are added to the
    reply.
    """

    def __init__(self, code: int, text: str, headers: Sequence[tuple[str, str]] = ()) -> None:
        super().__init__(code, text)
        self.code = code
        self.text = text
        self.headers = tuple(headers)
