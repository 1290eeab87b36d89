#!/usr/bin/env bash
# jax.numpy.logaddexp: at (∞, 0) its two slopes are 1 and 1, though they are shares that add up to 1.
#
# Guess     the slopes are a softmax of the two arguments: (1, 0) at (∞, 0), NaN or ½ each at (∞, ∞).
# Seen      (1, 1) at (∞, 0) and at (∞, ∞); (NaN, NaN) at (−∞, −∞); (0, 1) at (−∞, 0).
#           logsumexp of [∞, 0] gives (NaN, 0): one function, two spellings, two answers.
# Version   jax 0.10.2, float64, CPU
# Why       the rule computes exp(x − result) for each argument apart and replaces what would be ∞ − ∞,
#           so that the infinite result makes both exponents 0.
# Matters   −∞ and ∞ stand for masked and forced entries; a share that is counted twice is a gradient
#           that looks healthy and is too large.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q "jax==0.10.2" "jaxlib==0.10.2" 2>/dev/null
"$folder/venv/bin/python" - <<'PYTHON'
import math

import jax
import jax.numpy as jnp
from jax.scipy import special

jax.config.update("jax_enable_x64", True)
print("jax", jax.__version__)

for pair in [(jnp.inf, 0.0), (jnp.inf, jnp.inf), (-jnp.inf, -jnp.inf), (-jnp.inf, 0.0)]:
    print(pair, [float(g) for g in jax.grad(jnp.logaddexp, (0, 1))(*pair)])
summed = jax.grad(special.logsumexp)(jnp.array([jnp.inf, 0.0]))
print("logsumexp at [inf, 0]:", summed)
assert [float(g) for g in jax.grad(jnp.logaddexp, (0, 1))(jnp.inf, 0.0)] == [1, 1]
assert [float(g) for g in jax.grad(jnp.logaddexp, (0, 1))(jnp.inf, jnp.inf)] == [1, 1]
assert math.isnan(summed[0]) and summed[1] == 0
PYTHON
