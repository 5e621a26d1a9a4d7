"""How the client of a command is made: the only place that reads the token, and the seam for tests."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal, TypeAlias, cast

from msgspec import Struct

from altcraft_plugins.cli.outcome import Misuse, Stopped, problem_of

if TYPE_CHECKING:
    from altcraft import Client, Polling

__all__ = ["TOKEN_VARIABLE", "URL_VARIABLE", "Connect", "Connection", "make_client", "open_client"]

URL_VARIABLE = "ALTCRAFT_URL"
TOKEN_VARIABLE = "ALTCRAFT_TOKEN"  # noqa: S105  # the variable's name


class Connection(Struct, frozen=True, kw_only=True):
    """Where to and how, as the options say it. The token is not among them.

    `polling` None is the client's own. `anonymous` leaves the token where it is.
    """

    url: str
    codec: str = "json"
    auth: str = "body"
    request_timeout: float = 10.0
    polling: Polling | None = None
    anonymous: bool = False


Connect: TypeAlias = "Callable[[Connection], Client]"


def make_client(connection: Connection) -> Client:
    """The client of a command. Misuse for a token that no HTTP request can carry."""
    from altcraft import Client

    return Client(
        connection.url,
        None if connection.anonymous else _token(connection.auth),
        codec=connection.codec,
        auth=cast("Literal['body', 'bearer']", connection.auth),
        polling=connection.polling,
        request_timeout=connection.request_timeout,
    )


def open_client(connect: Connect, connection: Connection) -> Client:
    """The same, with the refusal of senseless settings as Misuse."""
    from altcraft import AltcraftError

    try:
        return connect(connection)
    except AltcraftError as error:
        raise Stopped(problem_of(error)) from None
    except (ValueError, LookupError) as error:
        raise Misuse(str(error.args[0]) if error.args else str(error)) from None


def _token(auth: str) -> str | None:
    token = os.environ.get(TOKEN_VARIABLE, "").strip()  # a file's last newline comes along easily
    if any(character.isspace() or not character.isprintable() for character in token):
        raise Misuse(f"the token in {TOKEN_VARIABLE} has spaces or control characters in it")
    if auth == "bearer" and not token.isascii():
        raise Misuse(f"the token in {TOKEN_VARIABLE} is not ASCII: no header carries it; use --auth body")
    return token or None
