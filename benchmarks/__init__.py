"""How fast the program is: `python -m benchmarks` prints a table, `--chart` draws it."""

from brainprop.common.startup import prepare_environment

prepare_environment()
