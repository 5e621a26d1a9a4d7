"""Codecs: bytes to values and back, and the registry that finds the right one."""

from altcraft.codecs.per_type import make_ready
from altcraft.codecs.registry import Codec, CodecRegistry, default_registry

__all__ = ["Codec", "CodecRegistry", "default_registry", "make_ready"]
