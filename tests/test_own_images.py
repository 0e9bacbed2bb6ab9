"""Runs on folders of images and on part of the classes: what is saved knows its classes."""

import json
import os
import shutil

import numpy as np
import pytest
from PIL import Image

from brainprop import Experiment, cli, register_dataset
from brainprop.datasets.table import load_data
from brainprop.reproduce import command as reproduce

COLORS = {"red": 0, "green": 1, "blue": 2}
pytestmark = pytest.mark.usefixtures("small_networks")


def write_folder(root, parts=("train", "test"), colors=COLORS):
    """Writes 24 noisy images of each color into each part of a folder of images."""
    rng = np.random.default_rng(1)
    for part in parts:
        for name, channel in colors.items():
            (root / part / name).mkdir(parents=True)
            for number in range(24):
                pixels = rng.integers(0, 80, (20, 24, 3), "uint8")
                pixels[..., channel] += 120
                Image.fromarray(pixels).save(root / part / name / f"{number}.png")
    return root


def run(capsys, *arguments) -> list[str]:
    code = cli.main([str(argument) for argument in arguments])
    output = capsys.readouterr()
    assert code == 0, output.err
    return output.out.splitlines()


def refused(capsys, *arguments) -> str:
    assert cli.main([str(argument) for argument in arguments]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    return error


@pytest.mark.parametrize("parts", [("train", "test"), ("",)], ids=["split", "drawn"])
def test_a_folder_trains_and_its_weights_know_their_classes(parts, tmp_path, capsys):
    pets, out = write_folder(tmp_path / "pets", parts), tmp_path / "out"
    row = (pets, "smallconv", "BrainProp")
    options = ("--image-size", 16, "--seed", 3, "--batch-size", 8, "--epochs", 8,
               "--learning-rate", "0.02")  # fmt: skip
    run(capsys, *row, *options, "-s", "--output-dir", out)
    weights = out / "pets_smallconv_BrainProp_weights.h5"
    told = json.loads((out / "pets_smallconv_BrainProp_history.json").read_text())
    assert told["class_names"] == ["blue", "green", "red"]
    assert told["settings"]["dataset"] == str(pets)

    # The size and the seed, which draws the test images, are those of the run.
    matrix = tmp_path / "matrix.png"
    lines = run(capsys, *row, "-l", weights, "--confusion-matrix", matrix)
    images = 72 if parts[0] else 15
    best = told["best_val_accuracy"]
    assert lines[-1] == f"accuracy {best:.4f} ({round(images * best)}/{images})"

    (pets / parts[0] / "red").rename(pets / parts[0] / "pink")
    shutil.rmtree(pets / "test", ignore_errors=True)
    assert "trained on other classes" in (error := refused(capsys, *row, "-l", weights))
    assert "(pink, red)" in error

    shutil.rmtree(pets)
    picture = tmp_path / "picture.png"
    Image.fromarray(np.full((40, 30, 3), (0, 255, 0), "uint8")).save(picture)
    lines = run(capsys, *row, "-l", weights, "--predict", picture)
    assert [line.split()[1] for line in lines[2:]][0] == "green" or best < 0.9
    assert {line.split()[1] for line in lines[2:]} == {*COLORS}
    assert "pets" in refused(capsys, *row, "-l", weights)


def test_the_history_of_a_folder_repeats_the_run_from_anywhere(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(write_folder(tmp_path / "pets").parent)
    options = ("--image-size", 12, "--batch-size", 8, "--epochs", 1, "-s")
    run(capsys, "pets", "small", "EBP", *options)
    monkeypatch.chdir("/")
    history = tmp_path / "pets_small_EBP_history.json"
    run(capsys, "--config", history, "-s", "--output-dir", tmp_path)
    first, again = (
        json.loads((tmp_path / f"pets_small_EBP{number}_history.json").read_text())
        for number in ("", "_0")
    )
    assert first["settings"] == again["settings"]


def test_weights_for_part_of_the_classes_know_which(tmp_path, capsys):
    row = ("MNIST", "small", "BrainProp")
    few = ("--max-eval-samples", 200)
    chosen = ("--classes", 3, "--seed", 2)
    trained = (*few, "--max-train-samples", 600, "--batch-size", 32, "--epochs", 2)
    run(capsys, *row, *chosen, *trained, "-s", "--output-dir", tmp_path)
    weights = tmp_path / "MNIST_small_BrainProp_weights.h5"
    told = json.loads((tmp_path / "MNIST_small_BrainProp_history.json").read_text())
    names = Experiment(*row, seed=2, classes=3).dataset_row.class_names(None)
    assert told.pop("class_names") == [*names]  # An earlier version's summary has no such key.
    (tmp_path / "MNIST_small_BrainProp_history.json").write_text(json.dumps(told))
    lines = run(capsys, *row, *few, "-l", weights)
    assert lines[-1].startswith(f"accuracy {told['best_val_accuracy']:.4f} ")
    assert run(capsys, *row, *few, *chosen, "-l", weights)[1:] == lines[1:]
    for other in (("--seed", 1), ("--classes", 4)):
        assert "--classes 3 --seed 2" in refused(capsys, *row, *few, *other, "-l", weights)

    _, (images, labels) = load_data("MNIST", max_eval_samples=50, seed=2, classes=3)
    Image.fromarray(images[0, ..., 0]).save(tmp_path / "digit.png")
    predict = ("-l", weights, "--predict", tmp_path / "digit.png")
    lines = run(capsys, *row, *predict)
    assert {line.split()[1] for line in lines[2:]} == {*names}
    assert "--classes 3 --seed 2" in refused(capsys, *row, "--seed", 1, *predict)


@pytest.mark.parametrize("more", [(), ("--predict", "picture.png")])
def test_weights_of_a_folder_know_of_which_folder(more, tmp_path, capsys):
    pets = write_folder(tmp_path / "pets")
    weights = tmp_path / "pets_conv_EBP_weights.h5"
    weights.touch()
    history = tmp_path / "pets_conv_EBP_history.json"
    history.write_text(json.dumps({"settings": Experiment(str(pets), "conv", "EBP").settings()}))
    error = refused(capsys, "CIFAR10", "conv", "EBP", "-l", weights, *more)
    assert f"was trained on {pets}: give that in place of CIFAR10" in error


@pytest.mark.parametrize("more", [(), ("--predict", "picture.png")])
def test_weights_for_part_of_the_classes_know_of_which_data_set(more, tmp_path, capsys):
    trained = Experiment("CIFAR100", "conv", "EBP", classes=10)
    weights = tmp_path / "CIFAR100_conv_EBP_weights.h5"
    weights.touch()
    history = tmp_path / "CIFAR100_conv_EBP_history.json"
    history.write_text(json.dumps({"settings": trained.settings()}))
    error = refused(capsys, "CIFAR10", "conv", "EBP", "-l", weights, *more)
    assert "was trained on CIFAR100: give that in place of CIFAR10" in error


def test_no_image_that_weights_were_trained_on_is_drawn_to_test_them(tmp_path, capsys):
    pets, weights = write_folder(tmp_path / "pets", [""]), "pets_smallconv_EBP_weights.h5"
    row = (pets, "smallconv", "EBP")
    run(capsys, *row, "--batch-size", 8, "--epochs", 1, "-s", "--output-dir", tmp_path)
    assert "with --seed 1: leave" in refused(capsys, *row, "-l", tmp_path / weights, "--seed", 2)
    (pets / "red" / "0.png").unlink()
    error = refused(capsys, *row, "-l", tmp_path / weights)
    assert "had 72 images, and it has 71" in error
    run(capsys, *row, "-l", tmp_path / weights, "--predict", pets / "red" / "1.png")
    run(capsys, pets.rename(tmp_path / "other"), *row[1:], "-l", tmp_path / weights)


def test_a_damaged_history_beside_weights_is_named_and_passed_over(tmp_path, capsys):
    row, few = ("MNIST", "small", "BrainProp"), ("--max-eval-samples", 100)
    trained = (*few, "--max-train-samples", 128, "--epochs", 1)
    run(capsys, *row, *trained, "-s", "--output-dir", tmp_path)
    weights = tmp_path / "MNIST_small_BrainProp_weights.h5"
    lines = run(capsys, *row, *few, "-l", weights)
    for content in ("{", "[]", '{"settings": 3, "class_names": 4}', "\udcff"):
        history = tmp_path / "MNIST_small_BrainProp_history.json"
        history.write_bytes(content.encode("utf-8", "surrogateescape"))
        assert cli.main([str(word) for word in (*row, *few, "-l", weights)]) == 0
        output = capsys.readouterr()
        assert output.out.splitlines() == lines
        assert f"{history} is no history that can be read" in output.err


def test_weights_of_a_plugins_data_set_keep_the_names_of_their_classes(tmp_path, capsys):
    (_, _), (images, labels) = data = load_data("MNIST", None, 300, 100, classes=3)

    def register(*names):
        register_dataset("Marks", lambda data_dir: data, (28, 28, 1), class_names=names, classes=3)

    register("one", "two", "three")
    row, out = ("Marks", "small", "EBP"), ("--output-dir", tmp_path)
    run(capsys, *row, "--batch-size", 16, "--epochs", 4, "-s", *out)
    weights = ("-l", tmp_path / "Marks_small_EBP_weights.h5")
    Image.fromarray(images[0, ..., 0]).save(tmp_path / "mark.png")
    predict = (*row, *weights, "--predict", tmp_path / "mark.png")
    evaluated, predicted = run(capsys, *row, *weights), run(capsys, *predict)
    assert {line.split()[1] for line in predicted[2:]} == {"one", "two", "three"}

    register("two", "one", "three")
    assert "(in another order): name them as" in refused(capsys, *row, *weights)
    assert run(capsys, *predict) == predicted
    register("one", "two", "four")
    assert "(four, three): name them as" in refused(capsys, *row, *weights)
    register()  # They may still be the same.
    assert run(capsys, *row, *weights) == evaluated
    assert run(capsys, *predict) == predicted


def test_names_of_any_letters_reach_all_outputs(tmp_path, capsys):
    classes = {"$x_{$": 0, "a | b": 1, os.fsdecode(b"caf\xe9"): 2}
    folder = write_folder(tmp_path / os.fsdecode(b"$y_{ | \xe9"), [""], classes)
    row, results = (folder, "small", "BrainProp"), tmp_path / "runs"
    files = (tmp_path / "log.csv", tmp_path / "matrix.pdf", tmp_path / "predicted.png")
    few = ("--image-size", 8, "--batch-size", 8, "--epochs", 1)
    run(capsys, *row, *few, "-s", "--output-dir", tmp_path, "--diagnostics", "--log-csv", files[0])
    (weights,) = tmp_path.glob("*_weights.h5")
    run(capsys, *row, "-l", weights, "--confusion-matrix", files[1])
    picture = next(folder.rglob("1.png"))
    lines = run(capsys, *row, "-l", weights, "--predict", picture, "--predict-figure", files[2])
    assert {line.split(maxsplit=1)[1] for line in lines[2:5]} == {"$x_{$", "a | b", "caf?"}
    assert all(file.stat().st_size for file in files)

    chosen = ("--datasets", folder, "--architectures", "small", "--algorithms", "EBP")
    arguments = [*map(str, (*chosen, "--seeds", 1, *few)), "--results", str(results)]
    assert reproduce.main(arguments) == 0
    assert reproduce.main(["--report", "--results", str(results)]) == 0  # Folders are in it.
    assert r"| $y_{ \| ? | small | EBP |" in (results / "report.md").read_text()
    assert "$y_{ | ?" in (results / "report.csv").read_text()
    capsys.readouterr()
    assert reproduce.main(["--report", "--datasets", "MNIST", "--results", str(results)]) == 2
