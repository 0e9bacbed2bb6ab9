"""A data set: scikit-learn's handwritten digits, 8 x 8 pixels (`pip install scikit-learn`).

    python main.py Digits conv BrainProp --batch-size 16 --plugin examples/plugins/datasets.py

A folder of images needs no plugin: give the folder in place of the data set's name.
"""

from brainprop import register_dataset


def load(data_dir):
    """Returns training and test images with their labels. Yours might read files in `data_dir`."""
    from sklearn.datasets import load_digits  # Only now, so that --help is fast.
    from sklearn.model_selection import train_test_split

    digits = load_digits()
    images = (digits.images * 255 / 16).astype("uint8")[..., None]
    x_train, x_test, y_train, y_test = train_test_split(images, digits.target, random_state=1)
    return (x_train, y_train), (x_test, y_test)


register_dataset("Digits", load, (8, 8, 1), class_names=list("0123456789"))
