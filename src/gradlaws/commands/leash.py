"""`python -m gradlaws.commands.leash ARGUMENTS`: gradlaws in a process that ends when whoever started it does.

Standard input is the leash: at its end this process and all that it started are ended. Whoever starts it gives it a
process group of its own.
"""

from __future__ import annotations

import os
import signal
import sys
from threading import Thread

from gradlaws.commands.parser import main


def _held() -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # which is the other thread's business
    while os.read(0, 1024):
        pass
    os.killpg(os.getpgid(0), signal.SIGKILL)


if __name__ == "__main__":
    # Whoever started this ignores interrupts, perhaps; here they end the work in good order.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    Thread(target=_held, daemon=True).start()
    sys.exit(main())
