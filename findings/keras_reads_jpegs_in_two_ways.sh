#!/usr/bin/env bash
# Keras 3.15.1 (TensorFlow 2.21.0 as backend, Pillow 13.0.0, Python 3.11) has two JPEG readers whose
# pixels differ: load_img reads with Pillow, image_dataset_from_directory with tf.io.decode_jpeg, whose
# default, INTEGER_FAST, trades accuracy for speed. So predict on load_img's pixels is not predict on what
# the network was trained on. dct_method="INTEGER_ACCURATE" gives Pillow's pixels.
#
# Seen:
#   load_img is Pillow: True
#   image_dataset_from_directory: 66.9 % of the values differ from load_img's, by up to 5
#   decode_jpeg with INTEGER_ACCURATE: 0.0 %
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    tensorflow==2.21.0 keras==3.15.1 pillow==13.0.0
mkdir "$folder/images" "$folder/images/a" "$folder/images/b"
CUDA_VISIBLE_DEVICES= TF_CPP_MIN_LOG_LEVEL=3 "$folder/venv/bin/python" - "$folder/images" <<'PYTHON'
import sys
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from PIL import Image

folder = Path(sys.argv[1])
rng = np.random.default_rng(0)
coarse = Image.fromarray(rng.integers(0, 256, (32, 32, 3), dtype="uint8"))
for name in ("a", "b"):
    coarse.resize((256, 256)).save(folder / name / "image.jpg", quality=90)
file = folder / "a" / "image.jpg"

pillow = np.asarray(Image.open(file)).astype(int)
loaded = np.asarray(keras.utils.load_img(file)).astype(int)
data = keras.utils.image_dataset_from_directory(
    folder, image_size=(256, 256), batch_size=1, shuffle=False, verbose=False
)
read = np.asarray(next(iter(data))[0][0]).astype(int)
content = tf.io.read_file(str(file))
accurate = tf.io.decode_jpeg(content, dct_method="INTEGER_ACCURATE").numpy().astype(int)

difference = np.abs(read - loaded)
share = 100 * (difference > 0).mean()
same = 100 * (accurate != loaded).mean()
print("load_img is Pillow:", (loaded == pillow).all())
print(
    f"image_dataset_from_directory: {share:.1f} % of the values differ from load_img's, by up to "
    f"{difference.max()}"
)
print(f"decode_jpeg with INTEGER_ACCURATE: {same:.1f} %")
assert (loaded == pillow).all() and share > 10 and same == 0
PYTHON
