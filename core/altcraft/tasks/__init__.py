"""How a task is followed, as pure values and state machines: no I/O, no clock, no thread."""
