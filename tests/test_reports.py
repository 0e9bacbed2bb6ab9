"""The table and the figure of what is finished."""

import csv
import io
import json
import os

import numpy as np
import pytest
from made_up_runs import write_plausible_runs, write_run

from brainprop.experiments import Experiment
from brainprop.reproduce import command as reproduce
from brainprop.reproduce.figures import PAPER, curves_figure, sweep_figure
from brainprop.reproduce.report import Report
from brainprop.reproduce.rows import read_results, table_rows

MNIST = ("MNIST", "conv", "BrainProp")


def rows(folder):
    return table_rows(read_results(folder))


def row(folder, *names, settings=""):
    """The numbers of one row."""
    for numbers in (row.numbers for row in rows(folder)):
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
    assert ours["accuracy"][0] == pytest.approx(98)
    assert ours["accuracy"][1] == pytest.approx(np.std([99, 97], ddof=1))
    assert (ours["epochs_to_best"][0], ours["epochs_to_stop"][0]) == (2.5, 4)
    assert ours["seconds_per_epoch"] == 3  # The median leaves the slow first epoch out.
    assert (ours["epoch_ratio_to_best"], ours["epoch_ratio_to_stop"]) == (1.25, 2)
    ebp = row(tmp_path, "MNIST", "conv", "EBP")
    assert ebp["accuracy"][1] is None  # One seed has none.
    assert ebp["epoch_ratio_to_best"] is None


@pytest.mark.parametrize(("accuracy", "within"), [(0.9924, True), (0.9922, False), (0.994, False)])
def test_within_two_of_the_papers_standard_deviations(accuracy, within, tmp_path):
    write_run(tmp_path, Experiment(*MNIST), [0.5, accuracy])
    numbers = row(tmp_path, *MNIST)
    assert numbers["within_two_paper_sd"] is within
    assert numbers["paper_accuracy"] == (99.31, 0.04)
    assert (numbers["paper_epochs"], numbers["paper_seconds_per_epoch"]) == ((63, 18), 3)


def test_a_part_of_the_data_set_is_not_held_to_the_paper(tmp_path):
    half = {"training": 30_000, "validation": 10_000}
    write_run(tmp_path, Experiment(*MNIST), [0.5, 0.9931], images=half)
    assert row(tmp_path, *MNIST)["within_two_paper_sd"] is None


def test_what_the_paper_does_not_tell_stays_empty(tmp_path):
    write_run(tmp_path, Experiment("CIFAR10", "deep", "EBP"), [0.5, 0.6])
    numbers = row(tmp_path, "CIFAR10", "deep", "EBP")
    assert numbers["paper_accuracy"] == numbers["paper_epochs"] == (None, None)
    assert numbers["within_two_paper_sd"] is numbers["paper_seconds_per_epoch"] is None


def test_other_settings_are_kept_apart_and_named(tmp_path):
    write_run(tmp_path, Experiment(*MNIST), [0.5, 0.99])
    write_run(tmp_path, Experiment(*MNIST, epochs=2), [0.1, 0.2])
    write_run(tmp_path, Experiment(*MNIST, deterministic=True), [0.5, 0.99])
    assert row(tmp_path, *MNIST)["accuracy"][0] == pytest.approx(99)
    cut_short = row(tmp_path, *MNIST, settings="epochs 2")
    assert cut_short["accuracy"][0] == pytest.approx(20)
    assert cut_short["within_two_paper_sd"] is None  # It cannot be compared.
    deterministic = row(tmp_path, *MNIST, settings="deterministic True")
    assert deterministic["within_two_paper_sd"] is False
    overview = Report(rows(tmp_path)).markdown().partition("## Details")[0]
    assert "| MNIST | conv | 99.00 | 99.31 (0.04) | 2 | 63 (18) | 1 |  |" in overview
    assert "| 1 | cut short: epochs 2 |" in overview and "| 1 | deterministic True |" in overview


def test_runs_on_a_part_of_the_data_are_a_row_and_a_panel_of_their_own(tmp_path):
    half = {"images": {"training": 30_000, "validation": 10_000}}
    write_run(tmp_path, Experiment(*MNIST), [0.5, 0.99])
    write_run(tmp_path, Experiment(*MNIST, seed=2), [0.5, 0.97], **half)
    assert [(row.training_images, row.values("accuracy")) for row in rows(tmp_path)] == [
        (60_000, [pytest.approx(99)]),
        (30_000, [pytest.approx(97)]),
    ]
    titles = ["MNIST, conv, 60,000 images", "MNIST, conv, 30,000 images"]
    assert [axes.get_title() for axes in curves_figure(rows(tmp_path)).axes] == titles


def test_classes_that_differ_in_their_number_of_images_are_one_row(tmp_path):
    for seed, images in ((1, 30_596), (2, 29_404)):
        experiment = Experiment(*MNIST, seed=seed, classes=5)
        counts = {"training": images, "validation": images // 6}
        write_run(tmp_path, experiment, [0.5, 0.99], images=counts)
    assert row(tmp_path, *MNIST, settings="classes 5")["seeds"] == 2
    (axes,) = curves_figure(rows(tmp_path)).axes
    assert axes.get_title() == "MNIST, conv\nclasses 5"


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
    assert numbers["accuracy"][0] == pytest.approx(99)
    assert "| 1 | 1 diverged |" in Report(rows(tmp_path)).markdown()


def test_the_accuracy_is_the_test_sets_where_another_set_chose_the_epoch(tmp_path):
    experiment = Experiment(*MNIST, validation_split=0.1)
    write_run(tmp_path, experiment, [0.5, 0.99], test_accuracy=0.98)
    assert row(tmp_path, *MNIST, settings="validation_split 0.1")["accuracy"][0] == 98


FOREIGN = {
    "truncated": lambda text: text[:100],
    "empty": lambda text: "",
    "a list": lambda text: "[1, 2]",
    "no run's": lambda text: '{"settings": 3}',
    "deeply nested": lambda text: "[" * 10**5,
    "of other settings": lambda text: text.replace('"seed": 1', '"seed": 2'),
    "of an unknown data set": lambda text: text.replace('"MNIST"', '"SVHN"'),
    "without accuracies": lambda text: text.replace('"val_accuracy"', '"accuracy"'),
    "of another version": lambda text: text.replace('"seed": 1', '"seed": 1, "new": 2'),
    "without a best accuracy": lambda text: text.replace('accuracy": 0.99', 'accuracy": NaN'),
    "with text for a number": lambda text: text.replace('"best_epoch": 2', '"best_epoch": "2"'),
    "without seconds": lambda text: text.replace("[9.0, 3.0]", "[null]"),
    "without images": lambda text: text.replace("60000", "[]"),
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
    assert "| CIFAR10 | deep | 89." in markdown
    assert len(list(csv.DictReader(io.StringIO(lines)))) == 9
    assert contents[0]["report.pdf"].startswith(b"%PDF")
    assert contents[0]["report.png"].startswith(b"\x89PNG")


def test_a_row_of_the_overview_has_both_algorithms_and_the_papers_figures(tmp_path):
    for seed, best in ((1, 3), (2, 5)):
        curve = [0.5] * (best - 1) + [0.99] + [0.6] * 3
        write_run(tmp_path, Experiment(*MNIST, seed=seed), curve)
    write_run(tmp_path, Experiment("MNIST", "conv", "EBP"), [0.4, 0.98])
    write_run(tmp_path, Experiment("MNIST", "dense", "EBP"), [0.4, 0.97])
    half = {"training": 30_000, "validation": 10_000}
    write_run(tmp_path, Experiment("MNIST", "dense", "BrainProp"), [0.9], images=half, note="mine")
    overview = Report(rows(tmp_path)).markdown().partition("## Details")[0]
    assert [line for line in overview.splitlines() if line[:2] == "| "][2:] == [
        "| MNIST | dense |  |  | 97.00 |  |  | 2 |  | 1 |  |",
        "| MNIST | dense | 90.00 |  |  | 1 |  |  |  | 1 | 30,000 of 60,000 training images; mine |",
        "| MNIST | conv | 99.00 (0.00) | 99.31 (0.04) | 98.00 | 4 (1) | 63 (18) | 2 | 2.0 | "
        "BrainProp 2, EBP 1 |  |",
    ]


def write_sweep(folder):
    """Two algorithms with 5 and 10 classes, BrainProp with two seeds; and a run of other length."""
    for classes, best in ((10, 0.8), (5, 0.9)):
        for algorithm, seeds in (("BrainProp", (1, 2)), ("EBP", (1,))):
            for seed in seeds:
                curve = [0.5, best - 0.05, best + seed / 100]
                settings = {"seed": seed, "classes": classes, "epochs": 3}
                write_run(folder, Experiment("CIFAR100", "conv", algorithm, **settings), curve)
    write_run(folder, Experiment("CIFAR100", "conv", "EBP", epochs=2), [0.1, 0.2])


def test_a_sweep_has_a_table_by_value_and_a_figure(tmp_path, capsys):
    write_sweep(tmp_path)
    write_run(tmp_path, Experiment("CIFAR100", "conv", "EBP"), [0.1, 0.3])
    assert reproduce.main(["--results", str(tmp_path), "--report"]) == 0
    out = capsys.readouterr().out
    section = out.partition("## Sweep: classes")[2].partition("## ")[0]
    assert [line for line in section.splitlines() if line[:2] == "| "][2:] == [
        "| CIFAR100 | conv | BrainProp | epochs 3 | 5 | 2 | 91.50 (0.71) | 2 (0) | 3 (0) |",
        "| CIFAR100 | conv | BrainProp | epochs 3 | 10 | 2 | 81.50 (0.71) | 2 (0) | 3 (0) |",
        "| CIFAR100 | conv | EBP | epochs 3 | 5 | 1 | 91.00 | 2 | 3 |",
        "| CIFAR100 | conv | EBP | epochs 3 | 10 | 1 | 81.00 | 2 | 3 |",
    ]
    assert "Sweep: epochs" not in out  # Runs that were cut short are none.
    assert "classes" not in out.partition("## Details")[2]
    for name in ("report_classes.png", "report_classes.pdf", "report.png"):
        assert (tmp_path / name).stat().st_size > 5000
    assert reproduce.main(["--results", str(tmp_path), "--report", "--sweep", "epochs=2"]) == 0
    assert "## Sweep: epochs" in capsys.readouterr().out


def test_a_report_of_a_sweep_alone_has_no_other_tables(tmp_path, capsys):
    for rate in (0.2, 0.4):
        write_run(tmp_path, Experiment(*MNIST, exploration_rate=rate), [0.5, 1 - rate])
    assert reproduce.main(["--results", str(tmp_path), "--report"]) == 0
    out = capsys.readouterr().out
    assert "| exploration_rate |" in out
    assert not [
        word for word in ("## Details", "*Paper*", "Seconds", "other settings") if word in out
    ]
    assert {path.name for path in tmp_path.glob("report*")} == {
        "report.md", "report.csv", "report_exploration_rate.png", "report_exploration_rate.pdf",
    }  # fmt: skip


def test_a_sweep_in_which_all_runs_diverged_has_a_table_alone(tmp_path):
    for rate in (10, 100):
        experiment = Experiment(*MNIST, learning_rate=rate)
        write_run(tmp_path, experiment, [0.5, 0.1], diverged_in="loss")
    assert reproduce.main(["--results", str(tmp_path), "--report"]) == 0
    assert {path.name for path in tmp_path.glob("report*")} == {"report.md", "report.csv"}
    report = (tmp_path / "report.md").read_text()
    assert "| learning_rate | seeds | diverged |" in report
    assert "| 10 | 0 | 1 |" in report and "| 100 | 0 | 1 |" in report


def test_the_figure_of_a_sweep_has_means_and_spread_at_the_values(tmp_path):
    for algorithm, classes, seed, curve in (
        ("BrainProp", 5, 1, [0.1, 0.9]),
        ("BrainProp", 5, 2, [0.1, 0.2, 0.3, 0.94]),
        ("BrainProp", 50, 1, [0.1, 0.2, 0.3, 0.6, 0.6]),
        ("EBP", 5, 1, [0.95]),
        ("EBP", 50, 1, [0.2, 0.5, 0.7]),
    ):
        experiment = Experiment("CIFAR100", "conv", algorithm, seed=seed, classes=classes)
        write_run(tmp_path, experiment, curve)
    report = Report(rows(tmp_path))
    assert report.others == []
    accuracy, epochs = sweep_figure("classes", report.sweeps["classes"]).axes
    brainprop, ebp = accuracy.containers
    np.testing.assert_allclose(brainprop.lines[0].get_xydata(), [[5, 92], [50, 60]])
    (bars,) = brainprop.lines[2]
    np.testing.assert_allclose(bars.get_segments()[0], [[5, 90], [5, 94]])
    np.testing.assert_allclose(ebp.lines[0].get_xydata(), [[5, 95], [50, 70]])
    np.testing.assert_allclose(epochs.containers[0].lines[0].get_ydata(), [3, 4])
    assert accuracy.get_xscale() == "log"
    assert [label.get_text() for label in accuracy.get_xticklabels()] == ["5", "50"]
    assert "best accuracy" in epochs.get_ylabel()


def test_a_sweep_keeps_runs_on_other_images_apart(tmp_path):
    """Half of a data set and all of it, and two folders of one name."""
    deep = ("TinyImageNet", "deep", "BrainProp")
    runs = [(deep, 1, 50_000, 0.3), (deep, 2, 100_000, 0.4)]
    runs += [((f"/{place}/pets", "conv", "EBP"), 1, 500, 0.5) for place in "ab"]
    for number, (names, seed, training, accuracy) in enumerate(runs):
        images = {"training": training, "validation": 100}
        for rate in (0.2, 0.4):
            rate += number * (names[0] == "/b/pets")
            experiment = Experiment(*names, seed=seed, learning_rate=rate)
            write_run(tmp_path, experiment, [accuracy], images=images)
    report = Report(rows(tmp_path))
    axes = sweep_figure("learning_rate", report.sweeps["learning_rate"]).axes[::2]
    assert [axis.get_title() for axis in axes] == [
        "TinyImageNet, deep, 100,000 images", "TinyImageNet, deep, 50,000 images",
        "pets, conv, 500 images", "pets, conv, 500 images",
    ]  # fmt: skip
    points = [axis.containers[0].lines[0].get_ydata().tolist() for axis in axes]
    assert points == [[40, 40], [30, 30], [50, 50], [50, 50]]
    assert "| TinyImageNet | deep | BrainProp | 50,000 | 0.2 | 1 | 30.00 |" in report.markdown()


def test_the_figure_of_a_sweep_marks_where_all_seeds_diverged(tmp_path):
    for algorithm, feedback, diverged_in in (
        ("BrainProp", "learned", None),
        ("BrainProp", "random", "loss"),
        ("EBP", "learned", None),
        ("EBP", "random", None),
    ):
        experiment = Experiment("MNIST", "conv", algorithm, feedback=feedback)
        write_run(tmp_path, experiment, [0.5, 0.9], diverged_in)
    axes, _ = sweep_figure("feedback", Report(rows(tmp_path)).sweeps["feedback"]).axes
    brainprop, ebp = (container.lines[0].get_xdata() for container in axes.containers)
    assert list(brainprop) == [0]
    assert list(ebp) == [0.1, 1.1]  # Beside BrainProp's.
    (mark,) = axes.texts
    assert mark.get_text() == "diverged" and mark.get_position()[0] == 1
    low, high = axes.get_xlim()
    assert low < 0 and high > 1.1


@pytest.mark.parametrize(
    ("name", "values", "labels", "places"),
    [
        ("feedback", ("symmetric", "random"), ["random", "symmetric"], [0, 1]),
        ("learning_rate", (0.2, 0.1, 0.3), ["0.1", "0.2", "0.3"], [0.1, 0.2, 0.3]),
        ("l2", (1e-5, 0.0, 1.0), ["0", "1e-05", "1"], [0, 1, 2]),  # Too close on a line.
        ("classes", (None, 5, 2), ["2", "5", "all"], [0, 1, 2]),
    ],
)
def test_values_that_cannot_lie_on_an_axis_have_even_distances(
    name, values, labels, places, tmp_path
):
    for value in values:
        write_run(tmp_path, Experiment(*MNIST, **{name: value}), [0.5, 0.9])
    axes, _ = sweep_figure(name, Report(rows(tmp_path)).sweeps[name]).axes
    assert [label.get_text() for label in axes.get_xticklabels()] == labels
    (line, *_) = axes.containers[0].lines
    assert list(axes.get_xticks()) == list(line.get_xdata()) == places
    assert line.get_linestyle() == ("None" if name == "feedback" else "-")  # Names have no order.


def test_the_papers_accuracy_is_a_line_in_the_panel_of_its_network(tmp_path):
    write_run(tmp_path, Experiment(*MNIST), [0.5, 0.99])
    write_run(tmp_path, Experiment(*MNIST, epochs=2), [0.5, 0.99])
    figure = curves_figure(rows(tmp_path))
    ours, cut_short = figure.axes
    np.testing.assert_allclose(ours.lines[1].get_ydata(), 99.31)
    assert ours.get_ylim()[0] < 99.31 < ours.get_ylim()[1]
    assert len(cut_short.lines) == 1
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["BrainProp", PAPER]


def test_the_report_covers_what_is_asked_for(tmp_path, capsys):
    write_plausible_runs(tmp_path, seeds=(1, 2))
    chosen = ["--datasets", "MNIST", "--algorithms", "EBP", "--seeds", "2"]
    assert reproduce.main(["--results", str(tmp_path), "--report", *chosen]) == 0
    out = capsys.readouterr().out
    assert "| MNIST | conv | EBP | 1 | 99." in out
    assert "| BrainProp |" not in out and "CIFAR" not in out


def test_a_report_of_nothing_is_refused(tmp_path, capsys):
    assert reproduce.main(["--results", str(tmp_path), "--report"]) == 2
    assert "no finished run" in capsys.readouterr().err


def test_the_figure_has_a_panel_a_network_and_a_line_style_an_algorithm(tmp_path):
    write_run(tmp_path, Experiment("MNIST", "dense", "BrainProp"), [0.1])
    for seed, curve in enumerate([[0.5, 0.9], [0.6, 0.8, 1.0], [0.7, 0.7]], start=1):
        write_run(tmp_path, Experiment(*MNIST, seed=seed), curve)
    write_run(tmp_path, Experiment("MNIST", "conv", "EBP"), [0.8, 0.9])
    figure = curves_figure(rows(tmp_path))
    dense, conv = figure.axes
    assert conv.get_title() == "MNIST, conv, 60,000 images"
    brainprop, ebp, _ = conv.lines
    np.testing.assert_allclose(brainprop.get_xydata(), [[1, 60], [2, 80]])  # Epoch 3 is one seed's.
    assert brainprop.get_linestyle() != ebp.get_linestyle()
    assert brainprop.get_color() != ebp.get_color()
    band = conv.collections[0].get_paths()[0].vertices
    assert (band[:, 1].min(), band[:, 1].max()) == (50, 90)
    assert dense.lines[0].get_marker() == "o"  # A single epoch would be no line.
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["BrainProp", "EBP", PAPER]


def test_the_figure_shows_the_accuracies_that_a_long_run_comes_to_not_its_steep_start(tmp_path):
    write_run(tmp_path, Experiment("MNIST", "dense", "EBP"), [0.1, 0.2] + 9 * [0.98, 0.99])
    (axes,) = curves_figure(rows(tmp_path)).axes
    low, high = axes.get_ylim()
    assert 97.5 < low < 98 and 99 < high < 99.5


def test_the_summary_of_a_run_is_what_the_report_reads(tmp_path):
    from brainprop.outputs.summary import write_summary
    from brainprop.training.run import Outcome, Run

    history = {
        "loss": [0.5, 0.2], "val_loss": [0.4, 0.3], "val_accuracy": [0.5, 0.9],
        "seconds": [2.0, 1.0],
    }  # fmt: skip
    run = Run(Experiment(*MNIST), history, 2, 0.9, Outcome.COMPLETED, 60_000, 10_000)
    write_summary(run, tmp_path / "MNIST_conv_BrainProp_seed1.json")
    assert json.loads((tmp_path / "MNIST_conv_BrainProp_seed1.json").read_text())["epochs"] == 2
    (result,) = read_results(tmp_path)
    assert (result.accuracy, result.epochs_to_best, result.epochs_to_stop) == (90, 2, 2)
    assert result.seconds_per_epoch == 1.5 and not result.diverged
