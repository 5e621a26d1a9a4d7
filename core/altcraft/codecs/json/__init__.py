"""The JSON codec."""

from altcraft.codecs.json.codec import JsonCodec

__all__ = ["JsonCodec"]
