"""The data sets: official layouts are read, damaged and hostile files are refused in one line."""

import io
import os
import pickle
import re
import shutil
import socket
import subprocess
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest
from official_layouts import (
    cifar10_batch,
    cifar100_batch,
    jpeg,
    mnist_arrays,
    python2_batch,
    random_images,
    tar_of,
    write_cifar10,
    write_cifar100,
    write_mnist,
    write_tiny_imagenet,
    zip_of,
)

from brainprop.common.arguments import closest
from brainprop.common.errors import BrainPropError
from brainprop.datasets import cifar, mnist, pickles, sources, tiny_imagenet
from brainprop.datasets.table import DATASETS, load_data

PROJECT = Path(__file__).resolve().parents[1]


@pytest.fixture(autouse=True)
def own_cache_and_no_network(monkeypatch, tmp_path_factory):
    """Keeps each test from the user's own files, and makes it alike on all machines."""

    def refuse(*_, **__):
        raise OSError("no network in tests")

    monkeypatch.setenv("KERAS_HOME", str(tmp_path_factory.mktemp("keras")))
    monkeypatch.delenv("BRAINPROP_DATA", raising=False)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)


def refusal(load, *arguments, **options) -> str:
    """The message of the one error that it must end with, on one line."""
    with pytest.raises(BrainPropError) as caught:
        load(*arguments, **options)
    message = str(caught.value)
    assert "\n" not in message and message.isprintable()
    return message


def load_tiny(folder):
    return tiny_imagenet.load(folder, classes=3)


# The table


def test_importing_the_table_imports_no_tensorflow():
    code = "import sys, brainprop.datasets; sys.exit('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=PROJECT).returncode == 0


@pytest.mark.parametrize("meant", [*DATASETS])
def test_closest_ignores_spelling_details(meant):
    assert closest(meant.lower().replace("1", "-1", 1), DATASETS) == meant
    assert closest("entirely different", DATASETS) is None


def test_unknown_data_set_is_refused_with_a_suggestion():
    assert "did you mean CIFAR10?" in refusal(load_data, "cifar-10")
    assert ": choose from MNIST" in refusal(load_data, "")


@pytest.mark.parametrize(
    "options",
    [
        {"max_train_samples": 0},
        {"max_eval_samples": -1},
        {"max_train_samples": 1.5},
        {"max_train_samples": "3"},
        {"seed": -1},
    ],
)
def test_bad_numbers_are_refused(tmp_path, options):
    write_mnist(tmp_path)
    assert next(iter(options)) in refusal(load_data, "MNIST", tmp_path, **options)


def test_samples_are_random_ordered_and_repeatable(tmp_path):
    write_mnist(tmp_path)
    (everything, _), _ = load_data("MNIST", tmp_path)
    (few, labels), (evaluated, _) = load_data("MNIST", tmp_path, 5, 1000)
    positions = [int(np.argmax((everything == image).all((1, 2, 3)))) for image in few]
    assert positions == sorted(set(positions)) != [0, 1, 2, 3, 4]
    assert len(few) == len(labels) == 5 and len(evaluated) == 10
    again = load_data("MNIST", tmp_path, 5)[0][0]
    others = load_data("MNIST", tmp_path, 5, seed=2)[0][0]
    assert (again == few).all() and (others != few).any()


# Finding files


def test_bundled_mnist_is_found_from_anywhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (images, labels), (test_images, test_labels) = load_data("MNIST")
    assert images.shape == (60_000, 28, 28, 1) and test_images.shape == (10_000, 28, 28, 1)
    assert images.dtype == np.uint8 and labels.dtype == test_labels.dtype == np.int32
    assert labels[:5].tolist() == [5, 0, 4, 1, 9]


def test_places_are_searched_in_order(tmp_path, monkeypatch):
    folders = {name: tmp_path / name for name in ("given", "environment", "current")}
    cache = Path(os.environ["KERAS_HOME"], "datasets")
    cache.mkdir()
    for number, folder in enumerate([*folders.values(), cache], 1):
        folder.mkdir(exist_ok=True)
        write_cifar100(folder)
        batch = pickle.dumps(cifar100_batch(number))
        (folder / "cifar-100-python" / "train").write_bytes(batch)
    monkeypatch.chdir(folders["current"])

    def found(data_dir=None):
        return len(load_data("CIFAR100", data_dir)[0][0])

    assert found(folders["given"]) == 1
    assert found() == 3
    monkeypatch.setenv("BRAINPROP_DATA", str(folders["environment"]))
    assert found() == 2
    (tmp_path / "empty").mkdir()
    assert found(tmp_path / "empty") == 4


def test_directory_that_is_none_is_refused(tmp_path, monkeypatch):
    missing = tmp_path / "missing"
    assert "missing" in refusal(load_data, "MNIST", missing)
    assert "not a directory" in refusal(load_data, "MNIST", write_mnist(tmp_path))
    monkeypatch.setenv("BRAINPROP_DATA", str(missing))
    assert refusal(load_data, "MNIST").startswith("BRAINPROP_DATA")


@pytest.mark.parametrize(
    ("dataset", "source"),
    [
        ("MNIST", mnist.SOURCE),
        ("CIFAR10", cifar.CIFAR10.source),
        ("CIFAR100", cifar.CIFAR100.source),
        ("TinyImageNet", tiny_imagenet.SOURCE),
    ],
)
def test_without_network_the_message_says_what_where_and_whence(tmp_path, dataset, source):
    message = refusal(load_data, dataset, tmp_path)
    assert message.startswith(f"{source.file_name} is missing")
    assert str(tmp_path) in message and os.environ["KERAS_HOME"] in message
    assert source.url in message and "no network in tests" in message
    assert not list(Path(os.environ["KERAS_HOME"], "datasets").iterdir())


def test_a_download_appears_whole_and_is_found_again(tmp_path, monkeypatch):
    import keras

    def stand_in(name, url, file_hash, cache_dir, cache_subdir):
        assert url == mnist.SOURCE.url and len(file_hash) == 64
        assert socket.getdefaulttimeout() is not None
        return write_mnist(Path(cache_dir))

    monkeypatch.setattr(keras.utils, "get_file", stand_in)
    assert len(load_data("MNIST", tmp_path)[0][0]) == 20
    monkeypatch.setattr(keras.utils, "get_file", None)
    assert len(load_data("MNIST", tmp_path)[0][0]) == 20
    assert socket.getdefaulttimeout() is None


def test_a_download_goes_into_kerass_cache_also_from_within_it(tmp_path, monkeypatch):
    import keras

    cache = Path(os.environ["KERAS_HOME"], "datasets")
    cache.mkdir()
    monkeypatch.chdir(cache)
    monkeypatch.setattr(sources, "PROJECT_DIR", tmp_path)
    monkeypatch.setattr(
        keras.utils, "get_file", lambda name, url, cache_dir, **_: write_mnist(Path(cache_dir))
    )
    assert len(load_data("MNIST")[0][0]) == 20
    assert (cache / "mnist.npz").exists() and not list(tmp_path.iterdir())


# MNIST


def test_mnist_is_read(tmp_path):
    write_mnist(tmp_path)
    (images, labels), _ = load_data("MNIST", tmp_path)
    assert (images[..., 0] == mnist_arrays()["x_train"]).all()
    assert labels.tolist() == mnist_arrays()["y_train"].tolist()
    images[0] = 0  # is writable


MNIST_CHANGES = {
    "no images": {"x_train": None},
    "no labels": {"y_test": None},
    "other shape": {"x_test": random_images(10, 28, 27)},
    "flat": {"x_test": random_images(10)},
    "scalar": {"x_test": np.uint8(1)},
    "floats": {"x_train": np.zeros((20, 28, 28), np.float32)},
    "wide integers": {"x_train": np.zeros((20, 28, 28), np.int64)},
    "float labels": {"y_train": np.zeros(20)},
    "too few labels": {"y_train": np.zeros(19, np.uint8)},
    "one-hot labels": {"y_train": np.zeros((20, 10), np.uint8)},
    "label too high": {"y_train": np.full(20, 10)},
    "negative label": {"y_train": np.full(20, -1)},
    "enormous label": {"y_train": np.full(20, 2**64 - 1, np.uint64)},
    "objects": {"y_train": np.array([print] * 20, object)},
    "nothing": {"x_test": random_images(0, 28, 28), "y_test": np.zeros(0, np.uint8)},
    "structured": {"y_test": np.zeros(10, "u1,u1")},
}


@pytest.mark.parametrize("changes", MNIST_CHANGES.values(), ids=MNIST_CHANGES)
def test_mnist_of_other_content_is_refused(tmp_path, changes):
    path = write_mnist(tmp_path, **changes)
    message = refusal(load_data, "MNIST", tmp_path)
    assert str(path) in message and mnist.SOURCE.url in message


@pytest.mark.parametrize("tenths", range(10))
def test_mnist_truncated_is_refused(tmp_path, tenths):
    path = write_mnist(tmp_path)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * tenths // 10])
    assert "move it away and download it again" in refusal(load_data, "MNIST", tmp_path)


def test_mnist_with_a_flipped_byte_is_refused(tmp_path):
    path = write_mnist(tmp_path)
    content = bytearray(path.read_bytes())
    content[2000] ^= 255
    path.write_bytes(content)
    refusal(load_data, "MNIST", tmp_path)


def test_mnist_that_is_a_folder_or_pipe_is_refused(tmp_path):
    (tmp_path / "mnist.npz").mkdir()
    refusal(load_data, "MNIST", tmp_path)
    (tmp_path / "mnist.npz").rmdir()
    os.mkfifo(tmp_path / "mnist.npz")
    assert "not a regular file" in refusal(load_data, "MNIST", tmp_path)


def test_mnist_from_load_datas_own_arrays_is_read(tmp_path):
    write_mnist(tmp_path)
    (x_train, y_train), (x_test, y_test) = first = load_data("MNIST", tmp_path)
    assert x_train.shape == (20, 28, 28, 1) and y_train.dtype == np.int32
    arrays = {"x_train": x_train, "y_train": y_train, "x_test": x_test, "y_test": y_test}
    np.savez(tmp_path / "mnist.npz", **arrays)
    assert same(first, load_data("MNIST", tmp_path))


def test_the_shape_in_the_message_is_the_files(tmp_path):
    write_mnist(tmp_path, x_train=random_images(20, 28, 27))
    assert "uint8 of shape (20, 28, 27) instead of" in refusal(load_data, "MNIST", tmp_path)


# CIFAR


CIFARS = {
    "CIFAR10": (write_cifar10, "cifar-10-python.tar.gz", cifar10_batch, "labels", 5),
    "CIFAR100": (write_cifar100, "cifar-100-python.tar.gz", cifar100_batch, "fine_labels", 1),
}


@pytest.mark.parametrize("packed", [False, True], ids=["folder", "tar"])
@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("dataset", CIFARS)
def test_cifar_is_read(tmp_path, dataset, protocol, packed):
    write, archive, batch, label_key, batches = CIFARS[dataset]
    folder = write(tmp_path, protocol)
    if packed:
        tar_of(folder, archive)
    (images, labels), (test_images, test_labels) = load_data(dataset, tmp_path)
    assert images.shape == (6 * batches, 32, 32, 3) and test_images.shape == (6, 32, 32, 3)
    assert images.flags.c_contiguous and images.dtype == np.uint8 and labels.dtype == np.int32
    assert labels.tolist() == batch()[label_key.encode()] * batches
    # channel by channel, row by row
    assert images[2, 3, 4].tolist() == batch()[b"data"][2].reshape(3, 32, 32)[:, 3, 4].tolist()
    assert test_labels.tolist() == batch()[label_key.encode()] and (test_images == images[:6]).all()


def test_cifar_written_by_python_2_is_read(tmp_path):
    folder = write_cifar10(tmp_path)
    rows = random_images(4, 3072)
    for path in folder.iterdir():
        path.write_bytes(python2_batch(rows, [3, 1, 4, 1]))
    (images, labels), _ = load_data("CIFAR10", tmp_path)
    assert (images[:4] == rows.reshape(4, 3, 32, 32).transpose(0, 2, 3, 1)).all()
    assert labels[:4].tolist() == [3, 1, 4, 1]


def text_keys(batch: dict) -> dict:
    return {key.decode(): value for key, value in batch.items()}


REPICKLED = {
    "text keys": text_keys,
    "text keys and file names": lambda batch: {
        **text_keys(batch), "filenames": ["image.png"] * len(batch[b"filenames"]),
    },
    "labels in an array": lambda batch: {**batch, b"labels": np.array(batch[b"labels"])},
    "labels in a tuple": lambda batch: {**batch, b"labels": tuple(batch[b"labels"])},
    "labels of NumPy": lambda batch: {**batch, b"labels": list(np.array(batch[b"labels"]))},
    "an empty name": lambda batch: {**batch, b"batch_label": b""},
    "columns first": lambda batch: {**batch, b"data": np.asfortranarray(batch[b"data"])},
}  # fmt: skip


@pytest.mark.parametrize("change", REPICKLED.values(), ids=REPICKLED)
@pytest.mark.parametrize("protocol", range(6))
def test_cifar_pickled_again_by_python_3_is_read(tmp_path, protocol, change):
    folder = write_cifar10(tmp_path)
    expected = load_data("CIFAR10", tmp_path)
    for path in folder.iterdir():
        path.write_bytes(pickle.dumps(change(cifar10_batch()), protocol))
    assert same(expected, load_data("CIFAR10", tmp_path))


def test_cifar_in_protocol_2_with_many_file_names_is_read(tmp_path):
    """Python 3 writes each of them as a call."""
    folder, count = write_cifar100(tmp_path), 2000
    batch = {
        "fine_labels": [0] * count,
        "coarse_labels": [0] * count,
        "data": np.zeros((count, 3072), np.uint8),
        "filenames": [b"%d.png" % number for number in range(count)],
    }
    with (folder / "train").open("wb") as file:
        pickle.dump(batch, file, 2)
    assert len(load_data("CIFAR100", tmp_path)[0][1]) == count


# Where the data set may be: each makes a CIFAR-100 data set, and returns the data_dir.


def renamed(folder: Path, name: str) -> Path:
    (folder.parent / name).parent.mkdir(parents=True, exist_ok=True)
    return folder.rename(folder.parent / name)


def in_itself(folder: Path) -> Path:
    inner = renamed(folder, "inner")
    folder.mkdir()
    inner.rename(folder / folder.name)
    return folder.parent


def repacked(mode: str, name: str, prefix: str):
    """Packs the files under another name, the folder called `prefix`."""

    def pack(folder: Path) -> Path:
        with tarfile.open(folder.parent / name, mode) as archive:
            for path in folder.iterdir():
                archive.add(path, f"{prefix}{path.name}")
        shutil.rmtree(folder)
        return folder.parent

    return pack


def kerass(name: str):
    """Moves the archive or the folder to Keras's cache."""

    def move(folder: Path) -> Path:
        cache = Path(os.environ["KERAS_HOME"], "datasets")
        parent = folder.parent
        (cache / name).parent.mkdir(parents=True)
        if not name.endswith("python"):
            folder = tar_of(folder, "x.tar.gz")
        shutil.move(folder, cache / name)
        return parent

    return move


OFFICIAL = "cifar-100-python.tar.gz"
PLACES = {
    "in the data directory": lambda folder: folder.parent,
    "the folder itself": lambda folder: folder,
    "the folder itself, under another name": lambda folder: renamed(folder, "mine"),
    "in a folder of its name": in_itself,
    "in a folder of its name, given that": lambda folder: in_itself(folder) / folder.name,
    "in a folder of its name, given the inner": lambda f: in_itself(f) / f.name / f.name,
    "unpacked by a browser": repacked("w", OFFICIAL, "cifar-100-python/"),
    "unpacked by a browser, and so called": repacked("w", OFFICIAL[:-3], "cifar-100-python/"),
    "./ before the names": repacked("w:gz", OFFICIAL, "./cifar-100-python/"),
    "packed with other folders": repacked("w:gz", OFFICIAL, "home/me/cifar/"),
    "packed without a folder": repacked("w:gz", OFFICIAL, ""),
    "packed by bzip2": repacked("w:bz2", OFFICIAL, "cifar-100-python/"),
    "Keras 2's archive": kerass("cifar-100-python.tar.gz"),
    "Keras 3.15's archive": kerass("cifar-100-python-target_archive"),
    "Keras 3.15's folder": kerass("cifar-100-python-target/cifar-100-python"),
}


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
def test_good_data_is_found_and_taken(tmp_path, place):
    write_cifar100(tmp_path)
    expected = load_data("CIFAR100", tmp_path)
    assert same(expected, load_data("CIFAR100", place(tmp_path / "cifar-100-python")))


@pytest.mark.parametrize("name", ["archive", "folder"])
def test_what_keras_itself_leaves_in_its_cache_is_found(tmp_path, monkeypatch, name):
    """Keras's own downloader writes the names, from a file instead of the network."""
    import keras

    archive = tar_of(write_cifar10(tmp_path), "cifar-10-python.tar.gz")
    keras.utils.get_file(
        "cifar-10-batches-py-target",
        archive.as_uri(),
        extract=True,
        cache_dir=os.environ["KERAS_HOME"],
    )
    archive.unlink()
    cache = Path(os.environ["KERAS_HOME"], "datasets")
    target, packed = sorted(cache.iterdir())
    shutil.rmtree(target) if name == "archive" else packed.unlink()
    assert len(load_data("CIFAR10", tmp_path)[0][0]) == 30


@pytest.mark.parametrize("place", ["itself", "in itself", "given the outer"])
def test_tiny_imagenets_own_folder_is_found(tmp_path, place):
    folder = write_tiny_imagenet(tmp_path)
    data_dir = folder if place == "itself" else in_itself(folder)
    if place == "given the outer":
        data_dir = data_dir / folder.name
    assert len(load_tiny(data_dir)[0][0]) == 6


def test_the_current_folder_may_be_the_data_sets_own(tmp_path, monkeypatch):
    monkeypatch.chdir(write_cifar100(tmp_path))
    assert len(load_data("CIFAR100")[0][0]) == 6


def test_a_folder_of_other_files_of_the_same_names_is_passed_over(tmp_path, monkeypatch):
    """CIFAR-100's are called train and test, and so are many others."""
    (tmp_path / "train").write_text("a text to train on")
    (tmp_path / "test").write_text("a text to test on")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sources, "PROJECT_DIR", tmp_path)
    assert "is missing" in refusal(load_data, "CIFAR100")


@pytest.mark.parametrize("files", [[], ["data_batch_1"]])
def test_an_incomplete_folder_does_not_hide_a_whole_archive(tmp_path, files):
    folder = write_cifar10(tmp_path)
    tar_of(folder, "cifar-10-python.tar.gz")
    folder.mkdir()
    for name in files:
        (folder / name).write_bytes(b"half of it")
    assert len(load_data("CIFAR10", tmp_path)[0][0]) == 30


def test_an_incomplete_folder_is_not_passed_over_for_another_place(tmp_path):
    cache = Path(os.environ["KERAS_HOME"], "datasets")
    cache.mkdir()
    write_cifar10(cache)
    (write_cifar10(tmp_path) / "data_batch_3").unlink()
    assert "holds no data_batch_3" in refusal(load_data, "CIFAR10", tmp_path)


def test_no_download_where_none_is_wanted(tmp_path, monkeypatch):
    monkeypatch.setattr("keras.utils.get_file", None)
    with sources.no_downloads("a test downloads nothing"):
        message = refusal(load_data, "CIFAR10", tmp_path)
    assert message.startswith("cifar-10-python.tar.gz is missing") and str(tmp_path) in message
    assert "; a test downloads nothing: get it from https" in message
    assert "download failed" in refusal(load_data, "CIFAR10", tmp_path)


def test_a_dry_run_of_reproduce_downloads_nothing(tmp_path, monkeypatch, capsys):
    from brainprop.reproduce import command

    monkeypatch.setattr("keras.utils.get_file", None)
    arguments = ["--datasets", "CIFAR10", "--data-dir", str(tmp_path), "--dry-run"]
    assert command.main(arguments) == 0
    captured = capsys.readouterr()
    assert "time unknown" in captured.out and "downloads nothing" in captured.err


def test_no_message_about_a_damaged_file_has_it_deleted():
    for source in (mnist.SOURCE, cifar.CIFAR10.source, cifar.CIFAR100.source, tiny_imagenet.SOURCE):
        assert source.remedy == f"move it away and download it again from {source.url}"
    assert tiny_imagenet._Folder.remedy.startswith("move it away and extract it again")


@pytest.mark.parametrize("packed", [False, True], ids=["folder", "tar"])
def test_cifar_without_a_batch_is_refused(tmp_path, packed):
    folder = write_cifar10(tmp_path)
    (folder / "data_batch_3").unlink()
    if packed:
        tar_of(folder, "cifar-10-python.tar.gz")
    message = refusal(load_data, "CIFAR10", tmp_path)
    assert "data_batch_3" in message and cifar.CIFAR10.source.url in message


CIFAR_CHANGES = {
    "no data": {b"data": None},
    "no labels": {b"labels": None},
    "label missing": {b"labels": [0] * 5},
    "label too high": {b"labels": [10] * 6},
    "label negative": {b"labels": [-1] * 6},
    "label enormous": {b"labels": [2**70] * 6},
    "labels of text": {b"labels": ["0"] * 6},
    "labels nested": {b"labels": [[0]] * 6},
    "label a float": {b"labels": [0.0] * 6},
    "row too short": {b"data": random_images(6, 3071)},
    "images flat": {b"data": random_images(6 * 3072)},
    "data of floats": {b"data": np.zeros((6, 3072))},
    "data of 16 bits": {b"data": np.zeros((6, 3072), np.uint16)},
    "data of objects": {b"data": np.zeros((6, 3072), object)},
    "data a list": {b"data": [[0] * 3072] * 6},
    "no image": {b"data": random_images(0, 3072), b"labels": []},
    "a set": {b"extra": {1, 2}},
}


@pytest.mark.parametrize("changes", CIFAR_CHANGES.values(), ids=CIFAR_CHANGES)
def test_cifar_batch_of_other_content_is_refused(tmp_path, changes):
    path = write_cifar10(tmp_path) / "data_batch_2"
    batch = {
        key: value for key, value in {**cifar10_batch(), **changes}.items() if value is not None
    }
    path.write_bytes(pickle.dumps(batch, 2))
    message = refusal(load_data, "CIFAR10", tmp_path)
    assert str(path) in message and "move it away and download it again" in message


def test_of_an_incomplete_cifar_folder_the_missing_file_is_named(tmp_path):
    folder = write_cifar10(tmp_path)
    (folder / "data_batch_3").unlink()
    message = refusal(load_data, "CIFAR10", tmp_path)
    assert message.startswith(f"{folder} holds no data_batch_3: move it away and download it again")


@pytest.mark.parametrize("tenths", range(10))
def test_cifar_truncated_is_refused(tmp_path, tenths):
    path = write_cifar100(tmp_path) / "train"
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * tenths // 10])
    assert str(path) in refusal(load_data, "CIFAR100", tmp_path)


@pytest.mark.parametrize("tenths", range(10))
def test_cifar_tar_truncated_is_refused(tmp_path, tenths):
    path = tar_of(write_cifar100(tmp_path), "cifar-100-python.tar.gz")
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * tenths // 10])
    assert str(path) in refusal(load_data, "CIFAR100", tmp_path)


class Runs:
    """Pickles as a call of anything."""

    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("protocol", [2, 4])
@pytest.mark.parametrize("packed", [False, True], ids=["folder", "tar"])
def test_cifar_that_would_run_code_does_not(tmp_path, packed, protocol):
    trace = tmp_path / "it ran"
    folder = write_cifar100(tmp_path)
    hostile = {**cifar100_batch(), b"extra": Runs(os.mkdir, str(trace))}
    (folder / "train").write_bytes(pickle.dumps(hostile, protocol))
    if packed:
        tar_of(folder, "cifar-100-python.tar.gz")
    assert "not allowed" in refusal(load_data, "CIFAR100", tmp_path)
    assert not trace.exists()


HOSTILE_PICKLES = {
    "allocates by numpy.ndarray": pickle.dumps({b"x": Runs(np.ndarray, (10**12,))}, 2),
    "reconstructs a large array": pickle.dumps(
        {b"x": Runs(np.zeros(0).__reduce__()[0], np.ndarray, (10**12,), b"b")}, 2
    ),
    "allocates by bytes": pickle.dumps({b"x": Runs(bytes, 10**12)}, 2),
    "bytes of a petabyte": b"\x80\x04}\x8e" + (2**50).to_bytes(8, "little") + b"x.",
    "frame of a petabyte": b"\x80\x04\x95" + (2**50).to_bytes(8, "little") + b"}.",
    "attributes of a function": b"\x80\x02}K\x01c_codecs\nencode\n}U\x08__code__K\x01sbs.",
    "dtype of text": b"\x80\x02}K\x01cnumpy\ndtype\nU\x07V999999\x85Rs.",
    "dtype of objects": pickle.dumps({b"data": np.array([print])}, 2),
    "getattr": b"\x80\x02c__builtin__\ngetattr\n.",
    "extension": b"\x80\x02\x82\x01.",
    "no dictionary": pickle.dumps([1, 2], 2),
    "nothing but stop": b".",
    "empty": b"",
}


@pytest.mark.parametrize("content", HOSTILE_PICKLES.values(), ids=HOSTILE_PICKLES)
def test_hostile_pickle_is_refused(tmp_path, content):
    (write_cifar100(tmp_path) / "train").write_bytes(content)
    refusal(load_data, "CIFAR100", tmp_path)


def test_pickle_that_changes_a_function_changes_nothing_lasting():
    names = dict(pickles._NAMES)
    pickles.loads(b"\x80\x02}K\x01c_codecs\nencode\n}U\x08__name__U\x01xsbs.")
    assert names == pickles._NAMES and pickles._encode.__dict__ == {}


def write_tar(path: Path, *members: tuple[tarfile.TarInfo, bytes]) -> None:
    with tarfile.open(path, "w:gz") as archive:
        for member, content in members:
            if member.isreg():
                member.size = len(content)
            archive.addfile(member, io.BytesIO(content))


def tar_member(name: str, kind: bytes = tarfile.REGTYPE, target: str = "") -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, target
    return member


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE]
)
def test_cifar_tar_with_a_link_out_of_it_is_refused(tmp_path, kind):
    secret = tmp_path / "secret"
    secret.write_bytes(pickle.dumps(cifar100_batch(), 2))
    member = tar_member("cifar-100-python/train", kind, str(secret))
    write_tar(tmp_path / "cifar-100-python.tar.gz", (member, b""))
    message = refusal(load_data, "CIFAR100", tmp_path)
    assert "not found" in message or "holds no train" in message


def test_cifar_tar_is_not_extracted(tmp_path):
    content = pickle.dumps(cifar100_batch(), 2)
    write_tar(
        tmp_path / "cifar-100-python.tar.gz",
        (tar_member("../escaped"), content),
        (tar_member("/tmp/cifar-100-python/escaped"), content),
    )
    assert "holds no train and no test" in refusal(load_data, "CIFAR100", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["cifar-100-python.tar.gz"]
    assert not (tmp_path.parent / "escaped").exists()


# Tiny ImageNet


@pytest.fixture(params=["folder", "zip"])
def tiny(request, tmp_path):
    """A folder with a small data set; `change` it first, then `pack` it if it shall be a zip."""

    class Tiny:
        path = write_tiny_imagenet(tmp_path)
        parent = tmp_path
        packed = request.param == "zip"

        def load(self):
            if self.packed and self.path.exists():
                zip_of(self.path)
            return load_tiny(tmp_path)

    return Tiny()


def test_tiny_imagenet_is_read(tiny, capsys):
    (images, labels), (test_images, test_labels) = tiny.load()
    assert images.shape == test_images.shape == (6, 64, 64, 3)
    assert images.dtype == np.uint8 and labels.dtype == test_labels.dtype == np.int32
    assert labels.tolist() == [0, 0, 1, 1, 2, 2]  # n01, n02, n03
    assert test_labels.tolist() == [2, 0, 1, 2, 0, 1]
    cache = tiny.parent / "tiny-imagenet-200.cache"
    assert capsys.readouterr().err == f"decoding 12 images, once: {cache} keeps them\n"
    assert not list(tiny.parent.glob(".*"))


def test_tiny_imagenet_of_the_official_size_is_asked_for(tmp_path):
    write_tiny_imagenet(tmp_path)
    assert "3 classes instead of 200" in refusal(load_data, "TinyImageNet", tmp_path)


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_tiny_imagenet_of_other_colours_becomes_rgb(tiny, mode):
    image = tiny.path / "train/n01/images/n01_0.JPEG"
    image.write_bytes(jpeg(mode))
    (images, _), _ = tiny.load()
    if mode == "L":
        assert (images[0] == images[0][..., :1]).all()
    else:  # as colourful as its RGB twin, but for the losses of JPEG
        assert np.corrcoef(images[0].ravel(), images[1].ravel())[0, 1] > 0.5


def replace(name: str, content: bytes):
    return lambda path: (path / name).write_bytes(content)


def append(name: str, text: str):
    return lambda path: (path / name).write_text((path / name).read_text() + text)


def remove(name: str):
    return lambda path: (path / name).unlink()


def substitute(name: str, pattern: str, text: str):
    return lambda path: (path / name).write_text(re.sub(pattern, text, (path / name).read_text()))


def empty_class(path: Path):
    for image in (path / "train/n02/images").iterdir():
        image.unlink()


def another_class(path: Path):
    (path / "train/n09/images").mkdir(parents=True)


def missing_class(path: Path):
    for image in (path / "train/n02").rglob("*.*"):
        image.unlink()
    (path / "train/n02/images").rmdir()
    (path / "train/n02").rmdir()


TRAIN_IMAGE = "train/n02/images/n02_1.JPEG"
VAL_IMAGE = "val/images/val_4.JPEG"
ANNOTATIONS = "val/val_annotations.txt"
TINY_DAMAGE = {
    "cut image": (replace(TRAIN_IMAGE, jpeg()[:600]), TRAIN_IMAGE),
    "half an image": (replace(VAL_IMAGE, jpeg()[: len(jpeg()) // 2]), VAL_IMAGE),
    "empty image": (replace(TRAIN_IMAGE, b""), TRAIN_IMAGE),
    "1 x 1 image": (replace(VAL_IMAGE, jpeg(size=(1, 1))), "1 x 1 pixels"),
    "wide image": (replace(TRAIN_IMAGE, jpeg(size=(65, 64))), "65 x 64 pixels"),
    "16-bit PNG": (replace(TRAIN_IMAGE, jpeg("I;16", image_format="PNG")), TRAIN_IMAGE),
    "text for an image": (replace(VAL_IMAGE, b"not found"), VAL_IMAGE),
    "image missing": (remove(VAL_IMAGE), "val_4.JPEG is missing"),
    "annotation missing": (substitute(ANNOTATIONS, "val_4.*\n", ""), "val_4.JPEG is missing in"),
    "annotation doubled": (append(ANNOTATIONS, "val_1.JPEG\tn01\t0\t0\t1\t1\n"), "val_1.JPEG is"),
    "annotation unknown": (append(ANNOTATIONS, "val_9.JPEG\tn01\t0\t0\t1\t1\n"), "val_9.JPEG is"),
    "class unknown": (substitute(ANNOTATIONS, "n02", "n77"), "no class of wnids.txt"),
    "annotation cut": (append(ANNOTATIONS, "val_1.J"), "'val_1.J'"),
    "annotations empty": (replace(ANNOTATIONS, b""), "is missing in val_annotations.txt"),
    "annotations binary": (replace(ANNOTATIONS, b"\xff\x00\xfe"), ANNOTATIONS),
    "annotations gone": (remove(ANNOTATIONS), "val_annotations.txt is missing"),
    "wnids gone": (remove("wnids.txt"), "wnids.txt is missing"),
    "wnid doubled": (append("wnids.txt", "n01\n"), "n01 is listed twice"),
    "wnid without folder": (append("wnids.txt", "n05\n"), "train/n05 is missing"),
    "folder missing": (missing_class, "train/n02 is missing"),
    "folder too many": (another_class, "train/n09 is not in wnids.txt"),
    "folder empty": (empty_class, "train/n02 holds no images"),
    "strange letters": (append(ANNOTATIONS, "a\x1b[1mb\x07\tn01\t0\n"), "is missing, but"),
}


@pytest.mark.parametrize(("damage", "named"), TINY_DAMAGE.values(), ids=TINY_DAMAGE)
def test_tiny_imagenet_damaged_is_refused(tiny, damage, named):
    damage(tiny.path)
    message = refusal(tiny.load)
    assert named in message and str(tiny.path) in message and tiny_imagenet.SOURCE.url in message
    assert not list(tiny.parent.glob("*.cache"))


@pytest.mark.parametrize("tenths", range(10))
def test_tiny_imagenet_zip_truncated_is_refused(tmp_path, tenths):
    path = zip_of(write_tiny_imagenet(tmp_path))
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * tenths // 10])
    assert str(path) in refusal(load_tiny, tmp_path)


@pytest.mark.parametrize("locked", [".", "train", "train/n01", "train/n01/images", "val/images"])
def test_tiny_imagenet_without_permission_is_not_called_damaged(tmp_path, monkeypatch, locked):
    """Root may read anything, so that a stand-in refuses."""
    path = write_tiny_imagenet(tmp_path)
    scandir = os.scandir

    def refuse(folder):
        if Path(folder) == path / locked:
            raise PermissionError(13, "Permission denied")
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", refuse)
    assert refusal(load_tiny, tmp_path) == f"{path} cannot be read: give yourself permission to"


@pytest.mark.parametrize("deeper", ["", "images"])
def test_tiny_imagenet_with_validation_images_in_class_folders_is_read(tiny, tmp_path, deeper):
    rows = [line.split("\t") for line in (tiny.path / ANNOTATIONS).read_text().splitlines()]
    for number, (image, wnid, *_) in enumerate(rows):
        path = tiny.path / "val" / wnid / deeper / image
        path.parent.mkdir(parents=True, exist_ok=True)
        (tiny.path / "val/images" / image).unlink()
        path.write_bytes(jpeg(size=(64, 64), mode="L" if number == 4 else "RGB"))
    (tiny.path / "val/images").rmdir()
    (tiny.path / ANNOTATIONS).unlink()
    _, (images, labels) = tiny.load()
    assert labels.tolist() == [2, 0, 1, 2, 0, 1]
    gray = (images == images[..., :1]).all((1, 2, 3))
    assert gray.tolist() == [number == 4 for number in range(6)]


def test_tiny_imagenet_prefers_the_folder(tmp_path):
    zip_of(write_tiny_imagenet(tmp_path)).write_bytes(b"damaged")
    write_tiny_imagenet(tmp_path)
    load_tiny(tmp_path)


# The cache of decoded images


@pytest.fixture
def decoded(monkeypatch):
    """Counts how often images are decoded."""
    calls = []

    def counted(*arguments):
        calls.append(arguments)
        return decode(*arguments)

    decode = tiny_imagenet._decoded
    monkeypatch.setattr(tiny_imagenet, "_decoded", counted)
    return calls


def same(one, other) -> bool:
    return all(
        (a == b).all() for x, y in zip(one, other, strict=True) for a, b in zip(x, y, strict=True)
    )


def test_second_start_does_not_decode(tiny, decoded):
    first, second = tiny.load(), tiny.load()
    assert len(decoded) == 1 and same(first, second)
    assert second[0][0].flags.writeable


def test_deleted_cache_is_written_again(tiny, decoded):
    tiny.load()
    (tiny.parent / "tiny-imagenet-200.cache").unlink()
    tiny.load()
    tiny.load()
    assert len(decoded) == 2


@pytest.mark.parametrize("name", [TRAIN_IMAGE, ANNOTATIONS, "wnids.txt"])
def test_cache_of_a_changed_source_is_not_used(tmp_path, decoded, name):
    path = write_tiny_imagenet(tmp_path)
    load_tiny(tmp_path)
    os.utime(path / name, (1, 1))
    load_tiny(tmp_path)
    load_tiny(tmp_path)
    assert len(decoded) == 2


def test_cache_of_a_folder_with_another_image_is_not_used(tmp_path):
    path = write_tiny_imagenet(tmp_path)
    load_tiny(tmp_path)
    (path / "train/n01/images/n01_9.JPEG").write_bytes(jpeg("L"))
    assert len(load_tiny(tmp_path)[0][0]) == 7


@pytest.mark.parametrize("damage", ["cut", "longer", "digest", "empty", "text"])
def test_damaged_cache_is_written_again(tmp_path, decoded, damage):
    write_tiny_imagenet(tmp_path)
    first = load_tiny(tmp_path)
    cache = tmp_path / "tiny-imagenet-200.cache"
    content = cache.read_bytes()
    if damage == "cut":
        content = content[:-1000]
    elif damage == "longer":
        content += b"x"
    elif damage == "digest":
        content = b"x" + content[1:]
    else:
        content = b"" if damage == "empty" else b"text"
    cache.unlink()  # `first` is mapped from it.
    cache.write_bytes(content)
    assert same(first, load_tiny(tmp_path)) and same(first, load_tiny(tmp_path))
    assert len(decoded) == 2


def test_cache_that_cannot_be_written_is_a_warning(tmp_path, capsys):
    write_tiny_imagenet(tmp_path)
    (tmp_path / "tiny-imagenet-200.cache").mkdir()
    assert len(load_tiny(tmp_path)[0][0]) == 6
    (warning,) = re.findall(r"warning: .*", capsys.readouterr().err)
    assert "tiny-imagenet-200.cache" in warning and "decoded again" in warning
    assert len(list(tmp_path.iterdir())) == 2
