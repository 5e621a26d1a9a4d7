"""URLs of installations: what a client makes of the one that it is given."""

from __future__ import annotations

import re

__all__ = ["api_base", "shown_url"]

API_PATH = "/api/v1.1"

# Compiled by re on first use, and kept there. A host is a name or a bracketed IPv6 address, and perhaps a port.
_URL = r"(?i)(https?)://((?:\[[0-9a-f:.]+\]|[^][:@/?#\s\\]+)(?::[0-9]{1,5})?)(/[^?#\s]*)?"
# "sandbox:", "sandbox:?profiles=9": the scheme names a plugin. "host:8080" and "http:/host" are mistakes, not schemes.
_IN_PROCESS = r"(?i)(?!https?:)([a-z][a-z0-9+-]*):(?![0-9/]).*"


def api_base(url: str) -> tuple[str, str]:
    """The base of all request URLs, and the host for messages. A URL without a path gets the API's.

    ValueError for what is no http or https URL, or carries what has no place in one: credentials, a query.
    """
    in_process = re.fullmatch(_IN_PROCESS, url)
    if in_process is not None:
        scheme = in_process[1].lower()
        return f"{scheme}:{API_PATH}", scheme
    if "@" in url:
        raise ValueError("the URL carries a user name or a password: leave them out, and pass the token as token=")
    match = re.fullmatch(_URL, url)
    if match is None:
        raise ValueError(f"not the URL of an installation: {shown_url(url)!r}; write it as https://your.host")
    scheme, host, path = match.groups()
    return f"{scheme.lower()}://{host}{(path or '').rstrip('/') or API_PATH}", host


def shown_url(url: str) -> str:
    """A URL fit for an error message: whatever could be a credential in it is left out."""
    return url.partition("?")[0].partition("#")[0].rpartition("@")[2]
