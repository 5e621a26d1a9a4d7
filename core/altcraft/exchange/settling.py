"""What happens to an error on its way to the user: no token in its texts, no reply and no token in its frames."""

from __future__ import annotations

import re
from collections.abc import Iterator

from altcraft.wire.secret import MASK, Secret

__all__ = ["let_go", "mask_errors", "masked"]

_THOROUGH = 64 << 10
"""Characters of one value in which a token is found in every form. In the rest it is found as it is, in any case."""

_SHORTEST = 4
"""Characters. A shorter token is no secret, and part of many words."""

_OF_OS_ERRORS = ("strerror", "filename")
"""Attributes that an OSError does not keep among its others."""


def masked(value: object, secret: Secret | None) -> object:
    """Plain data with the token masked in all of its texts. RecursionError for data of a thousand levels."""
    return value if secret is None else _Masking(secret).value(value)


def mask_errors(error: BaseException, secret: Secret | None) -> None:
    """Masks the token in the texts of an error and of its causes."""
    if secret is None or len(secret.reveal()) < _SHORTEST:
        return
    masking = _Masking(secret)
    for failure in _chain(error):
        failure.args = tuple(masking.value(argument) for argument in failure.args)
        for name in (*vars(failure), *_OF_OS_ERRORS):
            value = getattr(failure, name, None)
            if isinstance(value, str):
                setattr(failure, name, masking.value(value))


def let_go(error: BaseException) -> None:
    """Cuts what an error and its causes hold of the work that led to them: the frames, and suppressed errors."""
    for failure in _chain(error):
        failure.__traceback__ = None
        if failure.__context__ is not failure.__cause__:
            is_suppressed = failure.__suppress_context__
            failure.__context__ = None
            failure.__suppress_context__ = is_suppressed


class _Masking:
    """Masks the token in texts, thoroughly as long as they are not too many."""

    def __init__(self, secret: Secret) -> None:
        self._secret = secret
        self._left = _THOROUGH

    def value(self, value: object) -> object:
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, dict):
            return {self.value(name): self.value(item) for name, item in value.items()}
        if isinstance(value, list):
            return [self.value(item) for item in value]
        return value

    def _text(self, text: str) -> str:
        self._left -= len(text)
        if self._left >= 0:
            return self._secret.scrub(text)
        token = self._secret.reveal()
        return re.sub(re.escape(token), MASK, text, flags=re.IGNORECASE) if token else text


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """An error, its cause, the cause of that, and so on."""
    seen: list[BaseException] = []
    while error is not None and not any(error is other for other in seen):
        yield error
        seen.append(error)
        error = error.__cause__
