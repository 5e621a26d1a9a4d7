"""Marks on the fields of replies. They change nothing for msgspec; the codecs and the client read them.

Page: docs/schema.md.
"""

from __future__ import annotations

from typing import Annotated, Final, TypeAlias

from msgspec import Meta

__all__ = ["STRIPPED", "Word"]

STRIPPED: Final = "stripped"
"""The key in `Meta.extra` of a text whose surrounding white space says nothing. A codec whose format may add white
space to a text, as a pretty-printer does to XML, takes it off there."""

Word: TypeAlias = Annotated[str, Meta(extra={STRIPPED: True})]
"""A text that the library acts upon or that users compare, such as a status. Free texts are plain `str`."""
