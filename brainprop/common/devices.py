"""The devices that TensorFlow runs on."""

import os
import platform
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import tensorflow as tf

from brainprop.common.errors import BrainPropError, one_line

# NVIDIA's GPUs from this compute capability on calculate in bfloat16.
BFLOAT16_CAPABILITY = (8, 0)


def description() -> str:
    """Returns the names of the GPUs; without a GPU, the processor's name and the reason."""
    gpus = tf.config.list_physical_devices("GPU")
    if gpus:
        details = [tf.config.experimental.get_device_details(gpu) for gpu in gpus]
        return ", ".join(detail.get("device_name", "GPU") for detail in details)
    if os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1"):
        reason = "CUDA_VISIBLE_DEVICES hides all GPUs"
    elif Path("/dev/nvidia0").exists():
        reason = 'TensorFlow cannot use the GPU: pip install "tensorflow[and-cuda]"'
    else:
        reason = "no GPU found"
    cores = _cores()
    return f"{_processor()}, {cores} core{'s' if cores != 1 else ''} ({reason})"


def announce(what: str) -> None:
    """Prints what runs, such as an experiment's name and seed, and on which device."""
    print(f"{what}, on {description()}", flush=True)


def _cores() -> int | None:
    """Returns the number of cores that the process may use, which a scheduler may limit."""
    threads = tf.config.threading.get_intra_op_parallelism_threads()
    if hasattr(os, "sched_getaffinity"):  # macOS has none.
        return threads or len(os.sched_getaffinity(0))
    return threads or os.cpu_count()


def _processor() -> str:
    """Returns the name of the machine's processor."""
    with suppress(OSError):  # Only Linux has this file.
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


@contextmanager
def reported_failures() -> Iterator[None]:
    """Turns TensorFlow's errors of a failing device into a `BrainPropError`.

    Raises:
        BrainPropError: If the device is out of memory, or fails otherwise.
    """
    try:
        yield
    except (tf.errors.ResourceExhaustedError, MemoryError) as error:
        raise BrainPropError(
            f"out of memory or space on {description()} ({one_line(error)}): end other programs "
            "there, or give a smaller --batch-size"
        ) from error
    except (
        tf.errors.FailedPreconditionError,
        tf.errors.InternalError,
        tf.errors.NotFoundError,  # No algorithm of cuDNN fits into the memory that is left.
        tf.errors.UnimplementedError,
        tf.errors.UnknownError,
    ) as error:
        raise BrainPropError(
            f"TensorFlow failed on {description()} ({one_line(error)}): CUDA_VISIBLE_DEVICES=-1 "
            "runs it without a GPU, main.py's --debug prints more"
        ) from error


def strategy(gpus: int | None) -> tf.distribute.Strategy:
    """Returns the strategy that spreads every batch over several GPUs, or uses the one device.

    The batch size and the update stay the same, given `check_even_parts`. Batch normalization
    takes the moments of each device's part of the batch, and averages them in its moving averages.

    Args:
        gpus: How many; `None` uses the device that TensorFlow chooses.

    Raises:
        BrainPropError: If there are fewer GPUs.
    """
    if gpus is None:
        return tf.distribute.get_strategy()
    available = len(tf.config.list_logical_devices("GPU"))
    if gpus > available:
        raise BrainPropError(f"--gpus {gpus}: TensorFlow finds {available} here, {description()}")
    return tf.distribute.MirroredStrategy([f"GPU:{index}" for index in range(gpus)])


def check_even_parts(sizes: Mapping[str, int]) -> None:
    """Checks that the devices of a `strategy` can share images evenly.

    Each device's average counts the same, regardless of the size of its part. And Keras cannot
    start with a batch whose parts differ in size.

    Args:
        sizes: Numbers of images, by what they are: "images of a batch".

    Raises:
        BrainPropError: If a number is not a multiple of the number of devices.
    """
    devices = tf.distribute.get_strategy().num_replicas_in_sync
    for images, size in sizes.items():
        if size % devices:
            raise BrainPropError(
                f"{devices} GPUs cannot share {size} {images} evenly: choose another number of "
                "GPUs, or of images by --batch-size, --max-train-samples or --max-eval-samples"
            )


def replicas() -> int:
    """Returns the number of devices that share the batch of the step in which this is called.

    Outside of a `tf.distribute` strategy's step, that is 1.
    """
    context = tf.distribute.get_replica_context()  # None in a strategy's scope, outside of steps.
    return context.num_replicas_in_sync if context else 1


def replica_seed(generator) -> tf.Tensor:
    """Draws a seed for TensorFlow's stateless random functions: int32, shape `(2,)`.

    Under `tf.distribute.MirroredStrategy` all replicas have the same state of the generator, a
    `keras.random.SeedGenerator`. With the replica's number in the seed, they draw other numbers.
    """
    seed = tf.cast(generator.next(), tf.int32)
    if replicas() == 1:
        return seed
    replica = tf.distribute.get_replica_context().replica_id_in_sync_group
    return tf.random.experimental.stateless_fold_in(seed, replica)


def mixed_precision_policy() -> str:
    """Returns the Keras policy for mixed precision: bfloat16, or float16 on an older GPU."""
    for gpu in tf.config.list_physical_devices("GPU"):
        details = tf.config.experimental.get_device_details(gpu)
        if details.get("compute_capability", BFLOAT16_CAPABILITY) < BFLOAT16_CAPABILITY:
            return "mixed_float16"
    return "mixed_bfloat16"
