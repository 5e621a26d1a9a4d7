"""Types for the fields of replies, with marks that the codecs and the lenient reading look at.

A mark changes nothing for msgspec and for type checkers: a `Word` is a str, a `Whole` is an int.
Page: docs/reference/schema.md.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final, TypeAlias

from msgspec import Meta

__all__ = ["LENIENT", "STRIPPED", "Flag", "Moment", "Number", "Whole", "Word"]

STRIPPED: Final = "stripped"
"""Key in `Meta.extra` of a text whose surrounding white space says nothing.

A codec whose format may add white space to a text, as a pretty-printer does to XML, takes it off there.
"""

LENIENT: Final = "lenient"
"""Key in `Meta.extra` of a field whose value must not cost the rest of the reply.

"word", "value" or "counters" says how `altcraft.schema.lenient` reads such a value.
"""

Word: TypeAlias = Annotated[str, Meta(extra={STRIPPED: True, LENIENT: "word"})]
"""A text that the library acts upon or that users compare, such as a status."""

Flag: TypeAlias = Annotated[bool, Meta(extra={LENIENT: "value"})]
Whole: TypeAlias = Annotated[int, Meta(extra={LENIENT: "value"})]
Number: TypeAlias = Annotated[int | float, Meta(extra={LENIENT: "value"})]
Moment: TypeAlias = Annotated[datetime, Meta(tz=True, extra={LENIENT: "value"})]
