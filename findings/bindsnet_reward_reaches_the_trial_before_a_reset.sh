#!/usr/bin/env bash
# BindsNET 0.3.4 (PyTorch 2.14.1, Python 3.11): network.reset_state_variables() between two trials clears
# voltages and spikes, but not what reward-modulated learning (MSTDP, MSTDPET) keeps of the past on a plain
# Connection: traces and eligibility. So the reward of a trial also changes the synapses that were active
# in the trial before it. On a MulticompartmentConnection the same call clears them.
#
# Seen (trial 1: spikes, no reward; trial 2: reward, no spikes; largest change of a weight in trial 2):
#   MSTDP    Connection                 without reset 1.0265    with reset 1.0265
#   MSTDP    MulticompartmentConnection without reset 1.0265    with reset 0.0000
#   MSTDPET  Connection                 without reset 0.2147    with reset 0.2147
#   MSTDPET  MulticompartmentConnection without reset 0.2147    with reset 0.0000
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check bindsnet==0.3.4 torch==2.14.1
cd "$folder"
OMP_NUM_THREADS=1 "$folder/venv/bin/python" - <<'PYTHON'
import torch
from bindsnet import learning
from bindsnet.learning import MCC_learning
from bindsnet.network import Network
from bindsnet.network.nodes import Input, LIFNodes
from bindsnet.network.topology import Connection, MulticompartmentConnection
from bindsnet.network.topology_features import Weight


def change(rule, kind, reset):
    network = Network()
    source, target, weights = Input(4), LIFNodes(3), torch.full((4, 3), 20.0)
    if kind is Connection:
        rates = {"update_rule": getattr(learning, rule), "nu": [0.1, 0.1]}
        connection = Connection(source, target, w=weights, **rates)
        weights = connection.w
    else:
        rates = {"learning_rule": getattr(MCC_learning, rule), "nu": [0.1, 0.1]}
        feature = Weight("weight", value=weights, **rates)
        connection = MulticompartmentConnection(source, target, "cpu", pipeline=[feature])
        weights = feature.value
    network.add_layer(source, "source")
    network.add_layer(target, "target")
    network.add_connection(connection, "source", "target")
    network.run({"source": torch.ones(20, 4)}, time=20, reward=0.0)
    if reset:
        network.reset_state_variables()
    before = weights.clone()
    network.run({"source": torch.zeros(20, 4)}, time=20, reward=1.0)
    return (weights - before).abs().max().item()


for rule in ("MSTDP", "MSTDPET"):
    for kind in (Connection, MulticompartmentConnection):
        without, after = change(rule, kind, reset=False), change(rule, kind, reset=True)
        print(f"{rule:8} {kind.__name__:26} without reset {without:.4f}    with reset {after:.4f}")
        assert without > 0.1
        assert after == (without if kind is Connection else 0)
PYTHON
