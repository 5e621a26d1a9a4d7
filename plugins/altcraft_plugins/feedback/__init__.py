"""The platform tells when a task is done: a receiver for feedback, to be put wherever HTTP arrives.

`FeedbackReceiver` is a WSGI application, an ASGI application, and a function for any other framework;
`altcraft_plugins.feedback.server` puts it on a socket. See docs/feedback.md.
"""

from altcraft_plugins.feedback.receiver import FeedbackReceiver

__all__ = ["FeedbackReceiver"]
