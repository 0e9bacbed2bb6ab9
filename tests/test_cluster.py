"""Runs on a real Ray cluster: two nodes on this machine, one of which is killed."""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from brainprop.reproduce import cluster
from brainprop.reproduce import command as reproduce
from brainprop.reproduce.attempts import Attempt, Status
from brainprop.training import checkpoints

PROJECT = Path(__file__).parents[1]
SHORT = (
    "--datasets", "MNIST", "--architectures", "dense", "--algorithms", "EBP", "--seeds", "1-2",
    "--epochs", "16", "--patience", "16", "--max-train-samples", "128", "--max-eval-samples", "100",
)  # fmt: skip

# A sweep in place of the seeds, over a network that the workers know from the plugin only.
SWEEP = (
    *SHORT, "--seeds", "1", "--sweep", "l2=0,1e-4", "--architectures", "pooled",
    "--plugin", PROJECT / "examples" / "plugins" / "architectures.py",
)  # fmt: skip


def start_node(*where):
    """Starts a node of one processor that, so it seems, has a GPU; returns its process."""
    return subprocess.Popen(
        ["ray", "start", *map(str, where), "--num-cpus", "1", "--num-gpus", "0", "--block",
         "--object-store-memory", "100000000", "--disable-usage-stats"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        env=os.environ | {"CUDA_VISIBLE_DEVICES": "0"},
    )  # fmt: skip


@pytest.fixture(scope="module")
def head(tmp_path_factory):
    """The address of a cluster that asks for a token, and the folder of its logs."""
    pytest.importorskip("ray", reason="Ray is not installed: pip install -r requirements-ray.txt")
    with (
        pytest.MonkeyPatch.context() as patch,
        tempfile.TemporaryDirectory() as folder,  # Not pytest's: a socket's path must be short.
        socket.socket() as probe,
    ):
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        patch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")
        patch.setenv("HOME", str(tmp_path_factory.mktemp("home")))
        patch.setenv("RAY_AUTH_TOKEN", "0123456789abcdef" * 4)
        patch.setenv("RAY_AUTH_MODE", "token")
        probe.close()
        node = start_node("--head", "--port", port, "--include-dashboard", "false",
                          "--temp-dir", folder)  # fmt: skip
        wait_until(lambda: raylet(node) and list(Path(folder).rglob("raylet.out")), node)
        yield f"127.0.0.1:{port}", Path(folder, "session_latest", "logs")
        node.terminate()
        node.wait()


def raylet(node):
    """The id of a node's main process, if it has started."""
    for status in Path("/proc").glob("[0-9]*/status"):
        with contextlib.suppress(OSError):
            command = status.with_name("cmdline").read_bytes()
            if b"raylet/raylet" in command and f"PPid:\t{node.pid}\n" in status.read_text():
                return int(status.parent.name)


def wait_until(condition, process):
    deadline = time.monotonic() + 120
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.05)


def parent(lock):
    """The parent of the process that holds a run's lock, if it does by now."""
    with contextlib.suppress(OSError, IndexError):
        pid = lock.read_text().split()[1]
        return int(re.search(r"PPid:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[1])


def test_a_killed_nodes_run_is_resumed_on_the_other_and_every_result_is_there_once(head, tmp_path):
    address, logs = head
    second = start_node("--address", address)
    driver = subprocess.Popen(
        [sys.executable, "-m", "brainprop.reproduce", *SWEEP, "--results", tmp_path,
         "--cluster", "ray", "--cluster-address", address],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=PROJECT,
    )  # fmt: skip
    unfinished = tmp_path / "unfinished"

    def at_work_on_the_second():
        return [
            lock
            for lock in unfinished.glob("*.lock")
            if checkpoints.paths(lock.with_suffix("")) and parent(lock) == raylet(second)
        ]

    wait_until(at_work_on_the_second, driver)
    (victim,) = at_work_on_the_second()
    worker = int(victim.read_text().split()[1])
    os.kill(worker, signal.SIGSTOP)  # Or it might finish before it sees that its node is gone.
    os.kill(raylet(second), signal.SIGKILL)
    second.kill()
    with contextlib.suppress(ProcessLookupError):
        os.kill(worker, signal.SIGKILL)
    assert not (tmp_path / f"{victim.stem}.json").exists()

    out, err = driver.communicate(timeout=240)
    assert driver.returncode == 0, err
    assert out.splitlines()[-1] == "2 runs: 2 finished"
    assert ": finished\n" not in out  # Each run was trained once.
    texts = [log.read_text() for log in logs.glob("worker-*.out")]
    assert sum("resuming after epoch" in text for text in texts) == 1
    results = [json.loads(path.read_text()) for path in tmp_path.glob("*.json")]
    assert sorted(result["settings"]["l2"] for result in results) == [0, 1e-4]
    assert all(result["plugins"] == ["architectures.py"] for result in results)
    assert all(result["epochs"] == len(result["history"]["loss"]) == 16 for result in results)
    assert all("CUDA_VISIBLE_DEVICES hides all GPUs" in result["device"] for result in results)
    assert len(list(tmp_path.glob("*_weights.h5"))) == 2
    assert list(unfinished.iterdir()) == []


@pytest.mark.parametrize(
    ("mode", "token"), [("disabled", None), ("token", None), ("token", "fedcba9876543210" * 4)]
)
def test_a_cluster_that_asks_for_its_token_is_reported_with_the_way_out(
    mode, token, head, tmp_path
):
    address, _ = head
    environment = os.environ | {
        "RAY_AUTH_MODE": mode, "RAY_AUTH_TOKEN": token or "",
        "RAY_gcs_server_port_wait_time_s": "2",  # Not 20.
    }  # fmt: skip
    asked = subprocess.run(
        [sys.executable, "-m", "brainprop.reproduce", *SHORT, "--results", tmp_path,
         "--cluster", "ray", "--cluster-address", address],
        capture_output=True, text=True, cwd=PROJECT, env=environment,
    )  # fmt: skip
    assert asked.returncode == 2
    (line,) = asked.stderr.splitlines()
    assert f"--cluster-address {address}: the cluster asks for its token" in line
    assert "RAY_AUTH_MODE=token" in line


def test_workers_get_the_folders_as_they_were_given(tmp_path, monkeypatch):
    """A link may lead elsewhere on their machines."""
    given = []

    class Ray:
        """Says that it completes each run at once."""

        exceptions = SimpleNamespace(RayError=RuntimeError)
        cluster_resources, shutdown = dict, dict
        nodes = staticmethod(lambda: [{"Alive": True, "Resources": {"CPU": 1}}])
        wait = staticmethod(lambda tasks: (tasks[:1], tasks[1:]))
        get = staticmethod(lambda _: Attempt(Status.FINISHED, "finished"))

        @staticmethod
        def remote(**options):
            task = SimpleNamespace(remote=lambda *words: given.append(words) or len(given))
            return lambda function: task

    monkeypatch.setattr(cluster, "_connect", lambda address: Ray)
    monkeypatch.setenv("HOME", str(PROJECT))
    (tmp_path / "export").mkdir()
    (tmp_path / "shared").symlink_to("export")
    folders = ("--results", str(tmp_path / "shared" / "runs"), "--data-dir", "~")
    assert reproduce.main([*SHORT, *folders, "--cluster", "ray"]) == 0
    assert [words[1:3] for words in given] == [(tmp_path / "shared" / "runs", PROJECT)] * 2


def test_without_ray_one_line_tells_what_to_install(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "ray", None)
    assert reproduce.main([*SHORT, "--results", str(tmp_path), "--cluster", "Ray"]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "requirements-ray.txt" in error


@pytest.mark.parametrize("address", ["127.0.0.1:1", "nowhere"])
def test_a_cluster_that_is_not_there_is_told_in_one_line(address, tmp_path, capsys):
    pytest.importorskip("ray", reason="Ray is not installed: pip install -r requirements-ray.txt")
    arguments = (*SHORT, "--results", str(tmp_path), "--cluster", "ray")
    assert reproduce.main([*arguments, "--cluster-address", address]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and f"--cluster-address {address}: " in error


@pytest.mark.parametrize(("cpus", "gpus"), [(3, 0), (1, 1)])
def test_a_run_too_large_for_every_machine_is_refused(cpus, gpus):
    class Ray:
        @staticmethod
        def nodes():
            return [
                {"Alive": True, "Resources": {"CPU": 2.0}},
                {"Alive": False, "Resources": {"CPU": 64.0, "GPU": 8.0}},
            ]

    cluster._check_resources(Ray, 2, 0)
    with pytest.raises(reproduce.BrainPropError, match="no machine"):
        cluster._check_resources(Ray, cpus, gpus)
