"""Plugins of altcraft-client. The core knows none: each comes in through the public hooks."""
