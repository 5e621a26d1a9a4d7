"""The XML codec, for XML as the platform writes it."""

from altcraft.codecs.xml.codec import XmlCodec

__all__ = ["XmlCodec"]
