"""What msgspec knows of a type, gathered by one thread at a time."""

from __future__ import annotations

from _thread import allocate_lock  # as threading.Lock, without what threading costs to import

import msgspec

__all__ = ["make_ready"]

_lock = allocate_lock()


def make_ready(*types: object) -> None:
    """Has msgspec look at types, and at all that they hold, before threads read into them. Call it once a type.

    msgspec (0.22) looks at a struct when it is first read into, and keeps what it finds in the class. When two threads
    do that at once, one of them finds the work half done, and the interpreter crashes.
    """
    with _lock:
        for type_ in types:
            try:
                msgspec.json.Decoder(type_)
            except TypeError:  # what msgspec can't read is for another codec, or for that codec's error to say
                continue
