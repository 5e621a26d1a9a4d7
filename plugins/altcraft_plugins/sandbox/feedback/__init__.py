"""Feedback: the deliveries that finished tasks ask for, and the threads that send them."""
