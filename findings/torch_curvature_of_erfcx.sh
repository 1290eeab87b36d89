#!/usr/bin/env bash
# torch.special.erfcx: its slope loses its digits where the function is at its smoothest, and its
# second derivative is off by a factor of 1e16.
#
# Guess     erfcx exists to keep digits where erfc underflows, so its derivatives keep them too.
# Seen      x       slope           right           second derivative   right
#           1e3     -5.64190e-07    -5.64189e-07     1.12834e-09         1.12838e-09
#           1e6     -5.64215e-13    -5.64190e-13    -5.15e-11            1.12838e-18
#           1e8      0              -5.64190e-17     1.13e-08            1.12838e-24
# Version   torch 2.13.0, float64, CPU
# Why       the rule is 2x erfcx(x) − 2/√π, the difference of two numbers that agree ever better as x
#           grows; its own derivative, 2 erfcx(x) + 2x erfcx′(x), multiplies that loss by x.
# Matters   Newton steps on the tails of normal distributions (censored data, extreme values) get a
#           curvature of the wrong sign. The value itself is right to the last digits.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q "torch==2.13.0" "mpmath==1.3.0" 2>/dev/null
"$folder/venv/bin/python" -W ignore - <<'PYTHON'
import mpmath
import torch

mpmath.mp.dps = 60
print("torch", torch.__version__)


def derivatives(x):
    t = torch.tensor(x, dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(torch.special.erfcx(t), t, create_graph=True)
    (curvature,) = torch.autograd.grad(slope, t)
    return slope.item(), curvature.item()


def right(x):
    x = mpmath.mpf(x)
    y = mpmath.exp(x * x) * mpmath.erfc(x)
    slope = 2 * x * y - 2 / mpmath.sqrt(mpmath.pi)
    return float(slope), float(2 * y + 2 * x * slope)


for x in (1e3, 1e6, 1e8):
    mpmath.mp.dps = 60 + 4 * len(str(int(x)))
    print(x, derivatives(x), "right", right(x))
assert abs(derivatives(1e6)[0] / right(1e6)[0] - 1) > 1e-5
assert derivatives(1e8)[0] == 0
assert derivatives(1e6)[1] < 0 < right(1e6)[1]
assert derivatives(1e8)[1] > 1e15 * right(1e8)[1]
PYTHON
