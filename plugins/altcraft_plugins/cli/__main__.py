"""`python -m altcraft_plugins.cli`: the same command where `altcraft` is not on the path."""

import sys

from altcraft_plugins.cli import main

if __name__ == "__main__":
    sys.exit(main())
