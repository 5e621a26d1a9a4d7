"""A value that does not show: no repr, no str, no format, no pickle."""

from __future__ import annotations

from typing import Literal, NoReturn, TypeAlias, TypeVar

V = TypeVar("V")

__all__ = ["MASK", "Auth", "MaskedBytes", "MaskedDict", "MaskedList", "Secret"]

Auth: TypeAlias = Literal["body", "bearer"]
"""Where a request carries the token: in its body, as documented, or in an Authorization header."""

MASK = "***"
_CREDENTIALS = ("token", "authorization")


class MaskedDict(dict[str, V]):
    """A dict whose repr masks the credentials among its values."""

    def __repr__(self) -> str:
        return repr({name: MASK if name.lower() in _CREDENTIALS else value for name, value in self.items()})


class MaskedBytes(bytes):
    """Bytes of a request as it goes over the wire, with the token among them: its repr gives their number only."""

    def __repr__(self) -> str:
        return f"<{len(self)} bytes>"

    __str__ = __repr__


class MaskedList(list[V]):
    """A request's header lines, with the token among them: its repr gives their number only."""

    def __repr__(self) -> str:
        return f"<{len(self)} lines>"


class Secret:
    """Holds a token. `reveal()` is the only way to it, so that every use can be found by its name."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    @staticmethod
    def of(token: str | None) -> Secret | None:
        """The token as a secret, None for none. ValueError, without showing it, for what no token can be."""
        if not token:
            return None
        secret = Secret(token)
        printable, stripped = token.isprintable(), token == token.strip()
        token = None  # from here on, no frame of a traceback shows it
        if not printable or not stripped:
            raise ValueError("the token has white space around it, or characters in it that no token has")
        return secret

    def reveal(self) -> str:
        """The token itself, for the request that needs it."""
        return self._value

    def scrub(self, text: str) -> str:
        """`text` with the token masked, for whatever another machine may have echoed."""
        return text.replace(self._value, MASK) if self._value else text

    def __repr__(self) -> str:
        return f"Secret({MASK})"

    __str__ = __repr__

    def __format__(self, format_spec: str) -> str:
        return format(MASK, format_spec)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Secret is not pickled: pass the token to the other process by its environment")
