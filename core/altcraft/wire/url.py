"""URLs: what a client makes of the one it is given, in ASCII from here on, and what a message may show of one."""

from __future__ import annotations

import re

__all__ = ["api_base", "ascii_url", "proxy_url", "sends_in_clear", "shown_origin", "shown_url"]

API_PATH = "/api/v1.1"

# Compiled by re on first use, and kept there.
_URL = r"(?i)(https?|socks[45][ah]?)://([^/?#]*)([/?#].*)?"
_AUTHORITY = r"(?:(.*)@)?(\[.*\]|[^:]*)(?::(.*))?"
# "sandbox:", "sandbox:?profiles=9": the scheme names a plugin. "host:8080" and "http:/host" are mistakes, not schemes.
_IN_PROCESS = r"(?i)(?!https?:)([a-z][a-z0-9+-]*):(?![0-9/]).*"
_NAME = r"(?i)(?!.{254})[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*\.?"
_THIS_MACHINE = r"(?i)(?:.*\.)?localhost\.?|(?:127|0)(?:\.[0-9]{1,3}){3}|\[(?:::1?|::ffff:127(?:\.[0-9]{1,3}){3})\]"
_UNFIT = r"[^!#$%&'()*+,/:;=?@\[\]a-zA-Z0-9._~-]"
_AMBIGUOUS = "ßς"
"""Letters that the two standards for international names, of 2003 and of 2008, turn into different hosts."""


def api_base(url: str) -> tuple[str, str]:
    """The base of all request URLs, in ASCII, and the host for messages. A URL without a path gets the API's.

    ValueError for what is no http or https URL, for a host or port that can't exist, and for what has no place in the
    URL of an installation: credentials, a query.
    """
    in_process = re.fullmatch(_IN_PROCESS, url)
    if in_process is not None:
        scheme = in_process[1].lower()
        return f"{scheme}:{API_PATH}", scheme
    if "@" in url:
        raise ValueError("the URL carries a user name or a password: leave them out, and pass the token as token=")
    match = re.fullmatch(_URL, url)
    if match is None or match[1].lower() not in ("http", "https") or "?" in url or "#" in url:
        raise ValueError(f"not the URL of an installation: {shown_url(url)!r}; write it as https://your.host")
    base = ascii_url(url).rstrip("/")
    return base if base.count("/") > 2 else base + API_PATH, match[2]


def proxy_url(url: str) -> str:
    """The URL of a proxy, in ASCII. A URL without a scheme gets http.

    ValueError, without user name and password, where it is no such URL, or its host or port can't exist.
    """
    full = url if re.match(r"[^/@]*://", url) else f"http://{url}"
    match = re.fullmatch(_URL, full)
    if match is None or match[3] not in (None, "/"):
        raise ValueError(f"not the URL of a proxy: {shown_url(url)!r}; write it as http://user:password@host:port")
    return ascii_url(full)


def ascii_url(url: str) -> str:
    """The URL of a server or a proxy in ASCII: its host by the IDNA name, the rest percent-encoded.

    ValueError, without user name and password, where it is no such URL, or its host or port can't exist.
    """
    match = re.fullmatch(_URL, url)
    authority = re.fullmatch(_AUTHORITY, match[2]) if match is not None and url.isprintable() else None
    if match is None or authority is None or " " in url:
        raise ValueError(f"not the URL of a server: {shown_url(url)!r}")
    user, host, port = authority.groups()
    user = "" if user is None else _quoted(user) + "@"
    host = _ascii_address(host) if host.startswith("[") else _ascii_name(host)
    if port is not None:
        if not (re.fullmatch("[0-9]{1,5}", port) and 0 < int(port) < 65536):
            raise ValueError(f"the port of the URL {shown_url(url)!r} is not a number from 1 to 65535")
        port = f":{int(port)}"
    return f"{match[1].lower()}://{user}{host}{port or ''}{_quoted(match[3] or '')}"


def _ascii_name(host: str) -> str:
    name = host
    if not host.isascii():
        if any(letter in host for letter in _AMBIGUOUS):
            raise ValueError(f"the host {host!r} of the URL is ambiguous: write its ASCII form, which begins with xn--")
        try:
            name = host.encode("idna").decode()
        except UnicodeError as error:
            raise ValueError(f"{host!r} in the URL can't be the name of a host: {error}") from None
    if not re.fullmatch(_NAME, name):
        raise ValueError(f"{host!r} in the URL can't be the name of a host")
    return name


def _ascii_address(host: str) -> str:
    from ipaddress import IPv6Address  # a slow import, for the few URLs with such an address

    try:
        return f"[{IPv6Address(host[1:-1])}]"
    except ValueError:
        raise ValueError(f"{host!r} in the URL is no IPv6 address") from None


def _quoted(text: str) -> str:
    return re.sub(_UNFIT, lambda unfit: "".join(f"%{byte:02X}" for byte in unfit[0].encode()), text)


def sends_in_clear(url: str) -> bool:
    """Whether a request to this URL crosses a network unencrypted: by http, to a host that is not this machine."""
    match = re.fullmatch(_URL, url)
    authority = re.fullmatch(_AUTHORITY, match[2]) if match is not None and match[1].lower() == "http" else None
    return authority is not None and not re.fullmatch(_THIS_MACHINE, authority[2])


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
