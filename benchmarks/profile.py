"""Where the time of each network's step goes, and how near it is to the machine's limit.

    python -m benchmarks.profile

The shares are of the time of all operations, over all threads. The limit is the machine's rate of
matrix products, measured in the same run, in turns with the step: 2,048 x 2,048 numbers in float32,
as TensorFlow multiplies them.
"""

import argparse
import math
import tempfile
from collections import Counter
from pathlib import Path

import keras
import tensorflow as tf

from benchmarks.interleaved import compare
from benchmarks.steps import NETWORKS, random_batch, step_of
from brainprop.common import devices
from brainprop.experiments import Experiment
from brainprop.networks.models import model_for

STEPS, ROUNDS, SIZE, LEAST_SHARE = 5, 9, 2048, 1


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
    """Returns those of a step's matrix products and convolutions; a product and a sum count two.

    Backwards takes as many for the kernels, and as many again for the inputs; but the first
    layer's inputs are the images, which need no gradient.
    """
    forward = []
    for layer in (layer for layer in model.layers if hasattr(layer, "kernel")):
        shared = layer.output.shape[1:-1] if isinstance(layer, keras.layers.Conv2D) else ()
        forward.append(2 * batch * math.prod(shared) * layer.kernel.shape.num_elements())
    return 3 * sum(forward) - forward[0]


def main() -> None:
    argparse.ArgumentParser("python -m benchmarks.profile", description=__doc__).parse_args()
    matrix = tf.random.normal((SIZE, SIZE))
    product = tf.function(lambda: tf.reduce_sum(tf.matmul(matrix, matrix)))
    print(f"Measured on {devices.description()}.\n")
    times = {}
    for dataset, architecture in NETWORKS:
        experiment = Experiment(dataset, architecture, "BrainProp")
        model = model_for(experiment)
        step = step_of(model, random_batch(experiment))
        timing = compare({"step": step, "product": lambda: float(product())}, ROUNDS)
        work = floating_point_operations(model, experiment.batch_size)
        rate = work / timing.milliseconds["step"] / 1e6
        peak = 2 * SIZE**3 / timing.milliseconds["product"] / 1e6
        print(
            f"- {architecture} ({dataset}): {timing.milliseconds['step']:.1f} ms a step for "
            f"{work / 1e9:.2f} GFLOP of convolutions and matrix products: {rate:.0f} GFLOPS, "
            f"{100 * rate / peak:.0f} % of a large matrix product's {peak:.0f}."
        )
        times[architecture] = operation_milliseconds(step, STEPS)
    total = sum(times.values(), Counter())
    print(f"\n| operation | {' | '.join(times)} |\n|---|{'---|' * len(times)}")
    for operation in sorted(total, key=lambda name: -max(_share(t, name) for t in times.values())):
        shares = [_share(network, operation) for network in times.values()]
        if max(shares) > LEAST_SHARE:
            print(f"| {operation} | {' | '.join(f'{share:.1f} %' for share in shares)} |")


def _share(times: Counter, operation: str) -> float:
    """Returns an operation's part of the time of all, in percent."""
    return 100 * times[operation] / times.total()


if __name__ == "__main__":
    main()
