#!/usr/bin/env bash
# neurokit2 0.3.0 (NumPy 2.4.6, SciPy 1.17.1, Python 3.11): seven of its measures of entropy and complexity compute
# something else than their documentation or their name says. No error, no warning.
# entropy_shannon_joint, "how much entropy is contained in a joint system", is the Kullback-Leibler divergence of the
# two frequencies. It never looks at pairs. Of a signal and itself it is 0.
# entropy_cumulativeresidual is documented with P(X > x), but uses P(X <= x).
# entropy_kl, the Kozachenko-Leonenko estimate, multiplies diameters with the volume for radii: with the Euclidean norm,
# its default, it is too large by ln 2 per dimension. With norm="max", it is right.
# mutual_information with method="max" divides nats by bits: its largest value is 0.69, not 1.
# complexity_tolerance with "chon2009" has to divide by the fourth root of n / 1000. It divides by n / 1000, then by 4.
# fractal_psdslope with "voss1988", its default, has the sign of the slope wrong: a random walk gets a dimension of
# 3.5, and the smoother a signal, the rougher it is said to be. Dimensions of a curve lie between 1 and 2.
# entropy_bubble ignores alpha, the order of its entropy, and always uses 1 (the default is 2).
# Ways out: entropy_shannon of the pairs; entropy_cumulativeresidual of the negative signal; norm="max"; division by
# ln 2; the formula; (5 + slope) / 2, from the slope that is returned; none for bubbles.
#
# Seen (of two symbolic signals of which one is noisy, and of one with itself, in bits; of ninety 0 and ten 1; of pairs
# and of quadruples of a Gaussian, in nats; of a line and itself; of a Gaussian of 1000 and of 10000 values; of white
# noise and of a random walk; of 300 values of the noise):
#   joint entropy of x and y     seen  0.001    formula  2.475
#   joint entropy of x and x     seen  0.000    formula  1.584
#   cumulative residual          seen  0.137    formula  0.332
#   K-L entropy, 2 dimensions    seen  4.224    formula  2.838    norm="max"  2.837
#   K-L entropy, 4 dimensions    seen  8.430    formula  5.676    norm="max"  5.650
#   maximal information          seen  0.693    formula  1.000
#   tolerance, 1000 values       seen  0.069    formula  0.276
#   tolerance, 10000 values      seen  0.007    formula  0.154
#   dimension of white noise     seen  2.538    formula  2.462
#   dimension of a random walk   seen  3.506    formula  1.494
#   bubbles, alpha=1             seen  0.633    formula  0.633
#   bubbles, alpha=2             seen  0.633    formula  0.563
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check neurokit2==0.3.0 numpy==2.4.6 scipy==1.17.1
cd "$folder"
HOME=$folder MPLBACKEND=agg OMP_NUM_THREADS=1 "$folder/venv/bin/python" -W ignore - <<'PYTHON'
import neurokit2 as nk
import numpy as np

rng = np.random.default_rng(0)


def show(name, seen, formula, expected, more="", tolerance=0.02):
    print(f"{name:28} seen {seen:6.3f}    formula {formula:6.3f}{more}")
    assert np.allclose((seen, formula), expected, atol=tolerance)


def entropy(*signals):  # Of what occurs together, in bits.
    counts = np.unique(np.stack(signals), axis=1, return_counts=True)[1]
    return -np.sum(counts / counts.sum() * np.log2(counts / counts.sum()))


x = rng.integers(0, 3, 2000)
y = (x + (rng.random(2000) < 0.3)) % 3
for name, other, expected in (("y", y, (0, 2.475)), ("x", x, (0, 1.584))):
    show(f"joint entropy of x and {name}", nk.entropy_shannon_joint(x, other)[0], entropy(x, other), expected)
p, q = (np.bincount(signal) / 2000 for signal in (x, y))
assert np.isclose(nk.entropy_shannon_joint(x, y)[0], np.sum(p * np.log2(p / q)))

rare = np.repeat([0, 1], [90, 10])
show("cumulative residual", nk.entropy_cumulativeresidual(rare)[0], -0.1 * np.log2(0.1), (0.137, 0.332))
assert np.isclose(nk.entropy_cumulativeresidual(-rare)[0], -0.1 * np.log2(0.1))

gaussian = rng.normal(size=20000)
for dimension, expected in ((2, (4.224, 2.838)), (4, (8.43, 5.676))):
    seen, largest = (nk.entropy_kl(gaussian, dimension=dimension, norm=norm)[0] for norm in ("euclidean", "max"))
    formula = dimension / 2 * np.log(2 * np.pi * np.e)
    show(f"K-L entropy, {dimension} dimensions", seen, formula, expected, f'    norm="max" {largest:6.3f}')
    assert abs(largest - formula) < 0.05 and abs(seen - formula - dimension * np.log(2)) < 0.05

line = np.linspace(0, 1, 400)
show("maximal information", nk.mutual_information(line, line, method="max"), 1, (np.log(2), 1))

for count, expected in ((1000, (0.069, 0.274)), (10000, (0.007, 0.154))):
    signal = rng.normal(size=count)
    ratio = np.std(np.diff(signal), ddof=1) / np.std(signal, ddof=1)
    top = -0.036 + 0.26 * np.sqrt(ratio)  # Chon et al. (2009), for vectors of two values.
    seen = nk.complexity_tolerance(signal, method="chon2009", dimension=2)[0]
    show(f"tolerance, {count} values", seen, top / (count / 1000) ** 0.25, expected)
    assert np.isclose(seen, top / (count / 1000) / 4)

walk, white = np.cumsum(rng.normal(size=4096)), rng.normal(size=4096)
for name, signal, expected in (("white noise", white, (2.5, 2.5)), ("a random walk", walk, (3.45, 1.55))):
    seen, details = nk.fractal_psdslope(signal)
    show(f"dimension of {name}", seen, (5 + details["Slope"]) / 2, expected, tolerance=0.2)


def bubbles(signal, alpha, size=3):
    entropies = []
    for width in (size, size + 1):
        vectors = np.lib.stride_tricks.sliding_window_view(signal, width)
        first, second = np.triu_indices(width, 1)
        swaps = np.sum(vectors[:, first] > vectors[:, second], 1)
        chances = np.unique(swaps, return_counts=True)[1] / len(swaps)
        shannon = -np.sum(chances * np.log(chances))
        entropies.append(shannon if alpha == 1 else np.log(np.sum(chances**alpha)) / (1 - alpha))
    return (entropies[1] - entropies[0]) / np.log((size + 1) / (size - 1))


for alpha, expected in ((1, (0.633, 0.633)), (2, (0.633, 0.563))):
    seen = nk.entropy_bubble(white[:300], alpha=alpha)[0]
    show(f"bubbles, alpha={alpha}", seen, bubbles(white[:300], alpha), expected)
PYTHON
