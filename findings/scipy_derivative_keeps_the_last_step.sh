#!/usr/bin/env bash
# scipy.differentiate.derivative: at large x the result gets worse with every iteration, and the worst
# is what is returned; a function that repeats every half is called flat with an error of 0.
#
# Guess     central differences of x² are exact but for rounding, and the step grows with x: the slope
#           at 1e10 comes out to some ten digits, at 1e17 too. What fails is said not to have converged,
#           with the best estimate there was.
# Seen      x = 1e10: 1.99876e10 after ten iterations; after one it is off by 2e-7;
#           x = 1e17: 1.6e21 where 2e17 is right. success is False in both.
#           sin(64πx) at 0: success, slope 0, error 0, after two iterations; right 201.06.
# Version   scipy 1.17.1
# Why       the first step is ½ whatever x is, and each iteration halves it: at 1e10 the rounding of
#           x² grows with each. The loop keeps the last estimate, not the one with the least error.
#           With steps of ½, ¼, ⅛ … a sine of period 1/32 is always met at its zeros.
# Matters   initial_step has to be set by the caller to the scale of x and of the function; the field
#           `error` is no bound.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q "scipy==1.17.1" "numpy==2.4.6" 2>/dev/null
"$folder/venv/bin/python" -W ignore - <<'PYTHON'
import numpy as np
import scipy
from scipy.differentiate import derivative

print("scipy", scipy.__version__)


def square(x):
    return x * x


for x in (1e10, 1e17):
    for options in ({"maxiter": 1}, {}, {"initial_step": x / 100}):
        found = derivative(square, x, **options)
        off = abs(found.df / (2 * x) - 1)
        print(f"x² at {x:g} {options!s:24} {found.df:.9g} off by {off:.1e}, success {found.success}")
first, last = derivative(square, 1e10, maxiter=1), derivative(square, 1e10)
assert abs(first.df / 2e10 - 1) < 1e-6 < 1e-4 < abs(last.df / 2e10 - 1)
assert derivative(square, 1e17).df > 1e20
flat = derivative(lambda x: np.sin(64 * np.pi * x), 0.0)
print("sin(64πx) at 0:", flat.df, "error", flat.error, "success", flat.success)
assert flat.success and abs(flat.df) < 1e-12 and flat.error == 0
PYTHON
