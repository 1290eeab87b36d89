#!/usr/bin/env bash
# JAX: at the same point of the same function grad is NaN and jvp is 0, where a branch is not taken.
#
# Guess     JAX makes reverse mode out of forward mode by transposing it, so both give the same
#           derivative at every point, or both NaN.
# Seen      where(x > 0, √x, 0) and relu(1 − 1/x²) at 0: jax.grad nan, jax.jvp 0, as the branch taken;
#           jacrev nan beside jacfwd 0. But minimum(1/x², 5), and sqrt(x²), are nan in both.
# Version   jax 0.10.2, in float64, CPU
# Why       Forward mode selects: the tangent of the branch that is not taken is inf or NaN, and is
#           thrown away. Its transpose sends a zero back into that branch, where 0 · inf is NaN. A
#           maximum, though, is differentiated by a product with 0, ½ or 1 in forward mode too.
# Matters   The advice to write every `where` twice is for reverse mode only. A function that passes
#           every test of jvp (Jacobians by jacfwd, hvp by forward over reverse) may train to NaN.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q "jax==0.10.2" "jaxlib==0.10.2" 2>/dev/null
"$folder/venv/bin/python" - <<'PYTHON'
import math

import jax
import jax.numpy as jnp

jax.config.update("jax_enable_x64", True)
print("jax", jax.__version__)
functions = {
    "where(x > 0, sqrt(x), 0)": (lambda x: jnp.where(x > 0, jnp.sqrt(x), 0.0), "nan", "0"),
    "relu(1 - 1/x**2)": (lambda x: jax.nn.relu(1 - 1 / x**2), "nan", "0"),
    "minimum(1/x**2, 5)": (lambda x: jnp.minimum(1 / x**2, 5.0), "nan", "nan"),
    "sqrt(x**2)": (lambda x: jnp.sqrt(x**2), "nan", "nan"),
}
for name, (f, reverse, forward) in functions.items():
    zero = jnp.float64(0.0)
    by_reverse = [float(d(f)(zero)) for d in (jax.grad, jax.jacrev)]
    by_forward = [float(jax.jvp(f, (zero,), (jnp.float64(1.0),))[1]), float(jax.jacfwd(f)(zero))]
    print(f"{name} at 0: grad, jacrev {by_reverse}, jvp, jacfwd {by_forward}")
    for found, wanted in ((by_reverse, reverse), (by_forward, forward)):
        for number in found:
            same = math.isnan(number) if wanted == "nan" else number == float(wanted)
            assert same, "it has changed"
PYTHON
