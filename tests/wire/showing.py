"""The ways in which a value or an error is shown: by Python, by rich, and as Sentry's serializer reads them."""

from __future__ import annotations

import io
import pprint
import traceback
from collections.abc import Iterator, Mapping
from types import FrameType, TracebackType

from rich.console import Console
from rich.pretty import pretty_repr
from rich.traceback import Traceback


def renderings(value: object) -> str:
    """Everything that shows a value, alone and inside of containers."""
    nested = [value, [value], {"key": value}, (value,)]
    return "\n".join(
        [
            *map(repr, nested), *map(str, nested), f"{value}", f"{value!r:>100}", pprint.pformat(nested), ascii(value),
            pretty_repr(nested), pretty_repr(value, max_string=80), *as_sentry_reads(value),
        ]
    )  # fmt: skip


def as_sentry_reads(value: object) -> Iterator[str]:
    """A value as Sentry's serializer walks it: its own representation first, then mappings, sequences and bytes."""
    own = getattr(type(value), "__sentry_repr__", None)
    if callable(own):
        yield own(value)
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield str(key)
            yield from as_sentry_reads(inner)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from as_sentry_reads(inner)
    elif isinstance(value, bytes):
        yield value.decode("utf-8", "replace")
    else:
        yield _safe_repr(value)


def shown_errors(error: BaseException | None) -> Iterator[BaseException]:
    """The error and those that a traceback shows with it."""
    while error is not None:
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def frames(error: BaseException) -> Iterator[FrameType]:
    """The frames of an error, and of those that a traceback shows with it."""
    for shown in shown_errors(error):
        step: TracebackType | None = shown.__traceback__
        while step is not None:
            yield step.tb_frame
            step = step.tb_next


def shown_locals(error: BaseException, *, of: str = "") -> Iterator[tuple[str, str]]:
    """The local variables of the frames whose module's name begins so: where each is, and how it is shown."""
    for frame in frames(error):
        module = frame.f_globals.get("__name__", "")
        if module.startswith(of):
            for name, value in frame.f_locals.items():
                shown = [_safe_repr(value), pretty_repr(value, max_depth=4, max_length=20), *as_sentry_reads(value)]
                yield f"{module}.{frame.f_code.co_name}: {name}", "\n".join(shown)


def printed_by_python(error: BaseException) -> str:
    """The traceback with all local variables."""
    captured = traceback.TracebackException.from_exception(error, capture_locals=True)
    return "".join([*traceback.format_exception(error), *captured.format()])


def printed_by_rich(error: BaseException) -> str:
    """The traceback with all local variables, as rich prints it."""
    file = io.StringIO()
    shown = Traceback.from_exception(type(error), error, error.__traceback__, show_locals=True, locals_max_string=1000)
    Console(file=file, width=500, no_color=True).print(shown)
    return file.getvalue()


def _safe_repr(value: object) -> str:
    try:
        return repr(value)
    except Exception as error:
        return f"its repr raises {error!r}"
