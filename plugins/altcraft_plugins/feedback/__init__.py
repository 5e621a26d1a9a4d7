"""A receiver for feedback: the platform posts to it when a task has ended, and the task's client looks at once.

`FeedbackReceiver` is a WSGI application, an ASGI application, and a function for every other framework.
`altcraft_plugins.feedback.server` serves it on a socket. Page: docs/how-to/feedback.md.
"""

from altcraft_plugins.feedback.receiver import FeedbackReceiver

__all__ = ["FeedbackReceiver"]
