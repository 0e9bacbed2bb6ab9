"""Trains or evaluates a network of the BrainProp paper; `python main.py --help` tells how."""

import sys

from brainprop.cli import main

if __name__ == "__main__":
    sys.exit(main())
