"""Measures how fast the program is, prints a Markdown table and, with --chart, draws bars.

    python -m benchmarks                    all of it, 12 to 25 minutes on two cores
    python -m benchmarks rules layers       only these
    python -m benchmarks before PATH        against the checkout of an earlier version at PATH

Nothing else should run meanwhile. Ratios are medians over rounds in which both sides take turns,
so they hold on a noisy machine too; milliseconds do not.
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

# "before" is measured only where the other checkout's path follows.
RATIOS = ("before", "rules", "feedback", "layers", "keras2", "frameworks", "switches", "epoch")
AMOUNTS = ("start_up", "memory")


def main() -> int:
    parser = argparse.ArgumentParser("python -m benchmarks", description=__doc__.split("\n")[0])
    parser.add_argument(
        "parts", nargs="*", metavar="PART", help=f"of {', '.join(RATIOS + AMOUNTS)}"
    )
    parser.add_argument("--rounds", type=int, default=15, help="rounds of each step (default: 15)")
    parser.add_argument("--chart", type=Path, help="draw the ratios into this PNG or PDF file")
    parser.add_argument("--data-dir", type=Path, help="folder of Tiny ImageNet")
    arguments = parser.parse_args()
    parts, other = arguments.parts or [*RATIOS[1:], *AMOUNTS], Path()
    if "before" in parts:
        path = parts.index("before") + 1
        if path == len(parts):
            parser.error("before needs the path of another checkout")
        other = Path(parts.pop(path)).absolute()
    if set(parts) - {*RATIOS, *AMOUNTS} or arguments.rounds < 1:
        parser.error(f"PART is one of {', '.join(RATIOS + AMOUNTS)}; --rounds is at least 1")

    from brainprop.common.errors import BrainPropError
    from brainprop.common.files import check_figure

    if arguments.chart:
        try:
            check_figure(arguments.chart, "--chart")
        except BrainPropError as error:
            parser.error(str(error))

    from benchmarks import checkouts, programs, steps, table
    from brainprop.common import devices

    few = min(arguments.rounds, 3)  # Rounds of what takes seconds, not milliseconds.
    measure: dict[str, Callable[[], list]] = {
        "before": lambda: checkouts.before(other, arguments.rounds),
        "rules": lambda: steps.rules(arguments.rounds),
        "feedback": lambda: steps.feedback(arguments.rounds),
        "layers": lambda: steps.layers(arguments.rounds),
        "keras2": lambda: checkouts.keras2(arguments.rounds),
        "frameworks": lambda: steps.frameworks(arguments.rounds),
        "switches": lambda: steps.switches(arguments.rounds) + programs.onednn(few),
        "epoch": lambda: programs.epoch(few),
        "start_up": lambda: programs.start_up(few),
        "memory": lambda: programs.memory(arguments.data_dir),
    }
    found: dict[tuple[str, ...], list] = {RATIOS: [], AMOUNTS: []}
    for kind, results in found.items():
        for part in (part for part in kind if part in parts):
            print(f"measuring {part} ...", file=sys.stderr, flush=True)
            try:
                results += measure[part]()
            except BrainPropError as error:
                print(f"{part} is left out: {error}", file=sys.stderr)
    rows, amounts = found[RATIOS], found[AMOUNTS]
    machine = devices.description()
    print(table.markdown(rows, amounts, machine))
    if rows and arguments.chart:
        try:
            table.save_chart(rows, machine, arguments.chart)
        except BrainPropError as error:
            parser.exit(2, f"{error}\n")
        print(f"\nthe chart is {arguments.chart}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
