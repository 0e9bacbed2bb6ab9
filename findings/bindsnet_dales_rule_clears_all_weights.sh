#!/usr/bin/env bash
# BindsNET 0.3.4 (PyTorch 2.14.1, Python 3.11): Dales_rule, by which a synapse keeps its sign, sets all weights
# to zero. The documentation promises zero or positive weights where it is True, zero or negative ones where
# it is False. Of its two comparisons, which lack brackets, the first clears all negative weights and the
# second all positive ones, regardless of the rule. One time step is enough, without any spike and without
# a learning rule.
#
# Seen (the weights before and after one step):
#   excitatory  [0.5, 2.0, 0.1] -> [0.0, 0.0, 0.0]
#   inhibitory  [-0.5, -2.0, -0.1] -> [0.0, 0.0, 0.0]
#   no rule     [0.5, -2.0, 0.1] -> [0.5, -2.0, 0.1]
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check bindsnet==0.3.4 torch==2.14.1
cd "$folder"
OMP_NUM_THREADS=1 "$folder/venv/bin/python" - <<'PYTHON'
import torch
from bindsnet.network import Network
from bindsnet.network.nodes import Input, LIFNodes
from bindsnet.network.topology import Connection


def after_a_step(weights, **rule):
    network = Network()
    source, target = Input(1), LIFNodes(3)
    connection = Connection(source, target, w=torch.tensor([weights]), **rule)
    network.add_layer(source, "source")
    network.add_layer(target, "target")
    network.add_connection(connection, "source", "target")
    network.run({"source": torch.zeros(1, 1)}, time=1)
    return [round(weight, 5) for weight in connection.w[0].tolist()]


excitatory, inhibitory, mixed = [0.5, 2.0, 0.1], [-0.5, -2.0, -0.1], [0.5, -2.0, 0.1]
seen = (
    after_a_step(excitatory, Dales_rule=torch.ones(1, 3, dtype=torch.bool)),
    after_a_step(inhibitory, Dales_rule=torch.zeros(1, 3, dtype=torch.bool)),
    after_a_step(mixed),
)
for name, before, after in zip(
    ("excitatory", "inhibitory", "no rule   "), (excitatory, inhibitory, mixed), seen
):
    print(f"{name}  {before} -> {after}")
assert seen == ([0, 0, 0], [0, 0, 0], mixed)
PYTHON
