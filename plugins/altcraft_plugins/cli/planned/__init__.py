"""`altcraft run`: a plan's recounts as one run, which goes on where a killed one has stopped."""
