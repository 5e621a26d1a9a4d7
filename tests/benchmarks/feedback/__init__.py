"""Detection lag and polls per task, by feedback and by the schedules without it, against a sandbox on loopback."""
