"""Polling schedules compared over simulated tasks. See docs/explanation/polling.md."""
