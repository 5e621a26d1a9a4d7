"""`altcraft sandbox serve`. The sandbox is a plugin of its own: it is found by its name, and not imported from here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final, cast

from altcraft_plugins.cli.outcome import DONE, FAILED, Misuse, Problem

if TYPE_CHECKING:
    from altcraft_plugins.cli.reporting import Reporter

__all__ = ["serve"]

SERVER: Final = "altcraft_plugins.sandbox.server"


def serve(reporter: Reporter, settings: Mapping[str, object]) -> int:
    """Serves until a signal ends it, which is no failure. Misuse for settings that the sandbox does not take.

    `settings` are the server's own; None stands for its default.
    """
    if find_spec("waitress") is None:
        raise Misuse("serving the sandbox needs the package waitress: pip install waitress")
    run = cast("Callable[..., None]", import_module(SERVER).serve)
    given = {name: value for name, value in settings.items() if value is not None}
    try:
        run(**given, report=lambda url: reporter.serving("The sandbox answers", url))
    except ValueError as error:
        raise Misuse(str(error)) from None
    except BrokenPipeError:
        raise
    except (RuntimeError, OSError) as error:  # how the server says, in one line, that it cannot start
        reporter.problem(Problem(type(error).__name__, str(error), FAILED))
        return FAILED
    return DONE
