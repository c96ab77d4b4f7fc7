"""Runs the command line: `python -m reactive_ws` does what `reactive-ws` does."""

import sys

from .commands import main

sys.exit(main())
