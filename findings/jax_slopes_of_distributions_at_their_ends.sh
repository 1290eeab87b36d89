#!/usr/bin/env bash
# jax.scipy.special: the slopes of the incomplete gamma and beta functions are NaN where a distribution
# begins, even for the uniform one.
#
# Guess     betainc(1, 1, x) is x and gammainc(1, x) is 1 − exp(−x): their slopes at 0 are 1, their second
#           derivatives 0 and −1.
# Seen      both slopes at 0 are NaN, and that of betainc(1, 1, x) at 1 too. Where the slope is right, as
#           for gammainc(2, x) and betainc(2, 3, x) at 0, the second derivative is NaN (right 1 and 12).
#           At 1e-300 all of these are right. ndtri, the quantile of the normal distribution, is −∞ at 0
#           and has the slope 0 there (right ∞).
# Version   jax 0.10.2, float64, CPU
# Why       the density is exp((a − 1) log x + …): 0 · (−∞) at a = 1, and its derivative (a − 1)/x · 0.
# Matters   a probability of exactly 0 or 1 is common in data; one such row turns a gradient into NaN.
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

def derivatives(f, x):
    return float(jax.grad(f)(x)), float(jax.grad(jax.grad(f))(x))


functions = {
    "betainc(1, 1, x)": lambda x: special.betainc(1.0, 1.0, x),
    "gammainc(1, x)": lambda x: special.gammainc(1.0, x),
    "gammainc(2, x)": lambda x: special.gammainc(2.0, x),
    "betainc(2, 3, x)": lambda x: special.betainc(2.0, 3.0, x),
}
found = {name: derivatives(f, 0.0) for name, f in functions.items()}
beside = {name: derivatives(f, 1e-300) for name, f in functions.items()}
for name in functions:
    print(f"{name:17} at 0: {found[name]}, at 1e-300: {beside[name]}")
print("ndtri at 0:", float(special.ndtri(0.0)), "slope", float(jax.grad(special.ndtri)(0.0)))
assert all(math.isnan(second) for _, second in found.values())
assert [math.isnan(slope) for slope, _ in found.values()] == [True, True, False, False]
assert math.isclose(beside["betainc(1, 1, x)"][0], 1) and math.isclose(beside["gammainc(1, x)"][0], 1)
assert math.isclose(beside["gammainc(2, x)"][1], 1, rel_tol=1e-12)
assert special.ndtri(0.0) == -math.inf and jax.grad(special.ndtri)(0.0) == 0
PYTHON
