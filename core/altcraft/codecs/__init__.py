"""Codecs turn values into bytes and back; the registry finds the right one. See docs/reference/codecs.md."""

from altcraft.codecs.charsets import Recoding, charset_of, in_charset
from altcraft.codecs.per_type import make_ready
from altcraft.codecs.registry import Codec, CodecRegistry, Preparing, default_registry

__all__ = [
    "Codec",
    "CodecRegistry",
    "Preparing",
    "Recoding",
    "charset_of",
    "default_registry",
    "in_charset",
    "make_ready",
]
