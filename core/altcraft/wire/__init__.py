"""HTTP as plain values: messages, secrets, URLs, and what a transport is."""
