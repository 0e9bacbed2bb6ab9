"""The examples run, on few samples."""

import io
import json
import re
import runpy
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import brainprop
from examples import (
    duplicates,
    feedback_results,
    from_scratch,
    jpeg_readers,
    local_rule_mnist,
    own_network,
)

EXAMPLES = Path(own_network.__file__).parent
PROJECT = EXAMPLES.parent
FEEDBACK_PAGE = (PROJECT / "docs/feedback.md").read_text()


@pytest.fixture
def tinted_images(monkeypatch):
    """CIFAR-10 is replaced by dark, red, green and blue noise, which steps by the dozen learn."""

    def load_data(dataset, max_train_samples, max_eval_samples):
        rng = np.random.default_rng(0)

        def split(samples):
            labels = rng.integers(4, size=samples)
            tints = 150 * np.eye(4, dtype=int)[labels][:, None, None, 1:]
            noise = rng.integers(80, size=(samples, 32, 32, 3))
            return (noise + tints).astype("uint8"), labels

        return split(max_train_samples), split(max_eval_samples)

    monkeypatch.setattr(brainprop, "load_data", load_data, raising=False)


@pytest.mark.parametrize("algorithm", ["BrainProp", "EBP"])
def test_own_network_learns_by_the_algorithm_named(algorithm, tinted_images, capsys, monkeypatch):
    monkeypatch.setattr(own_network, "EPOCHS", 10)
    own_network.main([algorithm, "--max-train-samples", "96", "--max-eval-samples", "32"])
    printed = capsys.readouterr().out
    losses = [float(loss) for loss in re.findall(r" loss: (\S+)", printed)]
    # From Q-values of 0, half a squared error is 1/2 at most; cross-entropy starts at log(10).
    assert losses[0] < 1 if algorithm == "BrainProp" else losses[0] > 1
    assert float(re.search(r"best test accuracy (\S+)", printed)[1]) > 0.8


def test_own_network_tells_bad_input_in_one_line(capsys):
    with pytest.raises(SystemExit, match="2"):
        own_network.main(["EBP", "--max-train-samples", "0"])
    assert re.fullmatch("own_network: error: max_train_samples .*\n", capsys.readouterr().err)


@pytest.mark.parametrize("example", ["own_network", "digits"])
def test_an_example_of_use_needs_the_public_names_alone(example):
    code = (EXAMPLES / f"{example}.py").read_text()
    assert not re.search(r"(from|import) brainprop\.", code)
    used = re.findall(r"from brainprop import (\w+)|\bbrainprop\.(\w+)", code)
    assert used
    assert {name for pair in used for name in pair if name} <= set(brainprop.__all__)


def test_digits_are_learned():
    pytest.importorskip("sklearn")
    assert runpy.run_path(str(EXAMPLES / "digits.py"))["accuracy"] > 0.95


def test_local_rule_mnist_draws_what_it_prints(tmp_path, capsys):
    output = tmp_path / "figure.png"
    assert local_rule_mnist.main(["--max-train-samples", "200", "--output", str(output)]) == 0
    assert output.read_bytes().startswith(b"\x89PNG")
    *conditions, saved = capsys.readouterr().out.splitlines()
    found = [
        re.findall(r"accuracy (\S+) %, angles (\d+) and (\d+)", line)[0] for line in conditions
    ]
    assert all(0 <= float(accuracy) <= 100 for accuracy, _, _ in found)
    transposes, decaying, _ = (np.array(angles, int) for _, *angles in found)
    assert np.all(transposes == 0) and np.all(decaying > 60)
    assert saved == f"saved {output}"


@pytest.mark.parametrize(
    ("output", "start"),
    [
        ("figure.jpg", "--output figure.jpg"),
        ("folder.png", "--output folder.png"),
        ("file/figure.png", "the folder of --output file"),
    ],
)
def test_local_rule_mnist_refuses_a_figure_that_it_could_not_save(
    output, start, tmp_path, capsys, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "file").touch()
    assert local_rule_mnist.main(["--output", output]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"local_rule_mnist: error: {start}")


def test_from_scratch_learns_in_80_lines_that_import_nothing_of_ours(capsys):
    code = (EXAMPLES / "from_scratch.py").read_text()
    assert len(code.splitlines()) <= 80 and not re.search(r"(from|import) brainprop", code)
    assert from_scratch.main(epochs=2, training_images=3200) > 0.5
    assert len(re.findall(r"epoch \d+: mean reward \d", capsys.readouterr().out)) == 2


def test_duplicates_are_counted():
    """Training: a twice, b under two labels, a gray c; testing: a again, b under a third label."""
    rng = np.random.default_rng(0)
    a, b = (rng.integers(256, size=(4, 4, 3), dtype="uint8") for _ in range(2))
    c = np.full((4, 4, 3), 9, "uint8")
    train = np.stack([a, a, b, b, c]), np.array([0, 0, 1, 2, 3])
    test = np.stack([a, b, b[::-1]]), np.array([0, 0, 1])
    assert list(duplicates.counts(train, test).values()) == [2, 1, 0, 0, 2, 1, 1, 0]


def test_jpeg_readers_are_compared(tmp_path, capsys, monkeypatch):
    noise = np.random.default_rng(0).integers(256, size=(64, 64, 3), dtype="uint8")
    with zipfile.ZipFile(tmp_path / "images.zip", "w") as archive:
        for name, image in (("train/a", noise), ("val/b", noise[..., 0])):
            file = io.BytesIO()
            Image.fromarray(image).save(file, "JPEG")
            archive.writestr(f"tiny/{name}.JPEG", file.getvalue())
    monkeypatch.setattr("sys.argv", ["jpeg_readers", str(tmp_path / "images.zip")])
    assert jpeg_readers.main() == 0
    kinds, *methods = capsys.readouterr().out.splitlines()
    assert kinds == "1 images L in val, 1 images RGB in train"
    shares = [float(line.split()[1]) for line in methods]
    assert shares[0] == shares[1] > 50 and shares[2] == 0  # INTEGER_FAST is the default.


@pytest.mark.parametrize(
    "network",
    re.findall(r"feedback_results weights (\w+) (\w+)", FEEDBACK_PAGE),
    ids=" ".join,
)
def test_feedback_tables_are_those_of_the_histories(network, tmp_path, capsys):
    weights, figure = PROJECT / "weights", tmp_path / "figure.png"
    feedback_results.main(str(weights), *network, str(figure))
    table = capsys.readouterr().out
    assert table in FEEDBACK_PAGE
    assert figure.read_bytes().startswith(b"\x89PNG")
    run = json.loads((weights / f"{'_'.join(network)}_EBP_seed1_feedback=learned.json").read_text())
    angles = {
        name: f"{values[run['best_epoch'] - 1]:.0f}"
        for name, values in run["history"].items()
        if name.startswith("feedback_angle/")
    }
    accuracy, epoch, at_best = re.search("`learned`.*", table)[0].strip(" |").split(" | ")[-3:]
    assert f"{100 * run['best_val_accuracy']:.2f}" == accuracy
    assert f"{run['best_epoch']}" == epoch
    assert at_best == ", ".join(angles[name] for name in sorted(angles))
