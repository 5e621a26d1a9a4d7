"""What a program pays for having a client at all: packages, megabytes, start-up, memory. Run it as a module."""
