"""A request struct on its way out: checked, then with token and format in it."""

from __future__ import annotations

from functools import cache
from operator import index
from typing import Any, TypeVar

import msgspec

from altcraft.schema import Request
from altcraft.wire.secret import MaskedDict, Secret

__all__ = ["checked", "signed"]

R = TypeVar("R")

_BYTES = (bytes, bytearray, memoryview)


def checked(path: str, request: Request[R]) -> Request[R]:
    """The request, with plain numbers and texts in place of those of other libraries, such as numpy's.

    TypeError, with the name of the field, where a value is not what the field takes.
    """
    strange: list[object] = []

    def plain(value: object) -> object:
        strange.append(value)
        return _plain(value)

    try:
        built = msgspec.to_builtins(request, builtin_types=_BYTES, enc_hook=plain)
        normal = msgspec.convert(built, type(request))
    except msgspec.ValidationError as error:
        what, _, where = str(error).partition(" - at `$.")
        raise TypeError(f"{path}: {where.rstrip('`') or 'request'}: {what}") from None
    except TypeError:
        raise TypeError(f"{path}: {_strange_field(request)}") from None
    return normal if strange else request


def signed(request: Request[Any], secret: Secret | None, format_: str) -> object:
    """What the codec writes: the request with the token, where the body carries it, and the reply's format."""
    complete = msgspec.structs.replace(request, token=secret.reveal() if secret else None, format=format_)
    names = _names_of_defaults(type(request))
    if names is None:
        return complete
    values = ((wire, getattr(complete, name)) for name, wire in names)
    return MaskedDict({wire: value for wire, value in values if value is not None})


def _plain(value: object) -> object:
    """The plain value of a number or a text that another library has derived or imitated. TypeError for any other."""
    for kind in (str, float):
        if isinstance(value, kind):
            return kind(value)
    return index(value)  # type: ignore[arg-type]  # a TypeError is the answer for most values


def _strange_field(request: Request[Any]) -> str:
    """The field whose value no request can carry, and the value's type."""
    for name in request.__struct_fields__:
        value = getattr(request, name)
        try:
            msgspec.to_builtins(value, builtin_types=_BYTES, enc_hook=_plain)
        except TypeError:
            return f"{name}: a request can't carry a value of type `{type(value).__name__}`"
    return "a request can't carry one of the values"


@cache
def _names_of_defaults(request: type[Request[Any]]) -> tuple[tuple[str, str], ...] | None:
    """Each field's name and its name on the wire; None where every default is None.

    msgspec leaves out a field that equals its default. The client sends such a value unless it is None: the caller may
    mean it, and the platform's own default may differ.
    """
    fields = msgspec.structs.fields(request)
    if all(
        field.default in (None, msgspec.NODEFAULT) and field.default_factory is msgspec.NODEFAULT for field in fields
    ):
        return None
    return tuple((field.name, field.encode_name) for field in fields)
