"""Bundled transports, one file each; each file alone imports its library."""
