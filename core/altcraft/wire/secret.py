"""The token as a value that does not show, and containers that hold it without showing it.

Error reports, logs and debuggers print values by `repr`, by `str`, or by a protocol of their own: rich asks for
`__rich_repr__`, Sentry for `__sentry_repr__`. A class here has those that it needs to show a mask to all of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal, NoReturn, TypeAlias, TypeVar

import msgspec

from altcraft.wire.echoes import Echoes

V = TypeVar("V")

__all__ = ["MASK", "Auth", "MaskedBytes", "MaskedDict", "MaskedList", "MaskedStruct", "Secret"]

Auth: TypeAlias = Literal["body", "bearer"]
"""Where a request carries the token: in its body, as documented, or in an Authorization header."""

MASK = "***"
_CREDENTIALS = ("token", "authorization", "proxy-authorization")


class MaskedStruct(msgspec.Struct, frozen=True):
    """A struct that shows the fields in `__rich_repr__`: those that are not None, its credentials as a mask."""

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        fields = ((name, getattr(self, name)) for name in self.__struct_fields__)
        return [(name, MASK if name in _CREDENTIALS else value) for name, value in fields if value is not None]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in self.__rich_repr__())})"


class MaskedDict(dict[str, V]):
    """A dict that shows its credentials as a mask."""

    def __repr__(self) -> str:
        return repr({name: MASK if name.lower() in _CREDENTIALS else value for name, value in self.items()})

    __sentry_repr__ = __repr__

    def copy(self) -> MaskedDict[V]:
        """A copy that masks as well."""
        return type(self)(self)

    def __or__(self, other: Mapping[str, V]) -> MaskedDict[V]:  # type: ignore[override]  # narrower than dict's
        return type(self)({**self, **other})


class MaskedBytes(bytes):
    """A request with the token in it, as bytes. They show their number."""

    def __repr__(self) -> str:
        return f"<{len(self)} bytes>"

    __str__ = __sentry_repr__ = __repr__

    def __rich_repr__(self) -> Iterator[object]:  # rich shows the beginning of other bytes, however they print
        yield len(self)


class MaskedList(list[V]):
    """The header lines of a request, with the token among them. They show their number."""

    def __repr__(self) -> str:
        return f"<{len(self)} lines>"

    __sentry_repr__ = __repr__


class Secret:
    """Holds a token. `reveal()` is the only way to it, so a search for that name finds every use."""

    __slots__ = ("_echoes", "_fault", "_value")

    def __init__(self, value: str) -> None:
        self._value = value
        self._fault: ValueError | TypeError | None = None
        self._echoes: Echoes | None = None

    @staticmethod
    def of(token: object) -> Secret | None:
        """Takes a token, or None for none. An empty text is none, too.

        Never raises; `check` does. An exception keeps the local variables of its frames, so a caller first lets go of
        the token: `secret, token = Secret.of(token), None`.
        """
        if token is None or token == "":
            return None
        secret = Secret("")
        if not isinstance(token, str):
            secret._fault = TypeError(f"the token is of type {type(token).__name__}: pass it as a str")
        elif not token.isprintable() or any(map(str.isspace, token)):
            secret._fault = ValueError("the token has blanks, line breaks or control characters in it")
        else:
            secret._value = token
        return secret

    def check(self, auth: Auth = "body") -> None:
        """Raises TypeError or ValueError, without the token, for one that a request can't carry this way."""
        if self._fault is not None:
            raise self._fault.with_traceback(None)
        if auth == "bearer" and not self._value.isascii():
            raise ValueError("the token is not ASCII, which a header needs: send it with auth='body'")

    def reveal(self) -> str:
        """The token itself, for the request that needs it."""
        return self._value

    def scrub(self, text: str) -> str:
        """Masks the token in a text from another machine.

        That covers the token in other case, percent-encoded, as hexadecimal digits, as part of base64, and with the
        escapes of JSON, XML and Python. A text of more than 16,384 characters is cut if it has the token in it, or may
        have such escapes.
        """
        if not self._value or len(text) < len(self._value):  # no form is shorter than the token
            return text
        if self._echoes is None:
            self._echoes = Echoes(self._value)
        return self._echoes.mask(text, MASK)

    def __repr__(self) -> str:
        return f"Secret({MASK})"

    def __format__(self, format_spec: str) -> str:
        return format(MASK, format_spec)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Secret is not pickled: pass the token to the other process by its environment")
