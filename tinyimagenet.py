#!/usr/bin/env python3
"""Extracts tiny-imagenet-200.zip in the current directory; see `--help`."""

import sys

from brainprop.datasets.extract import main

if __name__ == "__main__":
    sys.exit(main())
