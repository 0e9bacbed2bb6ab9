"""Folders of images as data sets, parts of the classes, and data sets of one's own."""

import json
from pathlib import Path

import numpy as np
import pytest
from official_layouts import random_images, refusal, same, write_mnist
from PIL import Image

from brainprop import Experiment, data_for, register_dataset
from brainprop.datasets import pictures
from brainprop.datasets.pictures import read_pictures
from brainprop.datasets.table import DATASETS, dataset_row, load_data

COLORS = {"cat": (250, 0, 0), "dog": (0, 250, 0), "Emu": (0, 0, 250), "10": (9, 9, 9)}
SUFFIXES = (".png", ".jpg", ".JPEG", ".bmp", ".webp")
SORTED = ("10", "Emu", "cat", "dog")  # As Python and Keras sort strings.


@pytest.fixture
def pets(tmp_path):
    """Four classes of images of one color each: five for training, two for testing."""
    write(tmp_path / "pets" / "train", 5)
    write(tmp_path / "pets" / "test", 2)
    return tmp_path / "pets"


def write(folder: Path, images: int) -> None:
    for name, color in COLORS.items():
        (folder / name).mkdir(parents=True)
        for number in range(images):
            image = Image.new("RGB", (20 + number, 40), color)
            image.save(folder / name / f"{number}{SUFFIXES[number]}")


def check_colors(split, names=SORTED, size=32) -> None:
    images, labels = split
    assert images.shape == (len(labels), size, size, 3) and images.dtype == np.uint8
    assert labels.dtype == np.int32
    for image, label in zip(images.astype(int), labels, strict=True):
        assert np.abs(image - COLORS[names[label]]).max() <= 3  # JPEG is not exact.


# Layouts


@pytest.mark.parametrize("test", ["test", "val"])
def test_a_folder_of_images_is_read(pets, test):
    (pets / "test").rename(pets / test)
    train, evaluated = load_data(str(pets), image_size=16)
    assert train[1].tolist() == sorted([*range(4)] * 5) and len(evaluated[1]) == 8
    check_colors(train, size=16)
    check_colors(evaluated, size=16)
    assert dataset_row(str(pets)).class_names(None) == SORTED


def test_images_are_as_predict_reads_them(pets):
    path = pets / "train" / "cat" / "a.png"
    Image.fromarray(random_images(50, 70, 3)).save(path)
    train, _ = load_data(str(pets), image_size=24)
    expected = read_pictures([path], (24, 24, 3))[0]
    assert (train[0] == expected).all((1, 2, 3)).sum() == 1


def test_gray_images_become_rgb(tmp_path):
    for name in ("a", "b"):
        (tmp_path / "gray" / name).mkdir(parents=True)
        for number in range(10):
            Image.fromarray(random_images(9, 9)).save(tmp_path / "gray" / name / f"{number}.png")
    (images, _), _ = load_data(str(tmp_path / "gray"))
    assert (images == images[..., :1]).all() and images.std() > 10


@pytest.mark.parametrize("inside", ["train", "."])
def test_without_test_images_a_fifth_of_each_class_is_drawn(tmp_path, inside):
    folder = tmp_path / "pets"
    write(folder / inside, 5)
    train, test = load_data(str(folder))
    assert test[1].tolist() == [0, 1, 2, 3] and len(train[1]) == 16
    check_colors(train)
    check_colors(test)


def test_the_draw_is_by_seed(tmp_path):
    for name in ("a", "b"):
        (tmp_path / "x" / name).mkdir(parents=True)
        for gray in range(40):
            Image.new("L", (8, 8), gray).save(tmp_path / "x" / name / f"{gray}.png")
    drawn = [load_data(str(tmp_path / "x"), seed=s)[1][0][:, 0, 0, 0].tolist() for s in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2] and len(drawn[0]) == 16
    (train, _), (test, _) = load_data(str(tmp_path / "x"))
    grays = [*train[:, 0, 0, 0], *test[:, 0, 0, 0]]
    assert sorted(grays) == sorted([*range(40)] * 2)  # Each image is in one of both.


def test_a_class_may_be_called_train(tmp_path):
    write(tmp_path / "x", 5)
    (tmp_path / "x" / "cat").rename(tmp_path / "x" / "train")
    assert dataset_row(str(tmp_path / "x")).class_names(None) == ("10", "Emu", "dog", "train")


@pytest.mark.parametrize(
    "parts",
    [("Train", "Test"), ("test",), ("val",)],
)
def test_a_part_does_not_become_a_class(tmp_path, parts):
    for part in parts:
        write(tmp_path / "x" / part, 2)
    write(tmp_path / "x", 5)
    assert f"{tmp_path / 'x' / min(parts)} would be a class" in refusal(
        load_data, str(tmp_path / "x")
    )


def test_a_link_back_adds_no_image(tmp_path):
    write(tmp_path / "x", 5)
    (tmp_path / "x" / "cat" / "more").symlink_to(tmp_path / "x" / "dog")
    (tmp_path / "x" / "cat" / "self").symlink_to(".")
    (tmp_path / "x" / "dog" / "up").symlink_to("..")
    (train, _), (test, _) = load_data(str(tmp_path / "x"))
    assert len(train) + len(test) == 20 + 5


def test_hidden_and_other_files_are_left_out_and_deeper_ones_are_in(pets):
    for hidden in (pets / "train" / ".hidden", pets / "train" / "cat" / ".hidden"):
        hidden.mkdir()
        (hidden / "a.png").write_bytes(b"x")
    (pets / "train" / "cat" / "._0.png").write_bytes(b"resource fork")
    (pets / "train" / "cat" / "Thumbs.db").write_bytes(b"x")
    (pets / "train" / "cat" / "images" / "2024").mkdir(parents=True)
    (pets / "train" / "cat" / "0.png").rename(pets / "train" / "cat" / "images" / "2024" / "a.PNG")
    (train, labels), _ = load_data(str(pets))
    assert len(labels) == 20 and dataset_row(str(pets)).classes == 4


# Faults


def test_bad_images_are_named_in_one_line(pets):
    bad = [pets / "train/cat/1.jpg", pets / "test/dog/0.png"]
    bad[0].write_bytes(bad[0].read_bytes()[:200])
    bad[1].write_text("no picture")
    message = refusal(load_data, str(pets))
    assert all(str(path) in message for path in bad)
    assert [path.name for path in pets.parent.iterdir()] == ["pets"]  # No cache is left.


def test_a_broken_link_among_the_images_is_named(pets):
    (pets / "train" / "cat" / "link.png").symlink_to("elsewhere.png")
    assert refusal(load_data, str(pets)).startswith(f"{pets}/train/cat/link.png of {pets} is missi")


def test_of_many_bad_images_some_are_named(pets, monkeypatch):
    monkeypatch.setattr(pictures, "MAX_NAMED", 2)
    for path in pets.rglob("*.jpg"):
        path.write_text("no picture")
    message = refusal(load_data, str(pets))
    assert message.endswith(", 5 more") and message.count(".jpg") == 3


def test_folders_that_are_no_data_set_are_refused(tmp_path, pets):
    assert "is not a folder of images" in refusal(load_data, str(tmp_path / "missing"))
    (tmp_path / "empty").mkdir()
    assert "fewer than two class folders" in refusal(load_data, str(tmp_path / "empty"))
    (tmp_path / "one" / "cat").mkdir(parents=True)
    assert "fewer than two class folders" in refusal(load_data, str(tmp_path / "one"))
    (pets / "train" / "fox").mkdir()
    assert "class 'fox'" in refusal(load_data, str(pets))
    (pets / "train" / "fox").rmdir()
    (pets / "test" / "fox").mkdir()
    assert "class 'fox'" in refusal(load_data, str(pets))
    (pets / "test" / "fox").rmdir()
    for path in (pets / "test").rglob("*.*"):
        path.unlink()
    assert "the test folder" in refusal(load_data, str(pets))


def test_too_few_images_to_draw_from(tmp_path):
    write(tmp_path / "few", 1)
    assert "0 of 4 images" in refusal(load_data, str(tmp_path / "few"))


def test_bad_sizes_are_refused(pets):
    for size in (0, 7, 5000, 32.5):
        assert "image_size" in refusal(load_data, str(pets), image_size=size)
    assert "image_size is for a folder" in refusal(load_data, "MNIST", image_size=28)
    assert "image_size is for a folder" in refusal(Experiment, "MNIST", "conv", "EBP", image_size=9)


# The cache


def test_the_second_time_the_cache_is_read(pets, monkeypatch):
    first = load_data(str(pets))
    monkeypatch.setattr(pictures, "_read_picture", None)
    second = load_data(str(pets))
    assert same(first, second)
    second[0][0][:] = 7  # Is writable, and leaves the file alone.
    assert (load_data(str(pets))[0][0] == first[0][0]).all()


def test_a_changed_image_is_read_again(pets):
    load_data(str(pets))
    Image.new("RGB", (9, 9), (77, 77, 77)).save(pets / "train" / "cat" / "0.png")
    assert (load_data(str(pets))[0][0] == 77).all((1, 2, 3)).sum() == 1


def test_each_size_has_its_cache(pets):
    for size in (16, 32):
        load_data(str(pets), image_size=size)
    assert {path.name for path in pets.parent.iterdir()} == {
        "pets", "pets.16.cache", "pets.32.cache",
    }  # fmt: skip


def test_a_full_disk_leaves_no_cache_and_the_images_in_memory(pets, monkeypatch, capsys):
    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    train, test = load_data(str(pets))
    check_colors(train)
    check_colors(test)
    assert "No space left on device" in capsys.readouterr().err
    assert [path.name for path in pets.parent.iterdir()] == ["pets"]


# Names and experiments


def test_an_experiment_keeps_the_path_and_is_named_after_the_folder(pets, monkeypatch):
    monkeypatch.chdir(pets.parent)
    for given in ("pets", "./pets/", str(pets), Path("pets")):
        experiment = Experiment(given, "deep", "EBP", batch_size=4)
        assert experiment.dataset == str(pets) and experiment.image_size == 32
        assert experiment.name == "pets_deep_EBP" and experiment.title == "pets, deep, EBP"
        assert experiment.overrides() == {"batch_size": 4}
    again = Experiment(**json.loads(json.dumps(experiment.settings())))
    monkeypatch.chdir("/")
    assert again == experiment and len(data_for(again)[0][1]) == 20
    larger = Experiment(str(pets), "deep", "EBP", image_size=64)
    assert larger.dataset_row.image_shape == (64, 64, 3)


def test_a_folder_that_has_moved_is_told_once_data_is_needed(pets):
    experiment = Experiment(str(pets), "conv", "EBP", batch_size=4)
    pets.rename(pets.with_name("moved"))
    again = Experiment(**experiment.settings())
    assert f"{pets} is not a folder of images" in refusal(data_for, again)


def test_unknown_names_are_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "or a folder of images" in refusal(load_data, "pats")
    assert "did you mean MNIST" in refusal(load_data, "mnits")
    (tmp_path / "MNIST").mkdir()
    assert Experiment("MNIST", "conv", "EBP").dataset == "MNIST"
    assert Experiment("./MNIST", "conv", "EBP").dataset == str(tmp_path / "MNIST")


# Parts of the classes


def test_classes_are_a_random_part_renumbered_in_order(tmp_path):
    write_mnist(tmp_path)
    whole, part = load_data("MNIST", tmp_path), load_data("MNIST", tmp_path, classes=4)
    row = dataset_row("MNIST", classes=4)
    chosen = [int(name) for name in row.class_names(None)]  # MNIST's names are its labels.
    assert len(chosen) == row.classes == 4 and chosen == sorted(chosen)
    for (images, labels), (all_images, all_labels) in zip(part, whole, strict=True):
        kept = [n for n, label in enumerate(all_labels) if label in chosen]
        assert (images == all_images[kept]).all()
        assert [chosen[label] for label in labels] == all_labels[kept].tolist()
        assert labels.dtype == np.int32
    drawn = {dataset_row("MNIST", seed, 4).class_names(None) for seed in range(20)}
    assert len(drawn) > 10  # By seed.


def test_classes_goes_with_folders_and_numbers_of_images(pets):
    train, test = load_data(str(pets), max_train_samples=3, classes=2)
    names = dataset_row(str(pets), classes=2).class_names(None)
    assert len(train[1]) == 3 and set(names) < set(SORTED)
    check_colors(train, names)
    check_colors(test, names)


def test_all_classes_are_the_whole_data_set(tmp_path):
    write_mnist(tmp_path)
    assert same(load_data("MNIST", tmp_path), load_data("MNIST", tmp_path, classes=10))


def test_bad_numbers_of_classes_are_refused():
    for classes in (1, 11, 2.5, "3"):
        assert "classes must be" in refusal(load_data, "MNIST", classes=classes)
        message = refusal(Experiment, "MNIST", "conv", "EBP", classes=classes)
        assert message == f"classes must be a whole number from 2 to 10, not {classes!r}"
    assert "whole number of at least 2, not 1" in refusal(
        Experiment, "/a/folder", "conv", "EBP", classes=1
    )


def test_the_network_has_as_many_outputs(pets):
    from brainprop import model_for

    for dataset, size in (("MNIST", 28), (str(pets), 24)):
        image_size = None if dataset == "MNIST" else size
        experiment = Experiment(dataset, "conv", "EBP", classes=3, image_size=image_size)
        model = model_for(experiment)
        assert model.output_shape == (None, 3) and model.input_shape[1] == size


@pytest.mark.parametrize("architecture", ["dense", "conv", "loccon", "deep"])
def test_every_architecture_goes_with_the_smallest_images(pets, architecture):
    from brainprop import model_for

    spaced = pets.rename(pets.with_name("_meine Vögel, 2"))
    experiment = Experiment(str(spaced), architecture, "BrainProp", image_size=8, batch_size=10)
    model = model_for(experiment)
    (images, labels), _ = data_for(experiment)
    history = model.fit(images / np.float32(255), labels, batch_size=10, verbose=0).history
    assert model.output_shape == (None, 4) and np.isfinite(history["loss"]).all()


# Data sets of one's own


def stars(data_dir=None):
    images = random_images(12, 16, 16, 1)
    return (images, np.arange(12) % 3), (images[:3], np.arange(3))


def test_a_registered_data_set_is_known_everywhere():
    register_dataset("Stars", stars, (16, 16, 1), class_names=["dwarf", "giant", "nova"])
    (images, labels), _ = load_data("stars")
    assert images.shape == (12, 16, 16, 1) and labels.dtype == np.int32
    experiment = Experiment("STARS", "dense", "EBP", batch_size=4, classes=2)
    assert experiment.dataset == "Stars" and experiment.name == "Stars_dense_EBP"
    assert set(experiment.dataset_row.class_names(None)) < {"dwarf", "giant", "nova"}
    assert len(data_for(experiment)[0][1]) == 8
    register_dataset("stars", stars, (16, 16, 1), classes=3)  # Replaces it.
    assert dataset_row("Stars").class_names(None) == ("class 0", "class 1", "class 2")


@pytest.mark.parametrize(
    ("name", "options", "expected"),
    [
        ("mnist", {"classes": 3}, "data set of the paper"),
        ("a/b", {"classes": 3}, "without slashes"),
        ("", {"classes": 3}, "without slashes"),
        ("S", {}, "classes of S"),
        ("S", {"classes": 1}, "classes of S"),
        ("S", {"classes": 3, "class_names": ["a", "b"]}, "2 class names for 3 classes"),
        ("S", {"classes": 3, "image_shape": (16, 16)}, "image_shape of S"),
    ],
)
def test_bad_registrations_are_refused(name, options, expected):
    options = {"image_shape": (16, 16, 1), **options}
    assert expected in refusal(register_dataset, name, stars, **options)
    assert list(DATASETS) == ["MNIST", "CIFAR10", "CIFAR100", "TinyImageNet"]


def test_what_a_registered_function_returns_is_checked():
    def floats(data_dir):
        return (np.zeros((3, 16, 16, 1)), np.arange(3)), stars()[1]

    for load, fault in ((floats, "float64"), (lambda data_dir: None, "data set Bad")):
        register_dataset("Bad", load, (16, 16, 1), classes=3)
        message = refusal(load_data, "Bad")
        assert fault in message and "correct the function" in message
    register_dataset("Bad", stars, (16, 16, 1), classes=2)
    assert "labels range from 0 to 2" in refusal(load_data, "Bad")
