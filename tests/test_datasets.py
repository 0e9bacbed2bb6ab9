"""The data sets: official layouts are read, damaged and hostile files are refused in one line."""

import io
import os
import pickle
import re
import shutil
import socket
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
    refusal,
    same,
    tar_of,
    write_cifar10,
    write_cifar100,
    write_mnist,
    write_tiny_imagenet,
    zip_of,
)

from brainprop.common.arguments import closest
from brainprop.datasets import cifar, mnist, pickles, sources, tiny_imagenet
from brainprop.datasets.table import DATASETS, load_data


@pytest.fixture
def cache(tmp_path_factory, monkeypatch):
    """Keras's cache, a folder of the test's own."""
    folder = tmp_path_factory.mktemp("keras") / "datasets"
    folder.mkdir()
    monkeypatch.setenv("KERAS_HOME", str(folder.parent))
    return folder


@pytest.fixture(autouse=True)
def own_cache_and_no_network(monkeypatch, cache):
    """Keeps each test from the user's own files, and makes it alike on all machines."""

    def refuse(*_, **__):
        raise OSError("no network in tests")

    monkeypatch.delenv("BRAINPROP_DATA", raising=False)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)


def load_tiny(folder):
    return tiny_imagenet.load(folder, classes=3)


def count(dataset, data_dir=None) -> int:
    """How many training images are found."""
    return len(load_data(dataset, data_dir)[0][1])


# The table


@pytest.mark.parametrize("meant", [*DATASETS])
def test_closest_ignores_spelling_details(meant):
    assert closest(meant.lower().replace("1", "-1", 1), DATASETS) == meant
    assert closest("entirely different", DATASETS) is None


def test_bad_arguments_are_refused(tmp_path):
    assert "did you mean CIFAR10?" in refusal(load_data, "cifar-10")
    assert ": choose from MNIST" in refusal(load_data, "")
    write_mnist(tmp_path)
    for name, value in (
        ("max_train_samples", 0), ("max_eval_samples", -1), ("max_train_samples", 1.5),
        ("max_train_samples", "3"), ("seed", -1),
    ):  # fmt: skip
        assert name in refusal(load_data, "MNIST", tmp_path, **{name: value})


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


def test_places_are_searched_in_order(tmp_path, monkeypatch, cache):
    folders = {name: tmp_path / name for name in ("given", "environment", "current")}
    for number, folder in enumerate([*folders.values(), cache], 1):
        folder.mkdir(exist_ok=True)
        batch = pickle.dumps(cifar100_batch(number))
        (write_cifar100(folder) / "train").write_bytes(batch)
    monkeypatch.chdir(folders["current"])
    assert count("CIFAR100", folders["given"]) == 1
    assert count("CIFAR100") == 3
    monkeypatch.setenv("BRAINPROP_DATA", str(folders["environment"]))
    assert count("CIFAR100") == 2
    (tmp_path / "empty").mkdir()
    assert count("CIFAR100", tmp_path / "empty") == 4


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
def test_what_is_missing_is_told_with_places_and_address(
    tmp_path, dataset, source, cache, monkeypatch
):
    message = refusal(load_data, dataset, tmp_path)
    assert message.startswith(f"{source.file_name} is missing in {tmp_path}, {cache};")
    assert source.url in message and "no network in tests" in message
    assert not list(cache.iterdir())
    monkeypatch.setattr("keras.utils.get_file", None)
    with sources.no_downloads():
        message = refusal(load_data, dataset, tmp_path)
    assert message.startswith(f"{source.file_name} is missing in {tmp_path}, {cache}: get it from")


def test_a_download_appears_whole_and_is_found_again(tmp_path, monkeypatch):
    def stand_in(name, url, file_hash, cache_dir, cache_subdir):
        assert url == mnist.SOURCE.url and len(file_hash) == 64
        assert socket.getdefaulttimeout() is not None
        return write_mnist(Path(cache_dir))

    monkeypatch.setattr("keras.utils.get_file", stand_in)
    assert count("MNIST", tmp_path) == 20
    monkeypatch.setattr("keras.utils.get_file", None)
    assert count("MNIST", tmp_path) == 20
    assert socket.getdefaulttimeout() is None


def test_a_download_goes_into_kerass_cache_also_from_within_it(tmp_path, monkeypatch, cache):
    monkeypatch.chdir(cache)
    monkeypatch.setattr(sources, "PROJECT_DIR", tmp_path)
    monkeypatch.setattr(
        "keras.utils.get_file", lambda name, url, cache_dir, **_: write_mnist(Path(cache_dir))
    )
    assert count("MNIST") == 20
    assert (cache / "mnist.npz").exists() and not list(tmp_path.iterdir())


# Where the data set may be: each makes a CIFAR-100 data set, and returns the data_dir.


def renamed(folder: Path, name: str) -> Path:
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
        place = Path(os.environ["KERAS_HOME"], "datasets", name)
        place.parent.mkdir(exist_ok=True)
        if not name.endswith("python"):
            folder = tar_of(folder, "x.tar.gz")
        return shutil.move(folder, place) and folder.parent

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
def test_what_keras_itself_leaves_in_its_cache_is_found(tmp_path, name, cache):
    """Keras's own downloader writes the names, from a file instead of the network."""
    import keras

    archive = tar_of(write_cifar10(tmp_path), "cifar-10-python.tar.gz")
    keras.utils.get_file(
        "cifar-10-batches-py-target", archive.as_uri(), extract=True, cache_dir=cache.parent
    )
    archive.unlink()
    target, packed = sorted(cache.iterdir())
    shutil.rmtree(target) if name == "archive" else packed.unlink()
    assert count("CIFAR10", tmp_path) == 30


def test_tiny_imagenets_own_folder_is_found(tmp_path):
    folder = write_tiny_imagenet(tmp_path)
    assert len(load_tiny(folder)[0][0]) == 6
    for data_dir in (in_itself(folder), folder, folder / folder.name):
        assert len(load_tiny(data_dir)[0][0]) == 6


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
    assert count("CIFAR10", tmp_path) == 30


@pytest.mark.parametrize("packed", [False, True], ids=["folder", "tar"])
def test_a_missing_file_is_named_even_if_another_place_has_all(tmp_path, packed, cache):
    write_cifar10(cache)
    path = write_cifar10(tmp_path)
    (path / "data_batch_3").unlink()
    if packed:
        path = tar_of(path, "cifar-10-python.tar.gz")
    message = refusal(load_data, "CIFAR10", tmp_path)
    assert message.startswith(f"{path} holds no data_batch_3: move it away and download it again")


def test_a_dry_run_of_reproduce_downloads_nothing(tmp_path, monkeypatch, capsys):
    from brainprop.reproduce import command

    monkeypatch.setattr("keras.utils.get_file", None)
    arguments = ["--datasets", "CIFAR10", "--data-dir", str(tmp_path), "--dry-run"]
    assert command.main(arguments) == 0
    captured = capsys.readouterr()
    assert "time unknown" in captured.out and "cifar-10-python.tar.gz is missing" in captured.err


# MNIST


def test_mnist_is_read(tmp_path):
    write_mnist(tmp_path)
    first = load_data("MNIST", tmp_path)
    (x_train, y_train), (x_test, y_test) = first
    assert (x_train[..., 0] == mnist_arrays()["x_train"]).all() and y_train.dtype == np.int32
    assert y_train.tolist() == mnist_arrays()["y_train"].tolist()
    # So is what comes from it.
    arrays = {"x_train": x_train, "y_train": y_train, "x_test": x_test, "y_test": y_test}
    np.savez(tmp_path / "mnist.npz", **arrays)
    assert same(first, load_data("MNIST", tmp_path))
    x_train[0] = 0  # is writable


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
    if changes is MNIST_CHANGES["other shape"]:
        assert "uint8 of shape (10, 28, 27) instead of" in message


def test_mnist_that_is_a_folder_or_pipe_is_refused(tmp_path):
    (tmp_path / "mnist.npz").mkdir()
    refusal(load_data, "MNIST", tmp_path)
    (tmp_path / "mnist.npz").rmdir()
    os.mkfifo(tmp_path / "mnist.npz")
    assert "is a pipe or a device" in refusal(load_data, "MNIST", tmp_path)


def write_tar(folder: Path) -> Path:
    return tar_of(write_cifar100(folder), "cifar-100-python.tar.gz")


@pytest.mark.parametrize(
    ("make", "load"),
    [
        (write_mnist, mnist.load),
        (lambda folder: write_cifar100(folder) / "train", cifar.CIFAR100.load),
        (write_tar, cifar.CIFAR100.load),
        (lambda folder: zip_of(write_tiny_imagenet(folder)), load_tiny),
    ],
    ids=["npz", "pickle", "tar", "zip"],
)
def test_truncated_files_are_refused(tmp_path, make, load):
    path = make(tmp_path)
    content = path.read_bytes()
    for tenths in range(10):
        path.write_bytes(content[: len(content) * tenths // 10])
        message = refusal(load, tmp_path)
        assert str(path) in message and "move it away and download it again" in message


# CIFAR


CIFARS = {
    "CIFAR10": (write_cifar10, "cifar-10-python.tar.gz", cifar10_batch, b"labels", 5),
    "CIFAR100": (write_cifar100, "cifar-100-python.tar.gz", cifar100_batch, b"fine_labels", 1),
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
    assert labels.tolist() == batch()[label_key] * batches
    # channel by channel, row by row
    assert images[2, 3, 4].tolist() == batch()[b"data"][2].reshape(3, 32, 32)[:, 3, 4].tolist()
    assert test_labels.tolist() == batch()[label_key] and (test_images == images[:6]).all()
    images[0] = 0  # is writable


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
    "labels of another machine": lambda batch: {
        **batch, b"labels": np.array(batch[b"labels"], ">i4"),
    },
    "labels in a tuple": lambda batch: {**batch, b"labels": tuple(batch[b"labels"])},
    "labels of NumPy": lambda batch: {**batch, b"labels": list(np.array(batch[b"labels"]))},
    "an empty name": lambda batch: {**batch, b"batch_label": b""},
    "columns first": lambda batch: {**batch, b"data": np.asfortranarray(batch[b"data"])},
    # In protocol 2, Python 3 writes each of them as a call.
    "many file names": lambda batch: {**batch, b"filenames": [b"%d" % n for n in range(2000)]},
}  # fmt: skip


@pytest.mark.parametrize("change", REPICKLED.values(), ids=REPICKLED)
def test_cifar_pickled_again_by_python_3_is_read(tmp_path, change):
    folder = write_cifar10(tmp_path)
    expected = load_data("CIFAR10", tmp_path)
    for protocol in range(6):
        for path in folder.iterdir():
            path.write_bytes(pickle.dumps(change(cifar10_batch()), protocol))
        assert same(expected, load_data("CIFAR10", tmp_path))


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
    pickles.loads(b"\x80\x02}K\x01c_codecs\nencode\n}U\x04nameU\x01xsbs.")
    assert names == pickles._NAMES
    assert not any("name" in vars(function) for function in names.values())


def write_members(folder: Path, *members: tuple[str, bytes, str]) -> None:
    """Writes an archive of members: name, type, and the target of a link."""
    content = pickle.dumps(cifar100_batch(), 2)
    with tarfile.open(folder / "cifar-100-python.tar.gz", "w:gz") as archive:
        for name, kind, target in members:
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, target
            member.size = len(content) if member.isreg() else 0
            archive.addfile(member, io.BytesIO(content))


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE]
)
def test_cifar_tar_with_a_link_out_of_it_is_refused(tmp_path, kind):
    secret = tmp_path / "secret"
    secret.write_bytes(pickle.dumps(cifar100_batch(), 2))
    write_members(tmp_path, ("cifar-100-python/train", kind, str(secret)))
    message = refusal(load_data, "CIFAR100", tmp_path)
    assert "not found" in message or "holds no train" in message


def test_cifar_tar_is_not_extracted(tmp_path):
    members = ("../escaped", "/tmp/cifar-100-python/escaped")
    write_members(tmp_path, *((name, tarfile.REGTYPE, "") for name in members))
    assert "holds no train and no test" in refusal(load_data, "CIFAR100", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["cifar-100-python.tar.gz"]
    assert not (tmp_path.parent / "escaped").exists()


# Tiny ImageNet


@pytest.fixture(params=["folder", "zip"])
def tiny(request, tmp_path):
    """A small data set, as a folder, which `load` packs for half of the tests."""

    class Tiny:
        path = write_tiny_imagenet(tmp_path)
        cache = tmp_path / "tiny-imagenet-200.cache"

        def load(self):
            if request.param == "zip" and self.path.exists():
                zip_of(self.path)
            return load_tiny(tmp_path)

    return Tiny()


def test_tiny_imagenet_is_read(tiny, capsys):
    (images, labels), (test_images, test_labels) = tiny.load()
    assert images.shape == test_images.shape == (6, 64, 64, 3)
    assert images.dtype == np.uint8 and labels.dtype == test_labels.dtype == np.int32
    assert labels.tolist() == [0, 0, 1, 1, 2, 2]  # n01, n02, n03
    assert test_labels.tolist() == [2, 0, 1, 2, 0, 1]
    assert capsys.readouterr().err == f"decoding 12 images, once: {tiny.cache} keeps them\n"
    assert not list(tiny.cache.parent.glob(".*"))


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


def remove(*names: str):
    return lambda path: [(path / name).unlink() for name in names]


def substitute(name: str, pattern: str, text: str):
    return lambda path: (path / name).write_text(re.sub(pattern, text, (path / name).read_text()))


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
    "annotations empty": (replace(ANNOTATIONS, b""), f"is missing in {ANNOTATIONS}"),
    "annotations binary": (replace(ANNOTATIONS, b"\xff\x00\xfe"), ANNOTATIONS),
    "annotations gone": (remove(ANNOTATIONS), "val_annotations.txt is missing"),
    "wnids gone": (remove("wnids.txt"), "wnids.txt"),
    "wnid too many": (append("wnids.txt", "n05\n"), "4 classes instead of 3"),
    "wnid unknown": (substitute("wnids.txt", "n02", "n05"), "n02 is not in wnids.txt"),
    "class empty": (remove(TRAIN_IMAGE, "train/n02/images/n02_0.JPEG"), "train/n02 has no images"),
    "strange letters": (append(ANNOTATIONS, "a\x1b[1mb\x07\tn01\t0\n"), "[1mb? is missing"),
}  # fmt: skip


@pytest.mark.parametrize(("damage", "named"), TINY_DAMAGE.values(), ids=TINY_DAMAGE)
def test_tiny_imagenet_damaged_is_refused(tiny, damage, named):
    damage(tiny.path)
    message = refusal(tiny.load)
    assert named in message and str(tiny.path) in message and tiny_imagenet.SOURCE.url in message
    assert not tiny.cache.exists()


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
    assert f"{path} cannot be read (Permission denied)" in refusal(load_tiny, tmp_path)


@pytest.mark.parametrize("deeper", ["", "images"])
def test_tiny_imagenet_with_validation_images_in_class_folders_is_read(tiny, deeper):
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


def test_tiny_imagenet_with_copies_in_class_folders_is_read(tiny):
    shutil.copytree(tiny.path / "val/images", tiny.path / "val/n01")
    assert tiny.load()[1][1].tolist() == [2, 0, 1, 2, 0, 1]


def test_tiny_imagenet_prefers_the_folder(tmp_path):
    zip_of(write_tiny_imagenet(tmp_path)).write_bytes(b"damaged")
    write_tiny_imagenet(tmp_path)
    load_tiny(tmp_path)


# The cache of decoded images


@pytest.fixture
def decoded(monkeypatch):
    """Counts how often images are decoded."""
    calls, decode = [], tiny_imagenet._decoded
    monkeypatch.setattr(
        tiny_imagenet, "_decoded", lambda *arguments: calls.append(1) or decode(*arguments)
    )
    return calls


def test_second_start_does_not_decode(tiny, decoded):
    first, second = tiny.load(), tiny.load()
    assert len(decoded) == 1 and same(first, second)
    assert second[0][0].flags.writeable
    tiny.cache.unlink()
    assert same(first, tiny.load()) and same(first, tiny.load())
    assert len(decoded) == 2


@pytest.mark.parametrize(("within", "data_dir"), [("", "."), ("train", "..")])
def test_a_data_dir_can_lead_to_the_folder_that_one_is_in(
    tmp_path, decoded, monkeypatch, within, data_dir
):
    path = write_tiny_imagenet(tmp_path)
    expected = load_tiny(tmp_path)
    monkeypatch.chdir(path / within)
    assert same(load_tiny(data_dir), expected) and same(load_tiny(data_dir), expected)
    assert len(decoded) == 1 and not list(path.rglob("*.cache"))


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


CACHE_DAMAGE = {
    "cut": lambda content: content[:-1000],
    "longer": lambda content: content + b"x",
    "digest": lambda content: b"x" + content[1:],
    "empty": lambda content: b"",
    "text": lambda content: b"text",
}


@pytest.mark.parametrize("damage", CACHE_DAMAGE.values(), ids=CACHE_DAMAGE)
def test_damaged_cache_is_written_again(tmp_path, decoded, damage):
    write_tiny_imagenet(tmp_path)
    first = load_tiny(tmp_path)
    cache = tmp_path / "tiny-imagenet-200.cache"
    content = cache.read_bytes()
    cache.unlink()  # `first` is mapped from it.
    cache.write_bytes(damage(content))
    assert same(first, load_tiny(tmp_path)) and same(first, load_tiny(tmp_path))
    assert len(decoded) == 2


def test_cache_that_cannot_be_written_is_a_warning(tmp_path, capsys):
    write_tiny_imagenet(tmp_path)
    (tmp_path / "tiny-imagenet-200.cache").mkdir()
    assert len(load_tiny(tmp_path)[0][0]) == 6
    (warning,) = re.findall(r"warning: .*", capsys.readouterr().err)
    assert "tiny-imagenet-200.cache" in warning and "decoded again" in warning
    assert len(list(tmp_path.iterdir())) == 2
