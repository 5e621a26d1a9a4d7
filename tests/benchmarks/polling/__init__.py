"""Polling schedules against each other, over simulated tasks. See docs/polling.md."""
