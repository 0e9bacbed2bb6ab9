"""The loaders on random and mutated files: what they promise, or the one error, and no more."""

import os
import resource
import shutil
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mutations import mutations
from official_layouts import (
    tar_of,
    write_cifar10,
    write_cifar100,
    write_mnist,
    write_tiny_imagenet,
    zip_of,
)

from brainprop.common.errors import BrainPropError
from brainprop.datasets import cifar, mnist, pickles, tiny_imagenet


def load_tiny(folder):
    return tiny_imagenet.load(folder, classes=3)


# What to make, the file in it that is damaged, how to load it, and what that promises.
FORMATS = {
    "mnist": (write_mnist, "mnist.npz", mnist.load, (28, 28, 1), 10),
    "cifar10 batch": (
        write_cifar10, "cifar-10-batches-py/data_batch_1", cifar.CIFAR10.load, (32, 32, 3), 10,
    ),
    "cifar100 batch": (
        write_cifar100, "cifar-100-python/train", cifar.CIFAR100.load, (32, 32, 3), 100,
    ),
    "cifar100 tar": (
        lambda folder: tar_of(write_cifar100(folder), "cifar-100-python.tar.gz"),
        "cifar-100-python.tar.gz", cifar.CIFAR100.load, (32, 32, 3), 100,
    ),
    "tiny zip": (
        lambda folder: zip_of(write_tiny_imagenet(folder)),
        "tiny-imagenet-200.zip", load_tiny, (64, 64, 3), 3,
    ),
    "tiny image": (
        write_tiny_imagenet, "tiny-imagenet-200/train/n01/images/n01_0.JPEG",
        load_tiny, (64, 64, 3), 3,
    ),
    "tiny annotations": (
        write_tiny_imagenet, "tiny-imagenet-200/val/val_annotations.txt",
        load_tiny, (64, 64, 3), 3,
    ),
    "tiny wnids": (
        write_tiny_imagenet, "tiny-imagenet-200/wnids.txt", load_tiny, (64, 64, 3), 3,
    ),
    "tiny cache": (
        lambda folder: (write_tiny_imagenet(folder), load_tiny(folder)),
        "tiny-imagenet-200.cache", load_tiny, (64, 64, 3), 3,
    ),
}  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def bounded_memory():
    """A damaged pickle may ask for much memory: it then gets a MemoryError soon."""
    limits = resource.getrlimit(resource.RLIMIT_AS)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + 2**31, limits[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, limits)


@pytest.fixture(scope="module", params=FORMATS)
def layout(request, tmp_path_factory):
    """A folder with a valid data set, and the row of the table."""
    make, name, load, shape, classes = FORMATS[request.param]
    folder = tmp_path_factory.mktemp("layout")
    make(folder)
    return folder, name, load, shape, classes


def check(layout, content: bytes) -> None:
    """Puts content in place of the file, and loads the data set."""
    original, name, load, shape, classes = layout
    with tempfile.TemporaryDirectory(dir=original.parent) as temporary:
        folder = Path(temporary, "copy")
        shutil.copytree(original, folder, copy_function=os.link)  # cheap, and keeps the times
        (folder / name).unlink()
        (folder / name).write_bytes(content)
        try:
            splits = load(folder)
        except BrainPropError as error:
            assert str(error).isprintable() and temporary in str(error)
            return
    for images, labels in splits:
        assert images.dtype == np.uint8 and images.shape == (len(labels), *shape)
        assert labels.dtype == np.int32 and labels.min() >= 0 and labels.max() < classes


@given(content=st.binary(max_size=2000))
def test_random_bytes(layout, content):
    check(layout, content)


@given(data=st.data())
def test_mutated_files(layout, data):
    content = (layout[0] / layout[1]).read_bytes()
    check(layout, data.draw(mutations(content)))


INSTRUCTIONS = [
    *(b"}", b"]", b")", b"(", b"K\x01", b"N", b"U\x04data", b"q\x01", b"h\x01", b"\x94", b"0"),
    *(b"s", b"u", b"a", b"e", b"t", b"\x85", b"\x86", b"\x87", b"R", b"b", b"l", b"d", b"2"),
    *(b"cnumpy\nndarray\n", b"cnumpy\ndtype\n", b"c_codecs\nencode\n", b"U\x02u1", b"U\x01|"),
    *(b"cnumpy.core.multiarray\n_reconstruct\n", b"cnumpy.core.numeric\n_frombuffer\n", b"\x81"),
]


@given(program=st.lists(st.sampled_from(INSTRUCTIONS), max_size=30).map(b"".join))
def test_random_pickle_programs(program):
    try:
        result = pickles.loads(b"\x80\x02}" + program + b".")
    except Exception as error:  # of any kind: `reading` makes one of it
        assert not isinstance(error, RecursionError)
    else:
        assert type(result) is dict
