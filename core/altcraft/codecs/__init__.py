"""Codecs turn values into bytes and back; the registry finds the right one. See docs/codecs.md."""

from altcraft.codecs.per_type import make_ready
from altcraft.codecs.registry import Codec, CodecRegistry, default_registry

__all__ = ["Codec", "CodecRegistry", "default_registry", "make_ready"]
