"""Trains or evaluates a network of the BrainProp paper; see `python main.py --help`."""

import signal
import sys

if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Outside `main`, Ctrl-C needs no traceback.

from brainprop.cli import main  # noqa: E402

if __name__ == "__main__":
    sys.exit(main())
