"""One exchange without the I/O: a request struct to an `HttpRequest`, an `HttpResponse` to a value or an error. Pure.

It decides the format, the place of the token, and what a refusal means.
Pages: docs/how-to/operations.md, docs/reference/errors.md.
"""

from altcraft.exchange.exchange import Exchange

__all__ = ["Exchange"]
