"""A program that takes training steps on request, so that two sides can take turns.

    python -c "$(cat benchmarks/worker.py)" SIDE DATASET ARCHITECTURE PRECISION

It runs in the folder of a checkout, and `brainprop` is that checkout's. So it uses public names
only. SIDE is "brainprop", or "keras2" for `benchmarks.keras2`. For each line on stdin, a number of
steps, it takes one more step, and prints the seconds of the others: the first one fetches into the
caches what the other side has pushed out.
"""

import os
import sys
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

import numpy as np
import tensorflow as tf

IMAGES = {"MNIST": ((28, 28, 1), 10), "CIFAR10": ((32, 32, 3), 10)}
BATCH_SIZES = {"loccon": 32}

side, dataset, architecture, precision = sys.argv[1:]
shape, classes = IMAGES[dataset]
size = BATCH_SIZES.get(architecture, 128)
rng = np.random.default_rng(1)  # How long a step takes does not depend on what images show.
batch = rng.random((size, *shape), np.float32), rng.integers(0, classes, size, np.int32)

if side == "keras2":
    from benchmarks.keras2 import network

    model = network(architecture, shape, classes, size)
else:
    from brainprop import build_model

    mixed = precision == "mixed"
    model = build_model(dataset, architecture, "BrainProp", mixed_precision=mixed)
model.make_train_function(force=True)
batches = iter(tf.data.Dataset.from_tensors(batch).repeat())


def step() -> float:
    return float(model.train_function(batches)["loss"])


for line in sys.stdin:
    step()
    start = time.perf_counter()
    for _ in range(int(line)):
        step()
    print(time.perf_counter() - start, flush=True)
