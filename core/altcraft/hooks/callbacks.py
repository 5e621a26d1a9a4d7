"""Calls of functions that users and plugins pass: refused where they would do nothing, logged where they raise."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import TypeVar

__all__ = ["guarded", "log_error", "refuse_coroutines", "refuse_returned"]

T = TypeVar("T")


def refuse_coroutines(callback: object, name: str) -> None:
    """Raises TypeError for a callback that does nothing when it is called: an `async def`, or a generator function.

    Partial functions and objects with such a `__call__` are refused, too. `name` names the callback in the message.
    """
    function = callback
    while isinstance(function, functools.partial):
        function = function.func
    for called in (function, inspect.getattr_static(type(function), "__call__", None)):  # an object may be a callback
        if inspect.iscoroutinefunction(called) or inspect.isasyncgenfunction(called):
            raise TypeError(f"{name} is an async function, which nothing would await: pass a plain function")
        if inspect.isgeneratorfunction(called):
            raise TypeError(f"{name} is a generator function, which nothing would run: pass a plain function")


def guarded(callback: Callable[[T], object], argument: T) -> None:
    """Calls a user's callback. What it raises is logged, and goes no further."""
    try:
        refuse_returned(callback(argument))
    except Exception:
        log_error(f"the callback {callback!r} failed; everything else goes on", traceback=True)


def refuse_returned(returned: object) -> None:
    """Raises TypeError for a coroutine, since nothing awaits what a callback returns."""
    if inspect.iscoroutine(returned):
        returned.close()
        raise TypeError("it returned a coroutine, which nothing awaits: have it start a task")


def log_error(text: str, *, traceback: bool = False) -> None:
    """Logs what a plugin or a callback did wrong, to the logger `altcraft.hooks`."""
    import logging  # a third of the core's import time, for the clients that have a failure to report

    logging.getLogger("altcraft.hooks").error(text, exc_info=traceback)
