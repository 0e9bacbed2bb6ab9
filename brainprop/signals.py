"""Handling the signals that ask a program to end."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)  # SIGHUP: the terminal is closed.


@contextmanager
def handled_by(handler: Callable) -> Iterator[None]:
    """Has `SIGNALS` call a handler, in the main thread, where alone they can be handled.

    Those that the program shall ignore, as a shell says of its jobs in the background, stay so.

    Args:
        handler: As of `signal.signal`.
    """
    in_main_thread = threading.current_thread() is threading.main_thread()
    heeded = [
        number
        for number in SIGNALS
        if in_main_thread and signal.getsignal(number) is not signal.SIG_IGN
    ]
    previous = {number: signal.signal(number, handler) for number in heeded}
    try:
        yield
    finally:
        for number, before in previous.items():
            signal.signal(number, before)
