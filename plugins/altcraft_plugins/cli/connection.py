"""How a command reaches the platform: settings, token, client. `Connect` is the seam at which tests put their own."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from typing import TYPE_CHECKING, Literal, TypeAlias, cast
from urllib.parse import parse_qs, urlsplit

from msgspec import Struct

from altcraft_plugins.cli.exit_codes import FAILED
from altcraft_plugins.cli.options import TOKEN_VARIABLE
from altcraft_plugins.cli.problems import Problem, problem_of
from altcraft_plugins.cli.stopping import Misuse, Stopped

if TYPE_CHECKING:
    import ssl

    from altcraft import Client, Polling, Retry, TransportSettings

__all__ = [
    "TOKEN_FILE_VARIABLE", "Connect", "Connection", "Token", "make_client", "masked", "open_client",
    "read_token", "token_in",
]  # fmt: skip

TOKEN_FILE_VARIABLE = "ALTCRAFT_TOKEN_FILE"  # noqa: S105  # the variable's name
TOKEN_SIZE = 65_536
"""No token file is longer: a larger one is some other file."""


class Token(Struct, frozen=True):
    """The API token, or "" where there is none; `source` says where it came from."""

    value: str
    source: str

    def __repr__(self) -> str:
        return f"<Token from {self.source}>"


class Connection(Struct, frozen=True, kw_only=True):
    """Where the platform is and how to talk to it. None stands for the client's default."""

    url: str
    token: Token
    codec: str = "json"
    auth: str = "body"
    transport: str = "urllib3"
    proxy: str | None = None
    ca_file: str | None = None
    connections: int | None = None
    keep_idle: float | None = None
    request_timeout: float = 10.0
    polling: Polling | None = None
    retry: Retry | None = None
    plugins: tuple[str, ...] = ()
    entry_points: bool = False
    journal: str | None = None

    @property
    def outlives_the_command(self) -> bool:
        """Whether tasks go on when this process has ended: not in an embedded sandbox that keeps no file."""
        url = urlsplit(self.url)
        return url.scheme != "sandbox" or "db" in parse_qs(url.query)


Connect: TypeAlias = "Callable[[Connection], Client]"


def read_token() -> Token:
    """The token of the environment. Misuse where it cannot be read or no request can carry it."""
    value = os.environ.get(TOKEN_VARIABLE, "").strip()  # a file's last newline comes along easily
    path = os.environ.get(TOKEN_FILE_VARIABLE, "").strip()
    if value and path:
        raise Misuse(f"set {TOKEN_VARIABLE} or {TOKEN_FILE_VARIABLE}, not both")
    token = Token(value, TOKEN_VARIABLE)
    if path:
        token = Token(_content(path), f"the file {path} ({TOKEN_FILE_VARIABLE})")
        if not token.value:
            raise Misuse(f"{token.source} is empty")
    return _checked(token)


def token_in(variable: str) -> Token:
    """The token in the environment variable of that name. Misuse where there is none, or no request can carry it."""
    token = Token(os.environ.get(variable, "").strip(), variable)
    if not token.value:
        raise Misuse(f"the plan takes a token from the environment variable {variable}, which is not set")
    return _checked(token)


def _checked(token: Token) -> Token:
    if any(character.isspace() or not character.isprintable() for character in token.value):
        raise Misuse(f"the token in {token.source} has spaces or control characters in it")
    return token


def masked(text: str) -> str:
    """`text` without the token, which may have been typed where it does not belong."""
    value = os.environ.get(TOKEN_VARIABLE, "").strip()
    path = os.environ.get(TOKEN_FILE_VARIABLE, "").strip()
    if not value and os.path.isfile(path):
        with suppress(Misuse):
            value = _content(path)
    return text.replace(value, "***") if value else text


def _content(path: str) -> str:
    try:
        with open(path, encoding="utf-8") as file:
            content = file.read(TOKEN_SIZE)
    except (OSError, ValueError) as error:  # ValueError: not UTF-8
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise Misuse(f"{TOKEN_FILE_VARIABLE}: {path} cannot be read: {reason}") from None
    return content.strip()


def make_client(connection: Connection) -> Client:
    """The client of a command. ValueError, TypeError, LookupError and Misuse for settings that make no sense."""
    from altcraft import Client

    if connection.auth == "bearer" and not connection.token.value.isascii():
        raise Misuse(f"the token in {connection.token.source} is not ASCII: no header carries it; use --auth body")
    return Client(
        connection.url,
        connection.token.value or None,
        codec=connection.codec,
        transport=connection.transport,
        settings=_transport_settings(connection),
        auth=cast("Literal['body', 'bearer']", connection.auth),
        polling=connection.polling,
        retry=connection.retry,
        request_timeout=connection.request_timeout,
        plugins=[_plugin(name) for name in connection.plugins],
        load_entry_points=connection.entry_points,
    )


def _transport_settings(connection: Connection) -> TransportSettings | None:
    """None stands for the defaults, and serves a URL without HTTP, such as the embedded sandbox's."""
    from altcraft import TransportSettings

    if not connection.url.lower().startswith(("http:", "https:")):
        return None
    changes: dict[str, object] = {
        "proxy": connection.proxy,
        "ssl_context": None if connection.ca_file is None else _ssl_context(connection.ca_file),
        "connections": connection.connections,
        "keep_idle": connection.keep_idle,
    }
    given = {name: value for name, value in changes.items() if value is not None}
    return TransportSettings().replace(**given) if given else None


def _ssl_context(ca_file: str) -> ssl.SSLContext:
    try:
        import ssl

        return ssl.create_default_context(cafile=ca_file)
    except (ImportError, OSError) as error:  # an ssl.SSLError is an OSError
        raise Misuse(f"--ca-file: {ca_file} cannot be used: {error}") from None


def open_client(connect: Connect | None, connection: Connection) -> Client:
    """The client that `connect` makes; None stands for `make_client`.

    Raises Misuse for settings that make no sense, and Stopped for an error of the library.
    """
    from altcraft import AltcraftError

    try:
        return (connect or make_client)(connection)
    except Misuse:
        raise
    except AltcraftError as error:
        raise Stopped(problem_of(error)) from None
    except (ValueError, TypeError, LookupError) as error:
        raise Misuse(str(error.args[0]) if error.args else str(error)) from None
    except Exception as error:  # a plugin's, when it registers something
        if not (connection.plugins or connection.entry_points):
            raise
        message = f"a plugin has failed: {type(error).__name__}: {error}"
        raise Stopped(Problem(type(error).__name__, message, FAILED)) from None


def _plugin(name: str) -> object:
    """The plugin "module" or "module:object". A class is called to make the plugin."""
    module, _, attribute = name.partition(":")
    try:
        plugin: object = import_module(module)
        for part in attribute.split(".") if attribute else ():
            plugin = getattr(plugin, part)
        return plugin() if isinstance(plugin, type) else plugin
    except Exception as error:
        raise Misuse(f"--plugin {name}: {type(error).__name__}: {error}") from None
