"""The trained weights in `weights/` load, and score what their page states."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from brainprop import BrainPropError, build_model, load_weights
from brainprop.cli import main
from brainprop.datasets.table import DATASETS
from brainprop.networks import models
from brainprop.reproduce.report import Report
from brainprop.reproduce.rows import read_results, table_rows

WEIGHTS = Path(__file__).parents[1] / "weights"
# Those that `brainprop.reproduce` leaves there under the names of its runs are not shipped.
FILES = sorted(path.name for path in WEIGHTS.glob("*.h5") if "_seed" not in path.name)
# The commands of the page that evaluate a file, the last line that they print, and the history.
EVALUATIONS = {
    name: (network.split(), line, history)
    for network, name, line, history in re.findall(
        r"`python main\.py ([\w ]+) -l weights/(\w+\.h5)[^`]*`.*?`(accuracy [^`]+)`"
        r".*?\[history\]\(([^)]+)\)",
        (WEIGHTS / "README.md").read_text(),
    )
}


def test_there_are_files_and_the_page_names_each():
    assert FILES
    assert sorted(EVALUATIONS) == FILES


@pytest.mark.parametrize("name", FILES)
def test_file_loads_and_tells_classes_apart(name):
    network, *_ = EVALUATIONS[name]
    model = build_model(*network)
    load_weights(model, WEIGHTS / name)
    shape = DATASETS[network[0]].image_shape
    images = np.random.default_rng(0).random((4, *shape), dtype=np.float32)
    assert np.ptp(model.predict(images, verbose=0), axis=-1).min() > 0.01


@pytest.mark.parametrize("name", FILES)
def test_pretrained_networks_have_the_weights_of_their_file(name):
    network, *_ = EVALUATIONS[name]
    assert models.PRETRAINED[tuple(network)] == name
    model, loaded = build_model(*network, weights="pretrained"), build_model(*network)
    load_weights(loaded, WEIGHTS / name)
    for a, b in zip(model.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_networks_without_trained_weights_are_refused(tmp_path, monkeypatch):
    with pytest.raises(BrainPropError, match="MNIST dense EBP: choose from MNIST conv BrainProp, "):
        build_model("MNIST", "dense", "EBP", weights="pretrained")
    monkeypatch.setattr(models, "PRETRAINED_DIR", tmp_path)  # As in an installed package.
    with pytest.raises(BrainPropError, match=r"MNIST_BrainProp_weights\.h5 is missing: .* path"):
        build_model("mnist", "conv", "brainprop", weights="pretrained")
    model = build_model(
        "MNIST", "conv", "BrainProp", weights=WEIGHTS / "MNIST_BrainProp_weights.h5"
    )
    assert all(np.isfinite(value).all() for value in model.get_weights())


@pytest.mark.parametrize("name", FILES)
def test_history_is_beside_the_file_and_says_the_same(name):
    network, line, path = EVALUATIONS[name]
    history = json.loads((WEIGHTS / path).read_text())
    names = [history["settings"][key] for key in ("dataset", "architecture", "algorithm")]
    assert names == network
    best = history["history"]["val_accuracy"][history["best_epoch"] - 1]
    assert best == history["best_val_accuracy"] == max(history["history"]["val_accuracy"])
    assert line.split()[1] == f"{best:.4f}"


def test_mnist_file_scores_what_is_stated(capsys):
    """Up to an image or two whose best classes are so near that rounding decides."""
    network, line, _ = EVALUATIONS["MNIST_BrainProp_weights.h5"]
    main([*network, "-l", str(WEIGHTS / "MNIST_BrainProp_weights.h5")])
    stated, measured = (
        [int(number) for number in re.findall(r"(\d+)/(\d+)", text)[-1]]
        for text in (line, capsys.readouterr().out)
    )
    assert stated[1] == measured[1] == 10_000
    assert abs(stated[0] - measured[0]) <= 1


@pytest.mark.parametrize("folder", [WEIGHTS, WEIGHTS / "sweeps"], ids=lambda path: path.name)
def test_the_report_is_that_of_the_runs(folder, capsys):
    report = Report(table_rows(read_results(folder)))
    assert not capsys.readouterr().err  # No file was left out.
    assert (folder / "report.md").read_text() == report.markdown()
    assert (folder / "report.csv").read_text() == report.csv()


def test_the_readme_shows_the_reports_first_table():
    table = re.search(r"^\| data set .*?\n\n", (WEIGHTS / "report.md").read_text(), re.M | re.S)[0]
    assert table.startswith("| data set | architecture | BrainProp [%] |")
    assert table in (WEIGHTS.parent / "README.md").read_text()
