#!/usr/bin/env bash
# Jaxley 0.14.0 (JAX 0.10.2, NumPy 2.4.6, Python 3.11): NegSoftplusTransform(upper) bounds parameters by -upper. The
# documentation says that it maps any value to the interval (-inf, upper]. It negates the SoftplusTransform with the
# lower bound upper, whose bound is negated along. So a reversal potential with the upper bound -70 goes up to
# 70, and a fit takes it across -70 and 0 with no hindrance. With a positive bound such as 2, parameters between
# -2 and 2 cannot be reached, and their inverse is NaN. The round trip of what can be reached is right, and so are
# bounds of 0. No error, no warning.
# The way out is NegSoftplusTransform(-upper).
#
# Seen (the largest value, and the inverse of an allowed one, with the bound and with the bound negated; a potential
# of -80 that is fitted to 50):
#   upper   2   largest  -2.00   inverse of   1.0     nan
#   upper   2   largest   2.00   inverse of   1.0   -0.54    negated
#   upper -70   largest  70.00   inverse of -71.0 -141.00
#   upper -70   largest -70.00   inverse of -71.0   -0.54    negated
#   potential below -70, fitted to 50   upper -70 50.00   upper 70 -70.00
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check jaxley==0.14.0 jax==0.10.2 jaxlib==0.10.2 \
    numpy==2.4.6
cd "$folder"
JAX_PLATFORMS=cpu OMP_NUM_THREADS=1 "$folder/venv/bin/python" -W ignore - <<'PYTHON'
import jax
import jax.numpy as jnp
from jaxley.optimize.transforms import NegSoftplusTransform, ParamTransform

raw = jnp.linspace(-19, 19, 1001)
for upper, allowed in ((2.0, 1.0), (-70.0, -71.0)):
    line = "upper {:3.0f}   largest {:6.2f}   inverse of {:5.1f} {:7.2f}"
    seen = []
    for name, transform in (("", NegSoftplusTransform(upper)), ("    negated", NegSoftplusTransform(-upper))):
        seen.append((transform.forward(raw).max(), transform.inverse(jnp.array(allowed))))
        print(line.format(upper, seen[-1][0], allowed, seen[-1][1]) + name)
    assert abs(seen[0][0] + upper) < 0.01 and abs(seen[1][0] - upper) < 0.01
    assert jnp.isnan(seen[0][1]) if upper > 0 else abs(seen[0][1] + 141) < 0.01
    assert abs(seen[1][1] + jnp.log(jnp.expm1(upper - allowed))) < 1e-3


def fit(upper, steps=3000):
    transform = ParamTransform([{"potential": NegSoftplusTransform(upper)}])
    parameters = transform.inverse([{"potential": jnp.array(-80.0)}])
    loss = lambda p: (transform.forward(p)[0]["potential"] - 50) ** 2
    step = jax.jit(lambda p: jax.tree.map(lambda a, g: a - 0.1 * jnp.clip(g, -10, 10), p, jax.grad(loss)(p)))
    for _ in range(steps):
        parameters = step(parameters)
    return transform.forward(parameters)[0]["potential"]


seen = fit(-70.0), fit(70.0)
print("potential below -70, fitted to 50   upper -70 {:.2f}   upper 70 {:.2f}".format(*seen))
assert abs(seen[0] - 50) < 0.01 and abs(seen[1] + 70) < 0.01
PYTHON
