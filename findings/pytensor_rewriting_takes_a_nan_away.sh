#!/usr/bin/env bash
# PyTensor: its rewriting of graphs takes the NaN out of a branch that is not taken, but only of switch.
#
# Guess     as in every library that differentiates both branches, the slope of
#           switch(x > 0, √x, 0) at 0 is NaN: 0 from the branch times ∞ from √.
# Seen      0 in the default mode and in FAST_COMPILE, and so for log x and 1/x; NaN where the graph
#           is run as it was differentiated (Mode("py", None)), and NaN in all modes where the branch
#           is taken by maximum or minimum, as in maximum(√x, 1/1000).
# Version   pytensor 3.0.7
# Why       the derivative is switch(x > 0, g, 0) / (2√x). A rewrite meant for speed moves the
#           division into the switch, so the 0 of the branch is never divided. Nothing moves into the
#           0-or-1 slopes of maximum and minimum.
# Matters   whether a gradient is NaN hangs on the mode in which a function is compiled; a model that
#           trains in the default mode fails in the one that people turn to for debugging.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q "pytensor==3.0.7" 2>/dev/null
PYTENSOR_FLAGS="base_compiledir=$folder/compiled" "$folder/venv/bin/python" - <<'PYTHON'
import math

import pytensor
import pytensor.tensor as pt
from pytensor.compile.mode import Mode

print("pytensor", pytensor.__version__)
x = pt.dscalar("x")
modes = {"default": None, "FAST_COMPILE": "FAST_COMPILE", "as differentiated": Mode("py", None)}


def slopes_at_0(y):
    slope = pt.grad(y, x)
    return [float(pytensor.function([x], slope, mode=mode)(0.0)) for mode in modes.values()]


print(f"{'':22}", *modes)
for inner in (pt.sqrt, pt.log, pt.reciprocal):
    found = slopes_at_0(pt.switch(x > 0, inner(x), 0.0))
    print(f"switch, {inner.name or inner.scalar_op.name:14}", *found)
    assert found[:2] == [0.0, 0.0] and math.isnan(found[2]), found
for name, y in {
    "maximum(sqrt x, 1e-3)": pt.maximum(pt.sqrt(x), 1e-3),
    "minimum(1/x², 5)": pt.minimum(1 / (x * x), 5.0),
}.items():
    found = slopes_at_0(y)
    print(f"{name:22}", *found)
    assert all(map(math.isnan, found)), found
PYTHON
