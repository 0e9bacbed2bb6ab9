"""`python -m brainprop.reproduce`: the command line for whole tables."""

import sys

from brainprop.reproduce.command import main

if __name__ == "__main__":
    sys.exit(main())
