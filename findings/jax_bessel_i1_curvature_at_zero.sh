#!/usr/bin/env bash
# jax.scipy.special.i1: its second derivative at 0 is 1, and right beside it 0.
#
# Guess     i1 is odd and smooth, so its second derivative at 0 is 0 and near 0 it is 3x/8.
# Seen      x        second derivative    right
#           0         1                    0
#           1e-8     -5.6e-17              3.75e-09
#           1e-4      3.75000e-05          3.75000e-05
#           The slope is right everywhere. Second: the slope of i0 at 720, where i0 is ∞, is NaN.
# Version   jax 0.10.2, float64, CPU
# Why       the slope is i0(x) − i1(x)/x with a where that puts ½ for i1(x)/x at 0, and in the branch that
#           is taken nothing depends on x but a correction for the tiny; beside 0 the difference cancels.
# Matters   curvature at a point of symmetry is what a Newton step from a symmetric start needs first.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q "jax==0.10.2" "jaxlib==0.10.2" 2>/dev/null
"$folder/venv/bin/python" - <<'PYTHON'
import math

import jax
from jax.scipy import special

jax.config.update("jax_enable_x64", True)
print("jax", jax.__version__)

slope = jax.grad(special.i1)
for x, right in {0.0: 0.0, 1e-8: 3.75e-9, 1e-4: 3.75e-5}.items():
    print(f"x = {x:g}: slope {slope(x):.9f}, second {jax.grad(slope)(x):.6g}, right {right:.6g}")
assert jax.grad(slope)(0.0) == 1 and slope(0.0) == 0.5
assert abs(jax.grad(slope)(1e-8)) < 1e-15
assert math.isclose(jax.grad(slope)(1e-4), 3.75e-5, rel_tol=1e-6)
print("i0 at 720:", special.i0(720.0), "slope", jax.grad(special.i0)(720.0))
assert math.isinf(special.i0(720.0)) and math.isnan(jax.grad(special.i0)(720.0))
PYTHON
