"""How commands report: to people, as JSON lines, as CSV. Imported when a command runs, not for its help."""
