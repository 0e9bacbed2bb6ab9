"""The report on a folder of runs: tables, a CSV file and figures."""

import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import Path

from matplotlib.figure import Figure

from brainprop.common.files import atomic_write
from brainprop.outputs.plots import write_figure
from brainprop.paper import ALGORITHMS
from brainprop.reproduce.figures import curves_figure, sweep_figure
from brainprop.reproduce.rows import COMPARABLE, Row, as_text, grouped, sorted_values

INTRODUCTION = """\
# Results

Top-1 accuracy in percent and epochs: the mean over the seeds, in brackets the standard deviation.
The accuracy is the best epoch's on the validation set, or on the test set where that is another
one. Runs that differ in one setting are a sweep, with a table of its own. Columns without entries
are left out."""

OVERVIEW = """\
*Paper* is what the paper states for BrainProp; it does not say whether its epochs count to the best
one or to the stop. *BrainProp / EBP* is the ratio of their epochs, 1 to 3.5 in the paper."""

DETAILS = """\
## Details

*Within*: whether our mean lies within two of the paper's standard deviations of its mean; empty
where the settings or the images are not the paper's."""

# Settings that runs may differ in without being a sweep.
NO_SWEEP = {"epochs", "patience", *COMPARABLE}


class Report:
    """The report on rows of runs.

    Args:
        rows: As `table_rows` returns them.
        swept: Settings that are a sweep even if they are among `NO_SWEEP`. Defaults to none.

    Attributes:
        rows: All rows.
        sweeps: By setting: the rows that differ in it alone.
        others: The rows that are in no sweep, and those with the paper's settings.
    """

    def __init__(self, rows: Sequence[Row], swept: Sequence[str] = ()):
        self.rows = rows
        overrides = [name for row in rows for name in row.overrides if name not in NO_SWEEP]
        sweeps = {name: _swept(rows, name) for name in dict.fromkeys([*overrides, *swept])}
        self.sweeps = {name: found for name, found in sweeps.items() if found}
        in_sweeps = [row for found in self.sweeps.values() for row in found if row.overrides]
        self.others = [row for row in rows if row not in in_sweeps]

    def write(self, folder: Path) -> list[Path]:
        """Writes `report.md`, `report.csv`, and figures as PDF and PNG: the same for the same rows.

        Returns:
            Their paths.
        """
        paths = [folder / "report.md", folder / "report.csv"]
        for path, text in zip(paths, (self.markdown(), self.csv()), strict=True):
            with atomic_write(path) as partial:
                partial.write_text(text, encoding="utf-8")
        for name, figure in self._figures():
            for kind in ("pdf", "png"):
                paths.append(folder / f"{name}.{kind}")
                with atomic_write(paths[-1]) as partial:
                    write_figure(figure, partial, kind, dpi=200)
        return paths

    def csv(self) -> str:
        """Returns all numbers as CSV, a line a row, under a line of names; they are not rounded."""
        text, lines = io.StringIO(), [_flat(row.numbers) for row in self.rows]
        writer = csv.DictWriter(text, lines[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(lines)
        return text.getvalue()

    def markdown(self) -> str:
        """Returns the tables, with links to the figures."""
        sections = [INTRODUCTION]
        if self.others:
            networks = grouped(self.others, lambda row: row.network).values()
            sections += [OVERVIEW, _table([_overview_line(rows) for rows in networks])]
        if _trained(self.others):
            sections.append("![Validation accuracy over epochs](report.png)")
        for name, rows in self.sweeps.items():
            several = len({row.images_beside(name) for row in rows}) > 1
            lines = [_sweep_line(row, name, several) for row in rows]
            sections += [f"## Sweep: {name}", _table(lines)]
            if _trained(rows):
                sections.append(f"![Accuracy and epochs against {name}](report_{name}.png)")
        if self.others:
            sections += [DETAILS, _table([_details_line(row) for row in self.others])]
        devices = {device for row in self.others for device in row.values("device")}
        if devices:
            sections.append(
                f"Seconds were measured on {'; '.join(sorted(devices))}. For a run in several "
                "pieces, this is the device of the last piece."
            )
        return "\n\n".join(sections) + "\n"

    def _figures(self) -> Iterator[tuple[str, Figure]]:
        for name, rows in self.sweeps.items():
            if _trained(rows):
                yield f"report_{name}", sweep_figure(name, rows)
        if _trained(self.others):
            yield "report", curves_figure(_trained(self.others))


def _swept(rows: Sequence[Row], name: str) -> list[Row]:
    """Returns the rows that differ only in one setting, by network, algorithm and value."""

    def rest(row: Row) -> tuple:
        return row.experiment.row, row.settings(without=name), row.images_beside(name)

    found = []
    for group in grouped(rows, rest).values():
        values = sorted_values(row.setting(name) for row in group)
        if len(values) > 1:
            found += sorted(group, key=lambda row: values.index(row.setting(name)))
    return found


def _trained(rows: Sequence[Row]) -> list[Row]:
    """Returns the rows with a run that did not diverge."""
    return [row for row in rows if row.results]


def _flat(numbers: dict) -> dict:
    """Makes two columns of each mean and its standard deviation."""
    flat: dict = {}
    for name, number in numbers.items():
        if isinstance(number, tuple):
            flat[f"{name}_mean"], flat[f"{name}_sd"] = number
        else:
            flat[name] = number
    return flat


def _table(lines: Sequence[dict[str, str]]) -> str:
    """Returns a table in Markdown, given each line's entries by title, without empty columns."""
    titles = [title for title in lines[0] if any(line[title] for line in lines)]
    cells = [titles, ["---"] * len(titles)]
    cells += [[line[title].replace("|", "\\|") for title in titles] for line in lines]
    return "\n".join(f"| {' | '.join(row)} |" for row in cells)


def _overview_line(network: Sequence[Row]) -> dict[str, str]:
    """Returns the line of a network, with its algorithms side by side."""
    rows = {row.experiment.algorithm: row for row in network}
    seeds = list(dict.fromkeys(row.cell("seeds") for row in network))
    if len(seeds) > 1:
        seeds = [f"{name} {row.cell('seeds')}" for name, row in rows.items()]

    def cell(algorithm: str, name: str, digits: int = 0) -> str:
        return rows[algorithm].cell(name, digits) if algorithm in rows else ""

    return {
        "data set": network[0].dataset,
        "architecture": network[0].experiment.architecture,
        "BrainProp [%]": cell("BrainProp", "accuracy", 2),
        "paper [%]": cell("BrainProp", "paper_accuracy", 2),
        "EBP [%]": cell("EBP", "accuracy", 2),
        "epochs to the best: BrainProp": cell("BrainProp", "epochs_to_best"),
        "paper": cell("BrainProp", "paper_epochs"),
        "EBP": cell("EBP", "epochs_to_best"),
        "BrainProp / EBP": cell("BrainProp", "epoch_ratio_to_best", 1),
        **{f"{name} [%]": cell(name, "accuracy", 2) for name in ALGORITHMS},  # Adds the plugins'.
        "seeds": ", ".join(seeds),
        "remarks": "; ".join(dict.fromkeys(text for row in network for text in row.remarks)),
    }


def _sweep_line(row: Row, name: str, with_images: bool) -> dict[str, str]:
    images = row.images_beside(name) if with_images else None
    return {
        **_names(row),
        "training images": f"{images:,}" if images else "",
        "other settings": row.settings(without=name),
        name: as_text(row.setting(name)),
        "seeds": row.cell("seeds"),
        "diverged": str(row.numbers["diverged"] or ""),
        "accuracy [%]": row.cell("accuracy", 2),
        "epochs to 90 % of the best accuracy": row.cell("epochs_to_90_percent"),
        "epochs to the best": row.cell("epochs_to_best"),
    }


def _details_line(row: Row) -> dict[str, str]:
    return {
        **_names(row),
        "remarks": "; ".join(row.remarks),
        "seeds": row.cell("seeds"),
        "accuracy [%]": row.cell("accuracy", 2),
        "within": {None: "", True: "yes", False: "no"}[row.numbers["within_two_paper_sd"]],
        "epochs to the best": row.cell("epochs_to_best"),
        "to the stop": row.cell("epochs_to_stop"),
        "BrainProp / EBP": row.cell("epoch_ratio_to_stop", 1),
        "seconds/epoch": row.cell("seconds_per_epoch", 1),
        "paper's seconds/epoch": row.cell("paper_seconds_per_epoch"),
    }


def _names(row: Row) -> dict[str, str]:
    _, architecture, algorithm = row.experiment.row
    return {"data set": row.dataset, "architecture": architecture, "algorithm": algorithm}
