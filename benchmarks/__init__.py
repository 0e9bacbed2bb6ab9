"""How fast the program is: `python -m benchmarks` prints a table and draws a chart."""

from brainprop.startup import prepare_environment

prepare_environment()
