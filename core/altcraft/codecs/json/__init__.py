"""JSON, read and written by msgspec."""

from altcraft.codecs.json.codec import JsonCodec

__all__ = ["JsonCodec"]
