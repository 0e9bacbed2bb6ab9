"""Handling the signals that ask a program to end."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from brainprop.common.streams import give_up_closed_terminal

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)  # SIGHUP: the terminal is closed.


@contextmanager
def handled_by(handler: Callable) -> Iterator[None]:
    """Has `SIGNALS` call a handler, in the main thread, where alone they can be handled.

    Those that the program shall ignore, as a shell says of its jobs in the background, stay so.
    After SIGHUP, what is printed to the closed terminal goes elsewhere.

    Args:
        handler: As of `signal.signal`.
    """
    in_main_thread = threading.current_thread() is threading.main_thread()
    heeded = [
        number
        for number in SIGNALS
        if in_main_thread and signal.getsignal(number) is not signal.SIG_IGN
    ]

    def hung_up(number, frame):
        give_up_closed_terminal()
        handler(number, frame)

    handlers = {number: hung_up if number == signal.SIGHUP else handler for number in heeded}
    previous = {number: signal.signal(number, handlers[number]) for number in heeded}
    try:
        yield
    finally:
        for number, before in previous.items():
            signal.signal(number, before)
