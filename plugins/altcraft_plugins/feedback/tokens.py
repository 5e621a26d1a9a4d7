"""The last part of a feedback URL: a key that names the URL, and a signature that proves who made it."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from math import ceil

__all__ = ["LONGEST", "Tokens", "expiry_of"]

_EXPIRY, _NONCE, _SIGNATURE = 5, 16, 21  # bytes: 28 characters of key and 28 of signature, without padding
_KEY_LENGTH = (_EXPIRY + _NONCE) * 4 // 3
_LENGTH = _KEY_LENGTH + _SIGNATURE * 4 // 3
_SHORTEST_SECRET = 16

LONGEST = 1e11
"""The longest lifetime of a token, in seconds: some three thousand years, a tenth of what its expiry can hold."""


class Tokens:
    """Makes tokens, and recognises its own in every process that has the same secret. Thread-safe.

    The platform signs nothing, so knowing a token is enough to deliver. It has 128 random bits and 168 of signature.
    ValueError for a secret of less than 16 bytes.
    """

    def __init__(self, secret: str | bytes | None) -> None:
        key = secret.encode() if isinstance(secret, str) else secret
        if key is not None and len(key) < _SHORTEST_SECRET:
            raise ValueError(f"secret: at least {_SHORTEST_SECRET} bytes, such as secrets.token_urlsafe(32) gives")
        self._secret = key or secrets.token_bytes(32)

    def make(self, expires: float) -> tuple[str, str]:
        """A new key and its token. It is good until `expires`, in Unix seconds, rounded up to a whole one."""
        content = ceil(expires).to_bytes(_EXPIRY, "big") + secrets.token_bytes(_NONCE)
        key = base64.urlsafe_b64encode(content).decode()
        return key, key + self._sign(key)

    def key(self, token: str, now: float) -> str | None:
        """The key of a token made with this secret, until it expires. None for every other text.

        The time that it takes tells nothing about the right signature.
        """
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
    """When a key expires, in Unix seconds. For keys whose signature has been checked."""
    return int.from_bytes(base64.urlsafe_b64decode(key)[:_EXPIRY], "big")
