"""The table and the figure of what is finished."""

import csv
import io
import json
import os

import numpy as np
import pytest
from made_up_runs import write_plausible_runs, write_run

from brainprop.experiments import Experiment
from brainprop.outputs import plots
from brainprop.reproduce import command as reproduce
from brainprop.reproduce import report as reports
from brainprop.reproduce.finished_runs import read_results
from brainprop.reproduce.report import table, table_rows

MNIST = ("MNIST", "conv", "BrainProp")


def row(folder, *names, settings=""):
    """The numbers of one row."""
    for numbers in table(table_rows(read_results(folder))):
        found = tuple(numbers[key] for key in ("dataset", "architecture", "algorithm", "settings"))
        if found == (*names, settings):
            return numbers
    pytest.fail("there is no such row")


def test_mean_standard_deviation_epochs_and_ratio(tmp_path):
    for seed, curve in ((1, [0.5, 0.99, 0.98]), (2, [0.5, 0.6, 0.97, 0.9, 0.9])):
        write_run(tmp_path, Experiment(*MNIST, seed=seed), curve)
    write_run(tmp_path, Experiment("MNIST", "conv", "EBP"), [0.4, 0.8])
    ours = row(tmp_path, *MNIST)
    assert (ours["seeds"], ours["diverged"]) == (2, 0)
    assert ours["accuracy_mean"] == pytest.approx(98)
    assert ours["accuracy_sd"] == pytest.approx(np.std([99, 97], ddof=1))
    assert (ours["epochs_to_best_mean"], ours["epochs_to_stop_mean"]) == (2.5, 4)
    assert ours["seconds_per_epoch"] == 3  # The median leaves the slow first epoch out.
    assert (ours["epoch_ratio_to_best"], ours["epoch_ratio_to_stop"]) == (1.25, 2)
    ebp = row(tmp_path, "MNIST", "conv", "EBP")
    assert ebp["accuracy_sd"] is None  # One seed has none.
    assert ebp["epoch_ratio_to_best"] is None


@pytest.mark.parametrize(("accuracy", "within"), [(0.9924, True), (0.9922, False), (0.994, False)])
def test_within_two_of_the_papers_standard_deviations(accuracy, within, tmp_path):
    write_run(tmp_path, Experiment(*MNIST), [0.5, accuracy])
    numbers = row(tmp_path, *MNIST)
    assert numbers["within_two_paper_sd"] is within
    assert (numbers["paper_accuracy_mean"], numbers["paper_accuracy_sd"]) == (99.31, 0.04)
    assert (numbers["paper_epochs_mean"], numbers["paper_seconds_per_epoch"]) == (63, 3)


def test_a_part_of_the_data_set_is_not_held_to_the_paper(tmp_path):
    half = {"training": 30_000, "validation": 10_000}
    write_run(tmp_path, Experiment(*MNIST), [0.5, 0.9931], images=half)
    assert row(tmp_path, *MNIST)["within_two_paper_sd"] is None


def test_what_the_paper_does_not_tell_stays_empty(tmp_path):
    write_run(tmp_path, Experiment("CIFAR10", "deep", "EBP"), [0.5, 0.6])
    numbers = row(tmp_path, "CIFAR10", "deep", "EBP")
    assert [value for key, value in numbers.items() if "paper" in key] == [None] * 6


def test_other_settings_are_kept_apart_and_named(tmp_path):
    write_run(tmp_path, Experiment(*MNIST), [0.5, 0.99])
    write_run(tmp_path, Experiment(*MNIST, epochs=2), [0.1, 0.2])
    write_run(tmp_path, Experiment(*MNIST, deterministic=True), [0.5, 0.99])
    assert row(tmp_path, *MNIST)["accuracy_mean"] == pytest.approx(99)
    cut_short = row(tmp_path, *MNIST, settings="epochs 2")
    assert cut_short["accuracy_mean"] == pytest.approx(20)
    assert cut_short["within_two_paper_sd"] is None  # It cannot be compared.
    deterministic = row(tmp_path, *MNIST, settings="deterministic True")
    assert deterministic["within_two_paper_sd"] is False
    markdown = reports.as_markdown(table_rows(read_results(tmp_path)))
    headings = [line for line in markdown.splitlines() if line.startswith("## ")]
    assert headings == [
        "## The paper's settings",
        "## Other settings: deterministic True",
        "## Other settings: epochs 2",
    ]


def test_runs_on_a_part_of_the_data_are_a_row_and_a_panel_of_their_own(tmp_path):
    half = {"images": {"training": 30_000, "validation": 10_000}}
    write_run(tmp_path, Experiment(*MNIST), [0.5, 0.99])
    write_run(tmp_path, Experiment(*MNIST, seed=2), [0.5, 0.97], **half)
    rows = table_rows(read_results(tmp_path))
    assert [(row.training_images, row.values("accuracy")) for row in rows] == [
        (60_000, [pytest.approx(99)]),
        (30_000, [pytest.approx(97)]),
    ]
    assert list(reports._panels(rows)) == [
        "MNIST, conv, 60,000 images",
        "MNIST, conv, 30,000 images",
    ]


def test_a_part_of_the_test_set_is_not_compared_with_the_paper(tmp_path):
    write_run(tmp_path, Experiment(*MNIST), [0.5, 0.9931])
    assert row(tmp_path, *MNIST)["within_two_paper_sd"] is True
    part = {"images": {"training": 60_000, "validation": 100}}
    write_run(tmp_path, Experiment(*MNIST, seed=2), [0.5, 0.9931], **part)
    assert row(tmp_path, *MNIST)["within_two_paper_sd"] is None


@pytest.mark.parametrize("shows_in", ["loss", "val_loss"])  # The last step: in the latter only.
def test_a_diverged_run_is_counted_but_has_no_part_in_the_mean(shows_in, tmp_path):
    write_run(tmp_path, Experiment(*MNIST), [0.5, 0.99])
    write_run(tmp_path, Experiment(*MNIST, seed=2), [0.5, 0.1], diverged_in=shows_in)
    numbers = row(tmp_path, *MNIST)
    assert (numbers["seeds"], numbers["diverged"]) == (1, 1)
    assert numbers["accuracy_mean"] == pytest.approx(99)
    markdown = reports.as_markdown(table_rows(read_results(tmp_path)))
    assert "| 1, 1 diverged |" in markdown


def test_the_accuracy_is_the_test_sets_where_another_set_chose_the_epoch(tmp_path):
    experiment = Experiment(*MNIST, validation_split=0.1)
    write_run(tmp_path, experiment, [0.5, 0.99], test_accuracy=0.98)
    assert row(tmp_path, *MNIST, settings="validation_split 0.1")["accuracy_mean"] == 98


FOREIGN = {
    "truncated": lambda text: text[:100],
    "empty": lambda text: "",
    "a list": lambda text: "[1, 2]",
    "no run's": lambda text: '{"settings": 3}',
    "deeply nested": lambda text: "[" * 10**5,
    "of other settings": lambda text: text.replace('"seed": 1', '"seed": 2'),
    "of an unknown data set": lambda text: text.replace('"MNIST"', '"SVHN"'),
    "with a text for a number": lambda text: text.replace("0.99]", '"0.99"]'),
    "with an accuracy of 990 %": lambda text: text.replace("0.99", "9.9"),
    "with fewer epochs than it tells": lambda text: text.replace('"epochs": 2', '"epochs": 3'),
    "with another best epoch": lambda text: text.replace('"best_epoch": 2', '"best_epoch": 1'),
    "with a best epoch before the first": lambda text: text.replace(
        '"best_epoch": 2', '"best_epoch": 0'
    ),
    "with a best epoch that is not the best": lambda text: text.replace(
        '"best_epoch": 2, "best_val_accuracy": 0.99', '"best_epoch": 1, "best_val_accuracy": 0.5'
    ),
    "with a test set that it did not have": lambda text: text.replace(
        '"test_accuracy": null', '"test_accuracy": 0.9'
    ),
    "with time running backwards": lambda text: text.replace("[9.0, ", "[-9.0, "),
    "with a loss too few": lambda text: text.replace('"loss": [1.0, ', '"loss": ['),
    "with half an image": lambda text: text.replace('"training": 60000', '"training": 0.5'),
}


@pytest.mark.parametrize("change", FOREIGN.values(), ids=FOREIGN)
def test_a_damaged_or_foreign_file_is_told_in_a_line_and_the_rest_reported(
    change, tmp_path, capsys
):
    damaged = write_run(tmp_path, Experiment(*MNIST), [0.5, 0.99])
    before = damaged.read_text()
    damaged.write_text(change(before))
    assert damaged.read_text() != before
    write_run(tmp_path, Experiment(*MNIST, seed=3), [0.5, 0.98])
    (result,) = read_results(tmp_path)
    assert result.experiment.seed == 3
    error = capsys.readouterr().err
    assert error.startswith(f"{damaged} is left out: ") and error.count("\n") == 1


@pytest.mark.parametrize("accuracy", ["0.9", 9.0, -1, float("nan")])
def test_an_impossible_test_accuracy_is_told(accuracy, tmp_path, capsys):
    experiment = Experiment(*MNIST, validation_split=0.5)
    write_run(tmp_path, experiment, [0.5, 0.99], test_accuracy=accuracy)
    assert read_results(tmp_path) == []
    assert "it is damaged" in capsys.readouterr().err


def test_a_pipe_among_the_results_is_left_alone(tmp_path, capsys):
    os.mkfifo(tmp_path / "pipe.json")
    assert read_results(tmp_path) == []
    assert "is a pipe" in capsys.readouterr().err


def test_a_device_is_told_in_one_printable_line(tmp_path):
    write_run(tmp_path, Experiment(*MNIST), [0.5, 0.99], device="a\nGPU\x1b\ud800")
    (result,) = read_results(tmp_path)
    assert result.device == "a GPU??"


def test_a_copy_of_a_result_does_not_count_twice(tmp_path, capsys):
    path = write_run(tmp_path, Experiment(*MNIST), [0.5, 0.99])
    (tmp_path / "copy.json").write_text(path.read_text())
    assert len(read_results(tmp_path)) == 1
    assert "copy.json" in capsys.readouterr().err


def test_the_report_is_the_same_whenever_it_is_made(tmp_path, capsys):
    write_plausible_runs(tmp_path, seeds=(10, 9, 1))
    write_run(tmp_path, Experiment(*MNIST, epochs=1), [0.5])
    contents = []
    for _ in range(2):
        assert reproduce.main(["--results", str(tmp_path), "--report"]) == 0
        contents.append({path.name: path.read_bytes() for path in tmp_path.glob("report.*")})
    assert contents[0] == contents[1]
    assert set(contents[0]) == {"report.md", "report.csv", "report.pdf", "report.png"}
    markdown, lines = contents[0]["report.md"].decode(), contents[0]["report.csv"].decode()
    assert capsys.readouterr().out == 2 * markdown
    assert "| CIFAR10 | deep | BrainProp | 60,000 | 3 | 89." in markdown
    assert len(list(csv.DictReader(io.StringIO(lines)))) == 9
    assert contents[0]["report.pdf"].startswith(b"%PDF")
    assert contents[0]["report.png"].startswith(b"\x89PNG")


def test_the_report_covers_what_is_asked_for(tmp_path, capsys):
    write_plausible_runs(tmp_path, seeds=(1, 2))
    chosen = ["--datasets", "MNIST", "--algorithms", "EBP", "--seeds", "2"]
    assert reproduce.main(["--results", str(tmp_path), "--report", *chosen]) == 0
    out = capsys.readouterr().out
    assert "| MNIST | conv | EBP | 60,000 | 1 |" in out
    assert "BrainProp |" not in out and "CIFAR" not in out


def test_a_report_of_nothing_is_refused(tmp_path, capsys):
    assert reproduce.main(["--results", str(tmp_path), "--report"]) == 2
    assert "no finished run" in capsys.readouterr().err


def test_the_figure_has_a_panel_a_network_and_a_line_style_an_algorithm():
    panels = {
        "MNIST, conv": {
            "BrainProp": [[50, 90], [60, 80, 100], [70, 70]],
            "EBP": [[80, 90]],
        },
        "MNIST, dense": {"BrainProp": [[10]]},
    }
    figure = plots.learning_curves_figure(panels)
    conv, dense = figure.axes
    assert conv.get_title() == "MNIST, conv"
    brainprop, ebp = conv.lines
    np.testing.assert_allclose(brainprop.get_xydata(), [[1, 60], [2, 80]])  # Epoch 3 is one seed's.
    assert brainprop.get_linestyle() != ebp.get_linestyle()
    assert brainprop.get_color() != ebp.get_color()
    band = conv.collections[0].get_paths()[0].vertices
    assert (band[:, 1].min(), band[:, 1].max()) == (50, 90)
    assert dense.lines[0].get_marker() == "o"  # A single epoch would be no line.
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["BrainProp", "EBP"]


def test_the_figure_shows_the_accuracies_that_a_long_run_comes_to_not_its_steep_start():
    steep = [10.0, 20.0] + 9 * [98.0, 99.0]
    (axes,) = plots.learning_curves_figure({"MNIST, conv": {"BrainProp": [steep]}}).axes
    low, high = axes.get_ylim()
    assert 97.5 < low < 98 and 99 < high < 99.5


def test_the_summary_of_a_run_is_what_the_report_reads(tmp_path):
    from brainprop.outputs.results import write_summary
    from brainprop.training.fit import Outcome, Run

    history = {
        "loss": [0.5, 0.2], "val_loss": [0.4, 0.3], "val_accuracy": [0.5, 0.9],
        "seconds": [2.0, 1.0],
    }  # fmt: skip
    run = Run(Experiment(*MNIST), history, 2, 0.9, Outcome.COMPLETED, 60_000, 10_000)
    write_summary(run, tmp_path / "MNIST_conv_BrainProp_seed1.json")
    assert json.loads((tmp_path / "MNIST_conv_BrainProp_seed1.json").read_text())["epochs"] == 2
    (result,) = read_results(tmp_path)
    assert (result.accuracy, result.best_epoch, result.epochs, result.seconds) == (90, 2, 2, 1.5)
    assert not result.diverged
