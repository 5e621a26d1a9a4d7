"""Polling schedules compared over simulated tasks. See docs/polling.md."""
