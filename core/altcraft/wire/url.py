"""URLs: what a client makes of the one it is given, in ASCII from here on, and what a message may show of one."""

from __future__ import annotations

import re

__all__ = ["api_base", "ascii_url", "proxy_url", "sends_in_clear", "shown_origin", "shown_url"]

API_PATH = "/api/v1.1"

# Every client reads a URL, and compiling the patterns for it would take longer than all the rest of making a client:
# so this file takes texts apart by their methods, and keeps patterns, which re compiles on first use, for the seldom.
_THIS_MACHINE = r"(?i)(?:.*\.)?localhost\.?|(?:127|0)(?:\.[0-9]{1,3}){3}|\[(?:::1?|::ffff:127(?:\.[0-9]{1,3}){3})\]"
_UNFIT = r"[^!#$%&'()*+,/:;=?@\[\]a-zA-Z0-9._~-]"
_SCHEMES = ("http", "https", "socks4", "socks4a", "socks4h", "socks5", "socks5a", "socks5h")
_AMBIGUOUS = "ßς"
"""Letters that the two standards for international names, of 2003 and of 2008, turn into different hosts."""


def api_base(url: str) -> tuple[str, str]:
    """The base of all request URLs, in ASCII, and the host for messages. A URL without a path gets the API's.

    ValueError for what is no http or https URL, for a host or port that can't exist, and for what has no place in the
    URL of an installation: credentials, a query.
    """
    scheme, colon, rest = url.partition(":")
    # "sandbox:", "sandbox:?profiles=9": the scheme names a plugin. "host:8080" and "http:/host" are mistakes.
    is_plugin = colon and _is_scheme(scheme) and scheme.lower() not in ("http", "https")
    if is_plugin and not (rest[:1] == "/" or rest[:1].isdigit()):
        return f"{scheme.lower()}:{API_PATH}", scheme.lower()
    if "@" in url:
        raise ValueError("the URL carries a user name or a password: leave them out, and pass the token as token=")
    parts = _split(url)
    if parts is None or parts[0] not in ("http", "https") or "?" in url or "#" in url:
        raise ValueError(f"not the URL of an installation: {shown_url(url)!r}; write it as https://your.host")
    base = ascii_url(url).rstrip("/")
    return base if base.count("/") > 2 else base + API_PATH, parts[1]


def proxy_url(url: str) -> str:
    """The URL of a proxy, in ASCII. A URL without a scheme gets http.

    ValueError, without user name and password, where it is no such URL, or its host or port can't exist.
    """
    head, separator, _ = url.partition("://")
    full = url if separator and "/" not in head and "@" not in head else f"http://{url}"
    parts = _split(full)
    if parts is None or parts[2] not in ("", "/"):
        raise ValueError(f"not the URL of a proxy: {shown_url(url)!r}; write it as http://user:password@host:port")
    return ascii_url(full)


def ascii_url(url: str) -> str:
    """The URL of a server or a proxy in ASCII: its host by the IDNA name, the rest percent-encoded.

    ValueError, without user name and password, where it is no such URL, or its host or port can't exist.
    """
    parts = _split(url)
    if parts is None or not url.isprintable() or " " in url:
        raise ValueError(f"not the URL of a server: {shown_url(url)!r}")
    scheme, authority, rest = parts
    user, host, port = _split_authority(authority)
    user = "" if user is None else _quoted(user) + "@"
    host = _ascii_address(host) if host.startswith("[") else _ascii_name(host)
    if port is not None:
        if not (port.isascii() and port.isdigit() and len(port) <= 5 and 0 < int(port) < 65536):
            raise ValueError(f"the port of the URL {shown_url(url)!r} is not a number from 1 to 65535")
        port = f":{int(port)}"
    return f"{scheme}://{user}{host}{port or ''}{_quoted(rest)}"


def _split(url: str) -> tuple[str, str, str] | None:
    """The scheme, the authority, and the rest of a URL. None for any other text."""
    scheme, separator, rest = url.partition("://")
    if not separator or scheme.lower() not in _SCHEMES:
        return None
    end = min((place for place in map(rest.find, "/?#") if place >= 0), default=len(rest))
    return scheme.lower(), rest[:end], rest[end:]


def _split_authority(authority: str) -> tuple[str | None, str, str | None]:
    """User and password, host, port; the first and the last are None where there are none."""
    user, at, server = authority.rpartition("@")
    bracket = server.rfind("]") if server.startswith("[") else -1
    host, colon, port = server[bracket + 1 :].partition(":")
    return user if at else None, server[: bracket + 1] + host, port if colon else None


def _is_scheme(text: str) -> bool:
    return text.isascii() and text[:1].isalpha() and text.replace("+", "").replace("-", "").isalnum()


def _ascii_name(host: str) -> str:
    name = host
    if not host.isascii():
        if any(letter in host for letter in _AMBIGUOUS):
            raise ValueError(f"the host {host!r} of the URL is ambiguous: write its ASCII form, which begins with xn--")
        try:
            name = host.encode("idna").decode()
        except UnicodeError as error:
            raise ValueError(f"{host!r} in the URL can't be the name of a host: {error}") from None
    labels = name.removesuffix(".").split(".")
    if len(name) >= 254 or not all(len(label) <= 63 and _is_label(label) for label in labels):
        raise ValueError(f"{host!r} in the URL can't be the name of a host")
    return name


def _is_label(text: str) -> bool:
    return text.isascii() and text.replace("-", "a").replace("_", "a").isalnum()


def _ascii_address(host: str) -> str:
    from ipaddress import IPv6Address  # a slow import, for the few URLs with such an address

    try:
        return f"[{IPv6Address(host[1:-1])}]"
    except ValueError:
        raise ValueError(f"{host!r} in the URL is no IPv6 address") from None


def _quoted(text: str) -> str:
    return text and re.sub(_UNFIT, lambda unfit: "".join(f"%{byte:02X}" for byte in unfit[0].encode()), text)


def sends_in_clear(url: str) -> bool:
    """Whether a request to this URL crosses a network unencrypted: by http, to a host that is not this machine."""
    parts = _split(url)
    if parts is None or parts[0] != "http":
        return False
    return not re.fullmatch(_THIS_MACHINE, _split_authority(parts[1])[1])


def shown_url(url: str) -> str:
    """A URL as far as a message may show it: without user, password, query and fragment."""
    match = re.fullmatch(r"(?is)((?:[a-z][a-z0-9+.-]*:)?//)?([^/?#]*)(.*)", url)
    assert match is not None
    scheme, authority, rest = match.groups(default="")
    if "@" in rest:  # a password with a slash in it, perhaps
        return f"{scheme}…"
    return scheme + authority.rpartition("@")[2] + re.split("[?#]", rest, maxsplit=1)[0]


def shown_origin(url: str) -> str:
    """Scheme, host and port of a URL: what a message may show where the path is a secret."""
    return "/".join(shown_url(url).split("/")[:3]) if "//" in url else "…"
