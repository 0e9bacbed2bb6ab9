"""`python -m brainprop` is the same program as `main.py`."""

import sys

from brainprop.cli import main

if __name__ == "__main__":
    sys.argv[0] = "brainprop"  # By which argparse names the program in its messages.
    sys.exit(main())
