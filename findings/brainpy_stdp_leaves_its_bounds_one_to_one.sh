#!/usr/bin/env bash
# BrainPy 2.8.2 (JAX 0.10.2, brainevent 0.2.1, Python 3.11): STDP_Song2000 documents W_max and W_min as the maximum
# and the minimum weight. With the connection OneToOne they do nothing: its stdp_update takes them, but only adds
# the changes. No error, no warning. Other connections (AllToAll, Dense, MaskedLinear, CSRLinear,
# EventCSRLinear) clip. So one-to-one weights grow without limit, and excitatory synapses become inhibitory.
# The way out is EventCSRLinear with a One2One connector, or to clip the weights after each step.
#
# Seen (W_min 0, W_max 1, weights 0.5 at first; the weight after each of four pairings 5 ms apart):
#   OneToOne                  pre first 0.871 1.214 1.555 1.895   post first  0.069 -0.383 -0.835 -1.288
#   OneToOne without bounds   pre first 0.871 1.214 1.555 1.895   post first  0.069 -0.383 -0.835 -1.288
#   AllToAll                  pre first 0.871 1.000 1.000 1.000   post first  0.069  0.000  0.000  0.000
#   EventCSRLinear, One2One   pre first 0.871 1.000 1.000 1.000   post first  0.069  0.000  0.000  0.000
#   OneToOne, then clipped    pre first 0.871 1.000 1.000 1.000   post first  0.069  0.000  0.000  0.000
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    brainpy==2.8.2 brainevent==0.2.1 brainstate==0.5.4 brainunit==0.5.2 jax==0.10.2 numba==0.68.1 numpy==2.4.6
cd "$folder"
JAX_PLATFORMS=cpu OMP_NUM_THREADS=1 "$folder/venv/bin/python" - <<'PYTHON'
import brainpy as bp
import brainpy.math as bm

bm.set_dt(1.0)
BOUNDS = {"W_min": 0.0, "W_max": 1.0}


def start(shape):
    return bm.full(shape, 0.5)


def weights(comm, clip=False, **bounds):  # Of the pair that fires pre first, and of the one that fires post first.
    pre, post = bp.dyn.LifRef(2), bp.dyn.LifRef(2)
    synapse = bp.dyn.STDP_Song2000(
        pre, None, bp.dyn.Expon.desc(2), comm, bp.dyn.CUBA.desc(), post, A1=0.5, A2=0.5, **bounds
    )

    def step(time):
        bp.share.save(t=1.0 * time, dt=1.0, i=time)
        synapse()
        early, late = (500.0 * (time % 100 == when) for when in (10, 15))
        pre(bm.stack([early, late]))
        post(bm.stack([late, early]))
        if clip:
            comm.weight.value = bm.clip(comm.weight.value, 0.0, 1.0)
        return comm.weight.value if comm.weight.ndim == 1 else bm.diag(comm.weight)

    seen = bm.as_numpy(bm.for_loop(step, bm.arange(400)))[99::100]
    return [[round(value, 3) for value in values] for values in seen.T.tolist()]


training, pairs = bm.training_mode, bp.conn.One2One(2, 2)
free = [[0.871, 1.214, 1.555, 1.895], [0.069, -0.383, -0.835, -1.288]]
bounded = [[0.871, 1.0, 1.0, 1.0], [0.069, 0.0, 0.0, 0.0]]
for how, comm, arguments, expected in (
    ("OneToOne", bp.dnn.OneToOne(2, start, mode=training), BOUNDS, free),
    ("OneToOne without bounds", bp.dnn.OneToOne(2, start, mode=training), {}, free),
    ("AllToAll", bp.dnn.AllToAll(2, 2, start, mode=training), BOUNDS, bounded),
    ("EventCSRLinear, One2One", bp.dnn.EventCSRLinear(pairs, start, mode=training), BOUNDS, bounded),
    ("OneToOne, then clipped", bp.dnn.OneToOne(2, start, mode=training), {"clip": True, **BOUNDS}, bounded),
):
    seen = weights(comm, **arguments)
    up, down = (" ".join(f"{value:{width}.3f}" for value in values) for values, width in zip(seen, (5, 6)))
    print(f"{how:25} pre first {up}   post first {down}")
    assert seen == expected
PYTHON
