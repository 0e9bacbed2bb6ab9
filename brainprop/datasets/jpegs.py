"""Decoding many small JPEG files at once.

A JPEG of 64 x 64 pixels costs Python more time than libjpeg, so threads, which share one
interpreter, gain nothing here (measured: two took as long as one); processes do.
"""

import contextlib
import io
import itertools
import multiprocessing
import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from types import ModuleType

import numpy as np
from PIL import Image
from tqdm import tqdm

from brainprop.common.errors import BrainPropError
from brainprop.common.reading import reading

File = tuple[str, bytes]  # how messages name it, and its content

IMAGES_PER_JOB = 256
MIN_IMAGES_FOR_PROCESSES = 4000  # below, decoding takes no longer than starting them
MAX_PROCESSES = 8  # more would wait for this process, which reads the files


def decode(files: Iterable[File], images: np.ndarray, remedy: str) -> None:
    """Decodes JPEG files as RGB on all cores, with a progress bar on stderr.

    Args:
        files: As many as `images` has room for; each is read only when its turn comes.
        images: uint8, shape (n, height, width, 3). Filled in the order of `files`.
        remedy: The way out if one of them is damaged, for the message.

    Raises:
        BrainPropError: If a file is no JPEG, is damaged, or has another size.
    """
    files = iter(files)
    size = (images.shape[2], images.shape[1])
    batches = iter(lambda: list(itertools.islice(files, IMAGES_PER_JOB)), [])
    jobs = ((batch, size, remedy) for batch in batches)
    start = 0
    with (
        tqdm(total=len(images), desc="Decoding images", unit="image", leave=False) as progress,
        contextlib.closing(_results(_decode_job, jobs, len(images))) as results,
    ):
        for pixels in results:
            images[start : start + len(pixels)] = pixels
            start += len(pixels)
            progress.update(len(pixels))


def _decode_job(job: tuple[list[File], tuple[int, int], str]) -> np.ndarray:
    batch, size, remedy = job
    return np.stack([_decode_file(file, size, remedy) for file in batch])


def _decode_file(file: File, size: tuple[int, int], remedy: str) -> np.ndarray:
    """Decodes one file to uint8, shape (height, width, 3)."""
    where, content = file
    with reading(where, remedy), Image.open(io.BytesIO(content), formats=["JPEG"]) as image:
        if image.size != size:  # known before anything is allocated for the pixels
            raise ValueError(f"{image.width} x {image.height} pixels, not {size[0]} x {size[1]}")
        return np.asarray(image.convert("RGB"))


def _results(function: Callable, jobs: Iterable, images: int) -> Generator[np.ndarray, None, None]:
    processes = min(os.cpu_count() or 1, MAX_PROCESSES)
    if images < MIN_IMAGES_FOR_PROCESSES or processes == 1:
        yield from map(function, jobs)
    else:
        yield from _parallel(function, jobs, processes)


def _parallel(function: Callable, jobs: Iterable, processes: int) -> Iterator:
    """Is `map` over processes, taking only a few jobs ahead of the results."""
    executor = ProcessPoolExecutor(
        processes,
        # a fork could inherit locks that TensorFlow's threads hold
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_follow_parent,
    )
    try:
        with _script_hidden():
            results: deque[Future] = deque()
            for job in jobs:
                results.append(executor.submit(function, job))
                if len(results) > 2 * processes:
                    yield results.popleft().result()
            while results:
                yield results.popleft().result()
    except BrokenProcessPool as error:
        raise BrainPropError(
            "a process that decoded images was killed: free some memory and try again"
        ) from error
    finally:
        executor.shutdown(cancel_futures=True)


def _follow_parent() -> None:
    """Leaves Ctrl-C, which reaches all processes, to the parent, and ends when that is killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def wait():
        multiprocessing.parent_process().join()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


@contextlib.contextmanager
def _script_hidden() -> Iterator[None]:
    """Keeps new processes from running the user's script again, which they do not need."""
    script = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = script
