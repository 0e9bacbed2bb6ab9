"""How fast the program is: `python -m benchmarks` prints a table and draws a chart."""
