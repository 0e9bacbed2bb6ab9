"""Interrupts training runs at random moments, and goes on with each; see `test_interruption.py`.

    python tests/interrupted_runs.py RUNS FOLDER

Every run is a process forked from this one, which has imported TensorFlow but runs nothing in it,
and which thereby saves most of the time to start. Run n + 1 resumes run n.
"""

import json
import os
import pickle
import random
import re
import signal
import sys
import time
import traceback
from collections import Counter
from pathlib import Path

import h5py

from brainprop import cli
from brainprop.training import checkpoints

SETTINGS = (
    *("MNIST", "dense", "EBP", "--max-train-samples", "256", "--max-eval-samples", "100"),
    *("--patience", "1000"),
)
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGKILL)
PARTIAL = ".brainprop.partial"


def start(folder: Path, epochs: int) -> int:
    """Forks a run that resumes, saves, and writes to `out` and `err`; returns the process id."""
    for name in ("out", "err"):  # A run that is killed at once would leave its predecessor's.
        (folder / name).write_text("")
    process = os.fork()
    if process:
        return process
    for name, descriptor in (("out", 1), ("err", 2)):
        os.dup2(os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), descriptor)
    places = ("--output-dir", str(folder / "o"), "--checkpoint-dir", str(folder / "c"))
    code = 99
    try:
        code = cli.main([*SETTINGS, *places, "-s", "--resume", "--epochs", str(epochs)])
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        os._exit(code)


def check_files(folder: Path, checked: set[tuple]) -> None:
    """Reads every file that has a final name to its end, unless it was checked before."""
    for path in folder.rglob("*/*"):
        version = path, path.stat().st_mtime_ns
        if path.name.endswith(PARTIAL) or version in checked:
            continue
        checked.add(version)
        match path.suffix:
            case ".h5":
                with h5py.File(path) as file:
                    names = [name for name in _all_names(file) if name.endswith(":0")]
                    assert len([file[name][()] for name in names]) == 4, path
            case ".npz":
                checkpoints.load(path)
            case ".json":
                json.loads(path.read_text())
            case ".pkl":
                pickle.loads(path.read_bytes())
            case ".pdf":
                content = path.read_bytes()
                assert content.startswith(b"%PDF") and content.strip().endswith(b"%%EOF"), path
            case ".png":
                assert path.read_bytes().endswith(b"IEND\xae\x42\x60\x82"), path
            case _:
                raise AssertionError(f"{path} is unexpected")


def _all_names(file: h5py.File) -> list[str]:
    names = []
    file.visit(names.append)
    return names


def last_epoch(folder: Path) -> int:
    found = checkpoints.paths(folder / "c")
    return checkpoints.load(found[-1]).epoch if found else 0


def main(runs: int, folder: Path) -> None:
    import brainprop.outputs.results  # noqa: F401, with TensorFlow and Matplotlib

    signal.signal(signal.SIGINT, signal.SIG_DFL)  # As in main.py: until training heeds it.
    rng = random.Random(runs)
    began = time.monotonic()
    assert os.waitstatus_to_exitcode(os.waitpid(start(folder, 2), 0)[1]) == 0
    seconds = time.monotonic() - began
    endings, resumed, checked = Counter(), 0, set()
    for run in range(runs):
        epoch = last_epoch(folder)
        process = start(folder, epoch + 2)
        number = SIGNALS[run % 3]
        time.sleep(rng.uniform(0, 1.1 * seconds))
        os.kill(process, number)
        code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
        out, err = ((folder / name).read_text() for name in ("out", "err"))
        assert "Traceback" not in err and err in ("", "interrupted\n") or "no epoch" in err, err
        assert code in (0, 128 + number, -number), (code, number, out, err)
        told = re.search(r"resuming after epoch (\d+)", out)
        assert not told or int(told[1]) == epoch, (told, epoch)
        resumed += bool(told)
        endings[f"{number.name} {code}"] += 1
        check_files(folder, checked)
    epoch = last_epoch(folder)
    assert os.waitstatus_to_exitcode(os.waitpid(start(folder, epoch + 1), 0)[1]) == 0
    assert f"resuming after epoch {epoch}," in (folder / "out").read_text() or epoch == 0
    assert last_epoch(folder) == epoch + 1
    partial = len(list(folder.rglob(f".*{PARTIAL}")))
    print(f"{runs} runs, {resumed} resumed, {epoch + 1} epochs trained")
    print(f"{len(checked)} whole files, {partial} partial ones under names that tell")
    print(dict(sorted(endings.items())))


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
