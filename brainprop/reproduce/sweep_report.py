"""Sweeps in a report: a table by value, and a figure of accuracy and speed against the value."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure

from brainprop.outputs import plots
from brainprop.reproduce.rows import COMPARABLE, Line, Row, markdown_table, number, table

# Settings that runs may differ in without being a sweep.
NO_SWEEP = {"seed", "epochs", "patience", *COMPARABLE}


@dataclass(frozen=True)
class Sweep:
    """A setting with several values, all else equal.

    Attributes:
        name: The setting.
        rows: Its rows, by network and algorithm, then by value.
    """

    name: str
    rows: tuple[Row, ...]

    def as_markdown(self) -> list[str]:
        """Returns the parts of the report's section."""
        columns: dict[str, Callable[[Line], str]] = {
            "data set": lambda line: line[0].dataset,
            "architecture": lambda line: line[0].experiment.architecture,
            "algorithm": lambda line: line[0].experiment.algorithm,
            "other settings": lambda line: _without(line[0], self.name),
            self.name: lambda line: plots.as_text(value_of(line[0], self.name)),
            "seeds": number("seeds"),
            "accuracy [%]": number("accuracy", 2),
            "epochs to 90 % of the best": number("epochs_to_90_percent"),
            "epochs to the best": number("epochs_to_best"),
        }
        return [
            f"## Sweep: {self.name}",
            markdown_table(columns, zip(self.rows, table(self.rows), strict=True)),
            f"![Accuracy and epochs against {self.name}](report_{self.name}.png)",
        ]

    def figure(self) -> Figure:
        """Draws accuracy, and epochs to 90 % of it, against the values."""
        panels: dict[str, dict[str, dict]] = {}
        for row in (row for row in self.rows if row.results):
            title = f"{row.dataset}, {row.experiment.architecture}"
            others = _without(row, self.name)
            curves = panels.setdefault(f"{title}\n{others}" if others else title, {})
            points = list(
                zip(row.values("accuracy"), row.values("epochs_to_90_percent"), strict=True)
            )
            curves.setdefault(row.experiment.algorithm, {})[value_of(row, self.name)] = points
        return plots.sweep_figure(panels, self.name)


def find_sweeps(rows: Sequence[Row], names: Sequence[str] = ()) -> tuple[list[Sweep], list[Row]]:
    """Finds the settings that have several values, all else equal.

    Args:
        rows: As `table_rows` returns them.
        names: Settings that are a sweep in any case. Runs of different length are none otherwise.

    Returns:
        The sweeps; and the other rows, with those of the paper's settings.
    """
    overrides = {name: None for row in rows for name in row.overrides if name not in NO_SWEEP}
    sweeps, swept = [], set()
    for name in overrides | dict.fromkeys(names):
        groups: dict[tuple, list[Row]] = {}
        for row in rows:
            groups.setdefault((row.experiment.row, _without(row, name)), []).append(row)
        found = [
            row
            for group in groups.values()
            if len({value_of(row, name) for row in group}) > 1
            for row in sorted(group, key=lambda row: _order(value_of(row, name)))
        ]
        if found:
            sweeps.append(Sweep(name, tuple(found)))
            swept |= {id(row) for row in found if row.settings}
    return sweeps, [row for row in rows if id(row) not in swept]


def value_of(row: Row, name: str):
    """Returns a setting's value, `None` if the row's algorithm does not have it."""
    settings = row.experiment.settings()
    return (settings | settings.get("rule_arguments", {})).get(name)


def _order(value) -> tuple:
    """Sorts numbers before names, and what has no limit last."""
    return value is None, isinstance(value, str), value if value is not None else 0


def _without(row: Row, name: str) -> str:
    """Returns the settings that are not the paper's, without one of them."""
    return ", ".join(f"{key} {value}" for key, value in row.overrides.items() if key != name)
