"""The last part of a feedback URL: a key that names it, and a signature that nobody else can make."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from math import ceil

__all__ = ["Tokens"]

_EXPIRY, _NONCE, _SIGNATURE = 5, 16, 21  # bytes: 28 characters of key, 28 of signature, none of them padding
_KEY_LENGTH = (_EXPIRY + _NONCE) * 4 // 3
_LENGTH = _KEY_LENGTH + _SIGNATURE * 4 // 3
_SHORTEST_SECRET = 16


class Tokens:
    """Makes tokens and knows its own again, in every process that has the same secret. Thread-safe.

    The platform signs nothing, so whoever knows a token may deliver: it is 128 random bits and 168 of signature.
    ValueError for a secret of less than 16 bytes.
    """

    def __init__(self, secret: str | bytes | None) -> None:
        key = secret.encode() if isinstance(secret, str) else secret
        if key is not None and len(key) < _SHORTEST_SECRET:
            raise ValueError(f"secret: at least {_SHORTEST_SECRET} bytes, such as secrets.token_urlsafe(32) gives")
        self._secret = key or secrets.token_bytes(32)

    def make(self, expires: float) -> tuple[str, str]:
        """A new key and its token, good until that time (Unix seconds)."""
        content = ceil(expires).to_bytes(_EXPIRY, "big") + secrets.token_bytes(_NONCE)
        key = base64.urlsafe_b64encode(content).decode()
        return key, key + self._sign(key)

    def key(self, token: str, now: float) -> str | None:
        """The key of a token of ours that is still good; None for anything else, in a time that tells nothing."""
        if len(token) != _LENGTH or not token.isascii():
            return None
        key, signature = token[:_KEY_LENGTH], token[_KEY_LENGTH:]
        if not hmac.compare_digest(self._sign(key).encode(), signature.encode()):
            return None
        return key if expiry_of(key) > now else None

    def _sign(self, key: str) -> str:
        digest = hmac.digest(self._secret, b"altcraft feedback " + key.encode(), hashlib.sha256)
        return base64.urlsafe_b64encode(digest[:_SIGNATURE]).decode()


def expiry_of(key: str) -> float:
    """Until when a key is good, in Unix seconds. Only for a key whose signature has been found true."""
    return int.from_bytes(base64.urlsafe_b64decode(key)[:_EXPIRY], "big")
