#!/usr/bin/env bash
# Ray 2.60.0 (Python 3.11): a task with num_gpus=0 keeps the CUDA_VISIBLE_DEVICES of its machine, so it
# sees all GPUs, and a library that takes the first one takes it from the tasks that asked for it. Ray
# emptied the variable before; RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO=1 has it do so again. No GPU is needed
# to see this: Ray believes num_gpus.
#
# Seen:
#   by default: num_gpus=0 sees '0,1', num_gpus=1 sees one of them: True
#   with RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO=1: num_gpus=0 sees '', num_gpus=1 sees one of them: True
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check ray==2.60.0
export HOME="$folder"

visible() {
  CUDA_VISIBLE_DEVICES=0,1 "$folder/venv/bin/python" - <<'PYTHON' 2>/dev/null
import os

import ray

ray.init(num_cpus=2, num_gpus=2, include_dashboard=False)


def seen():
    return os.environ.get("CUDA_VISIBLE_DEVICES")


without, one = (ray.get(ray.remote(num_gpus=n)(seen).remote()) for n in (0, 1))
print(f"num_gpus=0 sees {without!r}, num_gpus=1 sees one of them: {one in ('0', '1')}")
PYTHON
}

default=$(visible)
old=$(RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO=1 visible)
echo "by default: $default"
echo "with RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO=1: $old"
[ "$default" = "num_gpus=0 sees '0,1', num_gpus=1 sees one of them: True" ]
[ "$old" = "num_gpus=0 sees '', num_gpus=1 sees one of them: True" ]
