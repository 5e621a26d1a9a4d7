"""The second reading of a reply: an odd value in a field for display does not cost the rest.

The client reads a reply by its type first. Where the reply does not fit, the client reads it as the type's twin. The
twin takes anything in the fields that are marked `LENIENT`. Each of these values is then converted by itself; where it
makes no sense, the field keeps its default. docs/reference/schema.md says what each field takes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import isfinite
from types import UnionType
from typing import Annotated, Any, ClassVar, Union, cast, get_args, get_origin

import msgspec
from msgspec import UNSET, Meta, Struct, ValidationError

from altcraft.schema.envelope import Reply
from altcraft.schema.fields import LENIENT
from altcraft.schema.statistics import ChannelStatistics

__all__ = ["code_of", "restored", "text_of", "twin_of"]


def code_of(value: object) -> int | None:
    """An error code in any spelling: 401, "401", 401.0; None for none. ValidationError where the value is no code."""
    if value is None or value == "":
        return None
    if value is False:
        return 0
    return msgspec.convert(value.strip() if isinstance(value, str) else value, int, strict=False)


def text_of(value: object, depth: int = 8) -> str:
    """An explanation in any form as one text: a list by its items, an object by its members, `depth` levels of them."""
    if isinstance(value, (list, dict)) and not depth:
        return "…"
    if isinstance(value, dict):
        return "; ".join(f"{name}: {text_of(item, depth - 1)}" for name, item in value.items())
    if isinstance(value, list):
        return "; ".join(text_of(item, depth - 1) for item in value)
    return "" if value is None else str(value)


def twin_of(type_: Any) -> Any:
    """The type with anything in place of its lenient fields; the type itself where it has none.

    Structs have twins, and so have the lists, mappings and unions that hold them.
    """
    return _twin(type_, ())


def restored(value: Any) -> Any:
    """The value of a type, out of its twin's. ValidationError where a field without a default makes no sense."""
    if isinstance(value, _Twin):
        return value.restored()
    if isinstance(value, list):
        return [restored(item) for item in value]
    if isinstance(value, dict):
        return {name: restored(item) for name, item in value.items()}
    return value


class _Twin(Struct):
    """Base of the twins of structs. A field that did not come is UNSET."""

    original: ClassVar[type[Struct]]
    lenient: ClassVar[Mapping[str, Any]]
    """The types of the lenient fields, by name."""

    def restored(self) -> Struct:
        came = {name: getattr(self, name) for name in self.__struct_fields__}
        values = {
            name: _read(value, self.lenient[name]) if name in self.lenient else restored(value)
            for name, value in came.items()
            if value is not UNSET
        }
        if self.original is ChannelStatistics:
            counters, others = _sorted_out(came["counters"])
            values["counters"] = counters
            values["others"] = others | came["others"] if isinstance(came["others"], dict) else others
        try:
            make = cast("Callable[..., Struct]", self.original)  # each struct has fields of its own
            return make(**{name: value for name, value in values.items() if value is not UNSET})
        except TypeError as error:
            raise ValidationError(str(error)) from None


def _twin(type_: Any, around: tuple[type, ...]) -> Any:
    """`around` are the structs that hold the type. Of a struct that holds itself, the inner ones have no twin."""
    origin, arguments = get_origin(type_), get_args(type_)
    cls = origin or type_
    if isinstance(cls, type) and issubclass(cls, Struct):
        return type_ if cls in around else _twin_of_struct(type_, cls, (*around, cls))
    if origin is Annotated:
        twin = _twin(arguments[0], around)
        return type_ if twin is arguments[0] else twin
    if origin not in (list, dict, Union, UnionType):
        return type_
    twins = tuple(_twin(argument, around) for argument in arguments)
    if all(twin is argument for twin, argument in zip(twins, arguments, strict=True)):
        return type_
    generic: Any = origin
    return generic[twins] if origin in (list, dict) else Union[twins]  # noqa: UP007  # it is a value here


def _twin_of_struct(type_: Any, cls: type[Struct], around: tuple[type, ...]) -> Any:
    fields = msgspec.structs.fields(type_)
    if issubclass(cls, Reply):  # code and text are read apart: see `code_of` and `text_of`
        fields = tuple(field for field in fields if field.name not in Reply.__struct_fields__)
    lenient = {field.name: field.type for field in fields if _reading_of(field.type)}
    twins = {field.name: Any if field.name in lenient else _twin(field.type, around) for field in fields}
    if not issubclass(cls, Reply) and all(twins[field.name] is field.type for field in fields):
        return type_
    config = cls.__struct_config__
    return msgspec.defstruct(
        cls.__name__,
        [
            (
                field.name,
                twins[field.name],
                msgspec.field(name=field.encode_name, **({} if field.required else {"default": UNSET})),
            )
            for field in fields
        ],
        bases=(_Twin,),
        namespace={"original": cls, "lenient": lenient},
        kw_only=True,
        tag=config.tag,
        tag_field=config.tag_field,
        array_like=config.array_like,
        forbid_unknown_fields=config.forbid_unknown_fields,
    )


def _reading_of(type_: Any) -> object:
    """How a lenient field is read; None for any other field."""
    for part in (type_, *get_args(type_)):
        for mark in getattr(part, "__metadata__", ()):
            if isinstance(mark, Meta) and mark.extra and LENIENT in mark.extra:
                return mark.extra[LENIENT]
    return None


def _read(value: object, type_: Any) -> object:
    """The value of a lenient field, or UNSET where it makes no sense."""
    reading = _reading_of(type_)
    if value is None or reading == "counters":  # these are for `_sorted_out`
        return UNSET
    if isinstance(value, str):
        value = value.strip()
    if reading == "word":
        return value if isinstance(value, str) else str(value) if _is_number(value) else UNSET
    try:
        read: object = msgspec.convert(value, type_, strict=False)
    except ValidationError:
        return UNSET
    return UNSET if isinstance(read, float) and not isfinite(read) else read


def _sorted_out(came: object) -> tuple[dict[str, int | None], dict[str, object]]:
    """A channel's counters, and what came in place of one. A format without numbers has them as texts."""
    counters: dict[str, int | None] = {}
    others: dict[str, object] = {}
    for name, value in came.items() if isinstance(came, dict) else ():
        whole = _read(value, int)
        if value is None or value == "":
            counters[name] = None
        elif isinstance(whole, int):
            counters[name] = whole
        else:
            fraction = _read(value, float) if isinstance(value, str) else value
            others[name] = value if fraction is UNSET else fraction
    return counters, others


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
