"""The store that all these programs show, and the thread that writes it."""

import threading
import time

from reactive_ws import Store

LAST = 20_000

count = Store(0)


def start() -> None:
    """Counts to `LAST` in another thread, with a short rest after each thousand."""

    def write() -> None:
        for number in range(LAST + 1):
            count.set(number)
            if number % 1_000 == 0:
                time.sleep(0.01)

    threading.Thread(target=write, daemon=True).start()
