"""Tasks: their rows, and the worker that counts them slice by slice."""
