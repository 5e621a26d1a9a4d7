"""What to do about a redirect. The client follows none: a redirect may drop the body, or take the token elsewhere."""

from __future__ import annotations

import re

from altcraft.wire.url import shown_url

__all__ = ["redirect_text"]

_DEFAULT_PORTS = {"http": ":80", "https": ":443"}


def redirect_text(base: str, path: str, location: str | None, *, is_declared: bool) -> str:
    """Says where the request for `path` under the client's `base` was redirected to, and what helps.

    `is_declared` says that the caller can declare the path anew.
    """
    location = (location or "").strip()
    if not location:
        return "redirected, but the reply does not say where to"
    asked = _absolute(f"{base}/{path}", base)
    target = _absolute(location, asked)
    return f"redirected to {shown_url(location)}, not followed: {_advice(asked, target, path, is_declared)}"


def _advice(asked: str, target: str, path: str, is_declared: bool) -> str:
    method = "/" + path.rstrip("/")
    base, new_base = (url.rstrip("/").removesuffix(method) for url in (asked, target))
    if base.endswith(method):
        return f"the client's URL has the path of the method in it: set it to {base.removesuffix(method)}"
    if target == asked:
        return "that is the address that was asked, so the fault is the server's"
    if not target.rstrip("/").endswith(method):
        return "no method has that address; a login page or a proxy may stand before the platform, so check the URL"
    advice = [f"set the client's URL to {new_base}"] if new_base != base else []
    if target.endswith("/") != asked.endswith("/"):
        new_path = f"{path.rstrip('/')}{'/' if target.endswith('/') else ''}"
        if is_declared:
            advice.append(f"declare the path as Operation({new_path!r}, …)")
        else:
            advice.append(f"have the server take {path!r} as it is, since this path is fixed")
    return ", and ".join(advice)


def _absolute(location: str, asked: str) -> str:
    """The address that a Location names, without user, query and fragment. Scheme and host are in lower case."""
    location = re.split(r"[?#]", location, maxsplit=1)[0]
    scheme, _, rest = asked.partition("://")
    if location.startswith("//"):
        location = f"{scheme}:{location}"
    elif location.startswith("/"):
        location = f"{scheme}://{rest.partition('/')[0]}{location}"
    elif "://" not in location:
        location = f"{asked.rpartition('/')[0]}/{location}"
    scheme, _, rest = location.partition("://")
    authority, slash, path = rest.partition("/")
    host = authority.rpartition("@")[2].lower().removesuffix(_DEFAULT_PORTS.get(scheme.lower(), "@"))
    return f"{scheme.lower()}://{host}{slash}{path}"
