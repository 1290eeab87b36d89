#!/usr/bin/env bash
# jax.numpy.hypot: where both arguments are equally large, its Hessian is the zero matrix.
#
# Guess     hypot is smooth everywhere but at (0, 0), so its Hessian at (1, 1) is that of √(x² + y²):
#           [[0.354, −0.354], [−0.354, 0.354]].
# Seen      [[0, 0], [0, 0]], for (1, 1) and (−1, 1) alike, and by forward over forward mode too;
#           at (1, 1 + 1e-9), and for √(x² + y²) written out, the right numbers. The first
#           derivatives are right. At (0, 0) they are ½ each.
# Version   jax 0.10.2, in float64, CPU
# Why       hypot is the larger times √(1 + (smaller/larger)²), and the larger and the smaller are a
#           maximum and a minimum: at a tie each gives half its derivative to either. Of first order
#           these halves add up to the right slopes; of second order they cancel what there is.
# Matters   Newton steps, curvature penalties and Laplace approximations meet ties all the time:
#           points on a diagonal, equal initial values. No NaN, no warning: the function looks flat.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q "jax==0.10.2" "jaxlib==0.10.2" 2>/dev/null
"$folder/venv/bin/python" - <<'PYTHON'
import jax
import jax.numpy as jnp

jax.config.update("jax_enable_x64", True)
print("jax", jax.__version__)


def hessian(f, x, y):
    return jnp.array(jax.hessian(f, (0, 1))(x, y))


def written_out(x, y):
    return jnp.sqrt(x * x + y * y)


right = hessian(written_out, 1.0, 1.0)
at_the_tie = hessian(jnp.hypot, 1.0, 1.0)
beside_it = hessian(jnp.hypot, 1.0, 1.0 + 1e-9)
forward = jnp.array(jax.jacfwd(jax.jacfwd(jnp.hypot, (0, 1)), (0, 1))(-1.0, 1.0))
for name, found in (
    ("sqrt(x*x + y*y) at (1, 1)", right),
    ("hypot at (1, 1)", at_the_tie),
    ("hypot at (1, 1 + 1e-9)", beside_it),
    ("hypot at (-1, 1), forward over forward", forward),
):
    print(f"{name}: {found.tolist()}")
slopes = [float(s) for s in jax.grad(jnp.hypot, (0, 1))(0.0, 0.0)]
print("slopes of hypot at (0, 0):", slopes)
assert jnp.allclose(right, 0.5**1.5 * jnp.array([[1, -1], [-1, 1]]))
assert jnp.allclose(beside_it, right, atol=1e-6)
assert not at_the_tie.any(), "it has changed"
assert not forward.any(), "it has changed"
assert slopes == [0.5, 0.5], "it has changed"
PYTHON
