"""Counting: what can be counted, which rows belong to it, and the statistics that come out."""
