"""What the labels of each data set mean."""

import pytest
from official_layouts import WNIDS, write_tiny_imagenet, zip_of

from brainprop.common.errors import BrainPropError
from brainprop.datasets import tiny_imagenet
from brainprop.datasets.table import DATASETS


@pytest.mark.parametrize("dataset", ["MNIST", "CIFAR10", "CIFAR100"])
def test_names_are_known_without_the_data_set(dataset, tmp_path):
    names = DATASETS[dataset].class_names(tmp_path)
    assert len(set(names)) == len(names) == DATASETS[dataset].classes
    assert list(names) == sorted(names)  # the official order, in all three


def test_names_are_those_of_the_official_downloads():
    assert DATASETS["MNIST"].class_names(None)[7] == "7"
    ten = DATASETS["CIFAR10"].class_names(None)
    assert (ten[0], ten[1], ten[5], ten[9]) == ("airplane", "automobile", "dog", "truck")
    hundred = DATASETS["CIFAR100"].class_names(None)
    assert (hundred[19], hundred[29], hundred[51]) == ("cattle", "dinosaur", "mushroom")
    assert (hundred[71], hundred[83], hundred[99]) == ("sea", "sweet_pepper", "worm")


@pytest.mark.parametrize("pack", [lambda path: path, zip_of], ids=["folder", "zip"])
def test_tiny_imagenets_are_the_first_words_in_the_order_of_the_labels(pack, tmp_path, capsys):
    folder = write_tiny_imagenet(tmp_path)
    words = "n02\ttwo, zwei\r\nn99\tno class\nn01\tone thing, one, eins\n"
    (folder / "words.txt").write_text(words)
    pack(folder)
    names = tiny_imagenet.class_names(tmp_path, classes=3)
    assert names == ("one thing", "two", "n03")
    assert capsys.readouterr().err == ""


def test_without_words_the_wordnet_ids_have_to_do(tmp_path):
    (write_tiny_imagenet(tmp_path) / "words.txt").unlink()
    assert tiny_imagenet.class_names(tmp_path, classes=3) == tuple(sorted(WNIDS))


def test_without_the_data_set_numbers_have_to_do_which_is_told(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    names = tiny_imagenet.class_names(tmp_path)
    assert len(names) == 200 and names[3] == "class 3"
    warning = capsys.readouterr().err
    assert warning.startswith("warning: ") and warning.count("\n") == 1
    assert "--data-dir" in warning


def test_a_data_set_with_other_classes_is_refused(tmp_path):
    write_tiny_imagenet(tmp_path)
    with pytest.raises(BrainPropError, match="3 classes instead of 200"):
        tiny_imagenet.class_names(tmp_path)
