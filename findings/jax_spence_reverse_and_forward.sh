#!/usr/bin/env bash
# jax.scipy.special.spence: reverse mode gives NaN from above 1 to 2, forward mode the right
# slope; at 1 itself both give 0.
#
# Guess     the dilogarithm is smooth for z > 0 with the slope log(z)/(1 − z), which is −1 at 1, and
#           reverse and forward mode are the same number.
# Seen      z        reverse    forward    right
#           0.5      -1.3863    -1.3863    -1.3863
#           1         0          0         -1
#           2         NaN       -0.6931    -0.6931
#           10       -0.2558    -0.2558    -0.2558
#           Values are right.
# Version   jax 0.10.2, float64, CPU
# Why       the function is put together by where from series for several ranges, with logarithms that
#           are NaN outside of theirs. Going forward the NaN is in the branch not taken and is dropped;
#           going back it is multiplied by 0. At 1 the argument of the series is constant.
# Matters   grad fails where jvp works, so a test of one mode says nothing of the other.
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

for z, right in {0.5: -2 * math.log(2), 1.0: -1.0, 2.0: -math.log(2), 10.0: -math.log(10) / 9}.items():
    reverse, forward = float(jax.grad(special.spence)(z)), float(jax.jacfwd(special.spence)(z))
    print(f"z = {z:4}: reverse {reverse:.6g}, forward {forward:.6g}, right {right:.6g}")
    if z == 1:
        assert reverse == forward == 0
    else:
        assert math.isclose(forward, right, rel_tol=1e-12)
        assert math.isnan(reverse) == (1 < z <= 2)
PYTHON
