"""Where the time of the deep step goes, and how near it is to the machine's limit.

    python -m benchmarks.profile

The limit is the machine's rate of matrix products, measured in the same run, in turns with the
step: 2,048 x 2,048 numbers in float32, as TensorFlow multiplies them.
"""

import argparse
import tempfile
from collections import Counter
from pathlib import Path

import keras
import tensorflow as tf

from benchmarks.interleaved import compare
from benchmarks.steps import random_batch, step_of
from brainprop.common import devices
from brainprop.experiments import Experiment
from brainprop.networks.models import model_for

STEPS, ROUNDS, SIZE, LONGEST = 5, 15, 2048, 12


def operation_milliseconds(step, steps: int) -> Counter:
    """Time by kind of TensorFlow operation, in milliseconds a step, over all threads."""
    # TensorFlow's wheel has the reader of its own profiles, though not as a public module.
    from tensorflow.tsl.profiler.protobuf import xplane_pb2

    with tempfile.TemporaryDirectory() as folder:
        with tf.profiler.experimental.Profile(folder):
            for _ in range(steps):
                step()
        (file,) = Path(folder).rglob("*.xplane.pb")
        profile = xplane_pb2.XSpace.FromString(file.read_bytes())
    times: Counter[str] = Counter()
    for plane in profile.planes:
        for event in (event for line in plane.lines for event in line.events):
            path, _, operation = plane.event_metadata[event.metadata_id].name.rpartition(":")
            if path and "/" in path:  # An operation of the graph, not the runtime's own doings.
                times[operation.removeprefix("_MklNative")] += event.duration_ps / 1e9 / steps
    return times


def floating_point_operations(model: keras.Model, batch: int) -> float:
    """Those of a step's convolutions and matrix products, a product and a sum counting two.

    Backwards takes as many for the kernels, and as many again for the inputs; but the first
    layer's inputs are the images, which need no gradient.
    """
    layers = [
        layer
        for layer in model.layers
        if isinstance(layer, keras.layers.Conv2D | keras.layers.Dense)
    ]
    forward = []
    for layer in layers:
        _, *positions, units = layer.output.shape
        pixels = positions[0] * positions[1] if positions else 1
        forward.append(2 * batch * pixels * layer.kernel.shape.num_elements())
    return 3 * sum(forward) - forward[0]


def main() -> None:
    argparse.ArgumentParser("python -m benchmarks.profile", description=__doc__).parse_args()
    experiment = Experiment("CIFAR10", "deep", "BrainProp")
    model = model_for(experiment)
    step = step_of(model, random_batch(experiment))
    matrix = tf.random.normal((SIZE, SIZE))
    product = tf.function(lambda: tf.reduce_sum(tf.matmul(matrix, matrix)))
    timing = compare({"step": step, "product": lambda: float(product())}, ROUNDS)
    work = floating_point_operations(model, experiment.batch_size)
    rate = work / timing.milliseconds["step"] / 1e6
    peak = 2 * SIZE**3 / timing.milliseconds["product"] / 1e6
    print(f"Measured on {devices.description()}.\n")
    print(
        f"A deep step on CIFAR-10 takes {timing.milliseconds['step']:.0f} ms for {work / 1e9:.0f} "
        f"GFLOP of convolutions and matrix products: {rate:.0f} GFLOPS, {100 * rate / peak:.0f} % "
        f"of the {peak:.0f} GFLOPS of a large matrix product.\n"
    )
    times = operation_milliseconds(step, STEPS)
    print("| operation | ms a step, all threads | share |\n|---|---|---|")
    for operation, milliseconds in times.most_common(LONGEST):
        share = 100 * milliseconds / times.total()
        print(f"| {operation} | {milliseconds:.1f} | {share:.1f} % |")
    rest = times.total() - sum(ms for _, ms in times.most_common(LONGEST))
    print(f"| all others | {rest:.1f} | {100 * rest / times.total():.1f} % |")


if __name__ == "__main__":
    main()
