#!/usr/bin/env bash
# hoi 0.0.7 (JAX 0.6.2, NumPy 2.2.6, SciPy 1.15.3, Python 3.11): the integrated information decomposition returns
# another atom than asked for, and the same for both directions. No error, no warning.
# AtomsPhiID splits the information that the past of two signals has on their future into 16 atoms. The atom "u2ts",
# what the second past alone tells only on both futures together, has the index of "u2tu1" (issue 88 of hoi). So the
# information is that of another atom, and sums of atoms with "u2ts" are wrong: those of all 16 differ from the whole.
# With matrix=True, the entry (1, 0) should be the atom for signals 1 and 0 in this order. The numbers of the pair
# (0, 1) are copied there. That is right for atoms that treat both signals alike, as the default "sts". For the others,
# first and second change their parts: for "u1tu2", what signal 0 hands to signal 1 is shown in both directions.
# Ways out: the signals in reverse order, for "u1ts" in place of "u2ts", and for the other half of the matrix.
#
# Seen (bits, for two signals that act on one another; the formula is for Gaussian signals; matrix entries (0, 1) and
# (1, 0), the formula for both, and hoi with the signals in reverse order):
#   rtr    seen  0.0325   formula  0.0325
#   rtu1   seen  0.3388   formula  0.3388
#   rtu2   seen  0.0000   formula  0.0000
#   rts    seen  0.1603   formula  0.1603
#   u1tr   seen  0.0000   formula  0.0000
#   u1tu1  seen  0.0000   formula  0.0000
#   u1tu2  seen  0.0000   formula  0.0000
#   u1ts   seen  0.0000   formula  0.0000
#   u2tr   seen  0.5201   formula  0.5200
#   u2tu1  seen -0.3388   formula -0.3388
#   u2tu2  seen  0.0159   formula  0.0158
#   u2ts   seen -0.3388   formula  0.9251
#   str    seen  0.2684   formula  0.2683
#   stu1   seen  0.2782   formula  0.2784
#   stu2   seen -0.0159   formula -0.0158
#   sts    seen  0.0161   formula  0.0160
#   all    seen  0.9367   formula  2.2007
#   sts    matrix  0.0161  0.0161   formula  0.0160  0.0160   reverse  0.0161
#   u1tu2  matrix  0.0000  0.0000   formula  0.0000 -0.3388   reverse -0.3388
#   u1ts   matrix  0.0000  0.0000   formula  0.0000  0.9251   reverse  0.9252
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check jax==0.6.2 jaxlib==0.6.2 numpy==2.2.6 scipy==1.15.3 \
    tqdm==4.67.1
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check --no-deps hoi==0.0.7 jax-tqdm==0.2.2
cd "$folder"
HOME=$folder JAX_PLATFORMS=cpu OMP_NUM_THREADS=1 "$folder/venv/bin/python" -W ignore - <<'PYTHON'
import numpy as np
from hoi.metrics import AtomsPhiID

NAMES = ("r", "u1", "u2", "s")  # Redundant, of the first alone, of the second alone, of both together.
ATOMS = [past + "t" + future for past in NAMES for future in NAMES]
rng = np.random.default_rng(0)
signals = np.zeros((5000, 2))
for step in range(1, len(signals)):
    noise = rng.standard_normal(2) @ [[1, 0.6], [0, 0.8]]
    signals[step] = [[0.5, -0.8], [0.3, 0.8]] @ signals[step - 1] + noise


def information(one, other):
    parts = (one, other, np.hstack((one, other)))
    logarithms = [np.linalg.slogdet(np.cov(part.T).reshape(part.shape[1], -1))[1] for part in parts]
    return (logarithms[0] + logarithms[1] - logarithms[2]) / 2 / np.log(2)


def formula(x):
    """Returns all atoms, for redundancy as the smallest information."""
    past, future, parts = x[:-1], x[1:], ([0], [1], [0, 1])
    whole = np.array([[information(past[:, i], future[:, j]) for j in parts] for i in parts])
    whole = np.vstack((whole[:2].min(0), whole))  # Of the redundant part.
    whole = np.hstack((whole[:, :2].min(1, keepdims=True), whole))
    share = np.linalg.inv([[1, 0, 0, 0], [1, 1, 0, 0], [1, 0, 1, 0], [1, 1, 1, 1]])
    return dict(zip(ATOMS, (share @ whole @ share.T).ravel()))


def seen(atoms, x=signals, **settings):
    model = AtomsPhiID(x, verbose=False)
    return np.squeeze(model.fit(method="gauss", atoms=atoms, **settings))


wanted, turned = formula(signals), formula(signals[:, ::-1])
for atom in ATOMS:
    value = float(seen([atom]))
    print(f"{atom:6} seen {value:7.4f}   formula {wanted[atom]:7.4f}")
    if atom == "u2ts":
        assert np.isclose(value, wanted["u2tu1"], atol=2e-3) and abs(value - wanted[atom]) > 0.02
    else:
        assert np.isclose(value, wanted[atom], atol=2e-3)
whole = information(signals[:-1], signals[1:])
print(f"all    seen {seen(ATOMS):7.4f}   formula {whole:7.4f}")
assert np.isclose(seen(["u1ts"], signals[:, ::-1]), wanted["u2ts"], atol=2e-3)
assert abs(seen(ATOMS) - whole) > 0.02 and np.isclose(sum(wanted.values()), whole)
for atom in ("sts", "u1tu2", "u1ts"):
    matrix = seen([atom], matrix=True)
    numbers = matrix[0, 1], matrix[1, 0], wanted[atom], turned[atom], seen([atom], signals[:, ::-1])
    print("{:6} matrix {:7.4f} {:7.4f}   formula {:7.4f} {:7.4f}   reverse {:7.4f}".format(atom, *numbers))
    assert matrix[0, 1] == matrix[1, 0] and np.allclose(numbers[2:4], (numbers[0], numbers[4]), atol=2e-3)
    assert np.isclose(*numbers[2:4], atol=0.01) == (atom == "sts")
PYTHON
