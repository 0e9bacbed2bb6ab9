"""Evaluation against NumPy, and what `-l` prints and draws; a network whose answers are known."""

import pickle
import re

import numpy as np
import pytest
from official_layouts import cifar100_batch, random_images, write_cifar100, write_mnist
from PIL import Image, ImageOps

from brainprop import build_model, cli, save_weights
from brainprop.common.errors import BrainPropError
from brainprop.datasets.table import DATASETS, load_data
from brainprop.outputs import plots
from brainprop.training.evaluation import evaluate, predict, top_k

NETWORK = ("MNIST", "dense", "BrainProp")
CLASS_OF_PIXEL = (3, 1, 4, 0, 5, 9, 2, 6, 8, 7)


def known_network(algorithm="BrainProp"):
    """A network whose output for class `CLASS_OF_PIXEL[i]` is the `i`-th pixel of the image."""
    model = build_model("MNIST", "dense", algorithm)
    kernels = [np.zeros(weight.shape, np.float32) for weight in model.weights]
    for pixel, label in enumerate(CLASS_OF_PIXEL):
        for kernel in kernels[:-1]:
            kernel[pixel, pixel] = 1
        kernels[-1][pixel, label] = 1
    model.set_weights(kernels)
    return model


def known_outputs(images: np.ndarray) -> np.ndarray:
    outputs = np.empty((len(images), 10))
    outputs[:, CLASS_OF_PIXEL] = images.reshape(len(images), -1)[:, :10] / 255
    return outputs


@pytest.fixture(scope="module")
def known_weights(tmp_path_factory):
    path = tmp_path_factory.mktemp("known") / "weights.h5"
    save_weights(known_network(), path)
    return path


def run(capsys, *arguments) -> list[str]:
    """The lines that main prints, without the first, which tells the machine."""
    code = cli.main([str(argument) for argument in arguments])
    output = capsys.readouterr()
    assert code == 0, output.err
    first, *lines = output.out.splitlines()
    assert ", on " in first
    return lines


def test_predict_gives_the_outputs_of_more_than_one_batch():
    images = random_images(300, 28, 28, 1)
    for algorithm in ("BrainProp", "EBP"):
        outputs = predict(known_network(algorithm), images)
        np.testing.assert_allclose(outputs, known_outputs(images), rtol=1e-6)


def test_evaluation_counts_as_numpy_and_keras_do():
    model = known_network()
    images = random_images(300, 28, 28, 1)
    labels = np.random.default_rng(1).integers(0, 10, 300, dtype=np.int32)
    evaluation = evaluate(model, images, labels)
    ranking = np.argsort(-known_outputs(images), kind="stable")
    for k in (1, 3, 5, 10):
        assert evaluation.correct(k) == sum(y in row[:k] for y, row in zip(labels, ranking))  # noqa: B905
    counts = evaluation.confusion_matrix()
    expected = np.zeros((10, 10), int)
    np.add.at(expected, (labels, ranking[:, 0]), 1)
    np.testing.assert_array_equal(counts, expected)
    assert counts.trace() == evaluation.correct() == round(300 * evaluation.accuracy)
    loss, accuracy = model.evaluate(images / 255.0, labels, batch_size=50, verbose=0)
    assert evaluation.loss == pytest.approx(loss, rel=1e-5)
    assert evaluation.accuracy == pytest.approx(accuracy)


def test_of_equal_outputs_the_first_class_is_the_best():
    np.testing.assert_array_equal(top_k(np.array([[0, 2, 1, 2], [0, 0, 0, 0]]), 2),
                                  [[1, 3], [0, 1]])  # fmt: skip


def digit(path, *pixels: int):
    """A picture that the known network takes for the class of its brightest pixel."""
    image = np.zeros((28, 28), np.uint8)
    image[0, : len(pixels)] = pixels
    Image.fromarray(image).save(path)
    return path


def test_predict_prints_the_five_best_classes_of_each_picture(
    known_weights, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr(cli, "data_for", lambda *_: pytest.fail("the data set was asked for"))
    one = digit(tmp_path / "one.png", 0, 51, 0, 0, 255, 102, 153, 204)
    other = digit(tmp_path / "other.png", 255)
    assert run(capsys, *NETWORK, "-l", known_weights, "--predict", one, other) == [
        f"{one}: Q-values",
        "    1.0000  5",
        "    0.8000  6",
        "    0.6000  2",
        "    0.4000  9",
        "    0.2000  1",
        f"{other}: Q-values",
        "    1.0000  3",
        "    0.0000  0",
        "    0.0000  1",
        "    0.0000  2",
        "    0.0000  4",
    ]


def test_the_name_of_a_picture_is_told_whole(known_weights, tmp_path, capsys):
    folder = tmp_path / ("a" * 150) / ("b" * 150)
    folder.mkdir(parents=True)
    picture = digit(folder / "a.png", 255)
    assert run(capsys, *NETWORK, "-l", known_weights, "--predict", picture)[0] == (
        f"{picture}: Q-values"
    )


def test_ebps_outputs_are_called_logits(known_weights, tmp_path, capsys):
    picture = digit(tmp_path / "a.png", 255)
    lines = run(capsys, "MNIST", "dense", "EBP", "-l", known_weights, "--predict", picture)
    assert lines[0] == f"{known_weights}: trained with BrainProp; the weights fit EBP too"
    assert lines[1] == f"{picture}: logits"


def test_dark_digits_on_white_are_inverted_and_low_q_values_give_a_hint(
    known_weights, tmp_path, capsys
):
    digit(tmp_path / "light.png", 0, 51, 0, 0, 255)
    dark, light = tmp_path / "dark.png", Image.open(tmp_path / "light.png")
    ImageOps.invert(light).save(dark)
    arguments = (*NETWORK, "-l", known_weights, "--predict", dark, tmp_path / "light.png")
    inverted = run(capsys, *arguments[:-1], "--invert")
    assert inverted[1:3] == ["    1.0000  5", "    0.2000  1"]
    noise = digit(tmp_path / "noise.png", 120, 110)
    assert cli.main([*map(str, arguments), str(noise)]) == 0
    assert capsys.readouterr().err == (
        "hint: the best Q-value of 1 of 3 pictures is below 0.5: they may look unlike the data "
        "set's images (dark digits on white: try --invert)\n"
    )
    logits = (NETWORK[0], NETWORK[1], "EBP", "-l", known_weights, "--predict", noise)
    assert cli.main([*map(str, logits)]) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(("suffix", "magic"), [("png", b"\x89PNG"), ("PDF", b"%PDF")])
def test_figures_are_written_and_overwrite(suffix, magic, known_weights, tmp_path, capsys):
    write_mnist(tmp_path)
    # A name that neither matplotlib's mathematics nor its format strings may stumble over.
    picture = digit(tmp_path / "a_rather_long_name_of_$x^$_100%d.png", 255)
    for option, out in (("--predict", "predictions"), ("--confusion-matrix", "confusion")):
        out = tmp_path / f"{out}.{suffix}"
        out.write_text("an earlier file")
        options = (option, picture, "--predict-figure", out)
        if option == "--confusion-matrix":
            options = (option, out, "--data-dir", tmp_path)
        assert f"saved {out}" in run(capsys, *NETWORK, "-l", known_weights, *options)
        assert out.read_bytes().startswith(magic)
    assert not list(tmp_path.glob(".*"))  # no partial file is left


def test_loading_prints_top_5_accuracy_where_there_are_100_classes(tmp_path, capsys):
    folder = write_cifar100(tmp_path)
    model = build_model("CIFAR100", "conv", "BrainProp", seed=3)
    save_weights(model, tmp_path / "weights.h5")
    _, (images, _) = load_data("CIFAR100", tmp_path)
    ranking = np.argsort(-model.predict(images / 255.0, verbose=0))
    ranks = (0, 2, 4, 5, 99, 0)  # at which the network shall have the right class of each image
    labels = [int(ranking[image, rank]) for image, rank in enumerate(ranks)]
    (folder / "test").write_bytes(pickle.dumps({**cifar100_batch(), b"fine_labels": labels}, 2))
    figure = tmp_path / "confusion.png"
    arguments = ("CIFAR100", "conv", "BrainProp", "-l", tmp_path / "weights.h5")
    lines = run(capsys, *arguments, "--data-dir", tmp_path, "--confusion-matrix", figure)
    assert lines[0] == f"saved {figure}" and re.fullmatch(r"loss \d\.\d{4}", lines[1])
    assert lines[2:] == ["top-5 accuracy 0.6667 (4/6)", "accuracy 0.3333 (2/6)"]


def test_the_confusion_matrix_is_drawn_in_percent_of_each_row():
    counts = np.diag([8, 0, 4])
    counts[0, 2] = 2
    figure = plots.confusion_figure(counts, ("cat", "$x^$", "ship"), "title")
    figure.draw_without_rendering()  # The names of folders may look like mathematics.
    (axes, bar) = figure.axes
    (image,) = axes.images
    np.testing.assert_allclose(image.get_array(), [[80, 0, 20], [0, 0, 0], [0, 0, 100]])
    numbers = ["80.0", "0", "20.0", "0", "0", "100.0", "no images"]  # Of the second class.
    assert [text.get_text() for text in axes.texts] == numbers
    assert [label.get_text() for label in axes.get_yticklabels()] == ["cat", "$x^$", "ship"]
    assert image.norm(1) > 0.2  # Rare errors show.


def test_a_large_confusion_matrix_has_all_names_and_no_numbers():
    names = DATASETS["CIFAR100"].class_names(None)
    axes, _ = plots.confusion_figure(np.eye(100, dtype=int), names, "title").axes
    assert not axes.texts
    assert [label.get_text() for label in axes.get_xticklabels()] == list(names)


def test_the_figure_of_predictions_shows_the_images_and_the_best_outputs():
    images = random_images(4, 32, 32, 3)
    # Two classes of one name, as words.txt may give them, are two bars.
    predictions = [[("crane", 0.9 - n), ("crane", 0.5 - n), ("$x^$", -0.1 - n)] for n in range(4)]
    figure = plots.predictions_figure(images, "abcd", predictions, "title", "logit")
    figure.draw_without_rendering()
    pairs = np.reshape(figure.axes, (-1, 2))
    for (picture, bars), image, caption, best in zip(
        pairs, images, "abcd", predictions, strict=False
    ):
        np.testing.assert_array_equal(picture.images[0].get_array(), image)
        assert picture.get_title() == caption
        assert picture.axison and not picture.get_xticks().size  # a frame alone
        assert [bar.get_width() for bar in bars.patches] == [value for _, value in best]
        labels = [label.get_text() for label in bars.get_yticklabels()]
        assert labels == [f"{name}: {value:.2f}" for name, value in best]
        assert bars.get_xlabel() == "logit" and bars.get_xlim() == (-3.1, 1)
    for axes in pairs[4:].flat:
        assert not axes.axison  # The last row has empty places.


def refused(capsys, *arguments) -> str:
    """The one line with which arguments are refused, before anything else is printed."""
    assert cli.main([str(argument) for argument in arguments]) == 2
    output = capsys.readouterr()
    assert output.out == "" and output.err.count("\n") == 1
    return output.err


def test_bad_arguments_are_told_before_the_network_runs(
    known_weights, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr(cli, "start_tensorflow", lambda: pytest.fail("TensorFlow imported"))
    picture = digit(tmp_path / "a.png", 255)
    load, predict = ("-l", known_weights), ("--predict", picture)
    missing, matrix = tmp_path / "missing.png", ("--confusion-matrix", tmp_path / "m.png")
    for arguments, hint in (
        (predict, "--predict needs -l"),
        (matrix, "--confusion-matrix needs -l"),
        ((*load, "--invert"), "--invert needs --predict"),
        ((*load, "--predict-figure", missing), "--predict-figure needs --predict"),
        ((*load, *predict, *matrix), "give one of them"),
        ((*load, "--predict", picture, missing), f"{missing} is missing"),
        ((*load, "--predict", missing, tmp_path), f"also unreadable: {tmp_path}"),
        ((*load, *predict, "--predict-figure", picture), "would overwrite"),
        ((*load, "--predict", *[picture] * 61, "--predict-figure", missing), "not 61"),
    ):
        assert hint in refused(capsys, *NETWORK, *arguments)
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "file").touch()

    def read_only(dir):  # root may write anywhere
        raise PermissionError(13, "Permission denied")

    for out, hint in (
        ("a.xyz", ".png or .pdf"),
        ("noextension", ".png or .pdf"),
        ("folder.png", "is a folder"),
        ("file/a.png", "cannot be written"),
        ("a" * 300 + ".png", "cannot be written (File name too long)"),
        ("a.png.png", "cannot be written (Permission denied)"),
    ):
        if "Permission" in hint:
            monkeypatch.setattr("brainprop.common.files.tempfile.TemporaryFile", read_only)
        for option in (("--confusion-matrix",), (*predict, "--predict-figure")):
            assert hint in refused(capsys, *NETWORK, *load, *option, tmp_path / out)


def test_a_disk_that_fills_up_leaves_the_earlier_figure(tmp_path, monkeypatch):
    out = tmp_path / "a.png"
    out.write_text("an earlier file")
    figure = plots.confusion_figure(np.eye(3, dtype=int), "abc", "title")

    def full(path, **_):
        path.write_text("half a fi")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(figure, "savefig", full)
    with pytest.raises(BrainPropError, match="No space left"):
        plots.save_figure(figure, out)
    assert out.read_text() == "an earlier file" and list(tmp_path.iterdir()) == [out]


def test_outputs_that_are_not_finite_are_told(tmp_path, capsys):
    model = build_model(*NETWORK)
    model.set_weights([np.full(weight.shape, 1e30, np.float32) for weight in model.weights])
    save_weights(model, tmp_path / "weights.h5")
    picture = digit(tmp_path / "a.png", 255)
    out = tmp_path / "out.png"
    arguments = ("-l", tmp_path / "weights.h5", "--predict", picture, "--predict-figure", out)
    assert cli.main([str(argument) for argument in (*NETWORK, *arguments)]) == 2
    assert "not finite" in capsys.readouterr().err and not out.exists()
    few = ("-l", tmp_path / "weights.h5", "--max-eval-samples", 9, "--confusion-matrix", out)
    assert cli.main([str(argument) for argument in (*NETWORK, *few)]) == 2
    assert "not finite" in capsys.readouterr().err and not out.exists()
