"""`python -m reactive_ws.commands` does what `reactive-ws` does, also in a source tree that was never installed."""

import sys

from . import main

sys.exit(main())
