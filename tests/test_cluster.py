"""Runs on a real Ray cluster: two nodes on this machine, one of which is killed."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace

import pytest
from programs import PATIENCE, WAIT_FOR_GO, wait_until

from brainprop.reproduce import cluster
from brainprop.reproduce import command as reproduce
from brainprop.reproduce.attempts import Attempt, Status

PROJECT = Path(__file__).parents[1]
SHORT = (
    "--datasets", "MNIST", "--architectures", "dense", "--algorithms", "EBP", "--seeds", "1-2",
    "--epochs", "2", "--max-train-samples", "128", "--max-eval-samples", "100",
)  # fmt: skip

# The workers know the network from this plugin only. They wait after the first epoch.
PLUGIN = f"""
import pathlib
from brainprop import register_architecture

go = pathlib.Path(__file__).with_name("go")
{WAIT_FOR_GO}

def build(images, blocks):
    import keras
    return keras.layers.Flatten()(images)


register_architecture("waiting", build=build)
"""


@contextlib.contextmanager
def node(*where):
    """The process of a node of one processor that, so it seems, has a GPU. None of it remains."""
    process = subprocess.Popen(
        ["ray", "start", *map(str, where), "--num-cpus", "1", "--num-gpus", "0", "--block",
         "--object-store-memory", "100000000", "--disable-usage-stats",
         "--include-log-monitor", "false"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        env=os.environ | {"CUDA_VISIBLE_DEVICES": "0"},
    )  # fmt: skip
    try:
        yield process
    finally:
        process.terminate()
        process.wait(PATIENCE)
        kill(process)


def kill(node):
    """Kills all that a node has started, which is in a session of its own."""
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(ProcessLookupError):
            if os.getsid(int(path.name)) == node.pid:
                os.kill(int(path.name), signal.SIGKILL)


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
        where = ("--head", "--port", port, "--include-dashboard", "false", "--temp-dir", folder)
        with node(*where) as process:
            wait_until(lambda: list(Path(folder).rglob("raylet.out")), process)
            yield f"127.0.0.1:{port}", Path(folder, "session_latest", "logs")


def test_a_killed_nodes_run_is_resumed_on_the_other_and_every_result_is_there_once(
    head, tmp_path, request
):
    address, logs = head
    (tmp_path / "waiting.py").write_text(PLUGIN)
    sweep = ("--seeds", "1", "--sweep", "l2=0,1e-4", "--architectures", "waiting")
    results = tmp_path / "results"
    driver = subprocess.Popen(
        [sys.executable, "-m", "brainprop.reproduce", *SHORT, *sweep,
         "--plugin", tmp_path / "waiting.py", "--results", results,
         "--cluster", "ray", "--cluster-address", address],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=PROJECT,
    )  # fmt: skip
    request.addfinalizer(driver.kill)
    unfinished = results / "unfinished"
    with node("--address", address) as second:
        wait_until(lambda: len(list(unfinished.rglob("checkpoint-0001.npz"))) == 2, driver)
        workers = [int(lock.read_text().split()[1]) for lock in unfinished.glob("*.lock")]
        assert [os.getsid(worker) for worker in workers].count(second.pid) == 1
        kill(second)
    (tmp_path / "go").touch()
    out, err = driver.communicate(timeout=PATIENCE)
    assert driver.returncode == 0, err
    assert out.splitlines()[-1] == "2 runs: 2 finished"
    assert ": finished\n" not in out  # Each run was trained once.
    texts = [log.read_text() for log in logs.glob("worker-*.out")]
    assert sum("resuming after epoch" in text for text in texts) == 1
    told = [json.loads(path.read_text()) for path in results.glob("*.json")]
    assert sorted(run["settings"]["l2"] for run in told) == [0, 1e-4]
    assert all(run["plugins"] == ["waiting.py"] for run in told)
    assert all(run["epochs"] == len(run["history"]["loss"]) == 2 for run in told)
    assert all("CUDA_VISIBLE_DEVICES hides all GPUs" in run["device"] for run in told)
    assert len(list(results.glob("*_weights.h5"))) == 2
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
