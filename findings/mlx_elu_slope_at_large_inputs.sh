#!/usr/bin/env bash
# MLX: the slope of elu and selu is NaN for every input above 88.7.
#
# Guess     elu(x) = x for x > 0, so its slope at 100 is 1; the layer ships with the library, so the
#           branch that is not taken has been taken care of, as in its celu.
# Seen      mlx.nn.elu at 100: value 100, slope NaN; selu alike; celu and softplus 1. At 88 all are
#           right. Second: asinh at 1e30 has the slope 0, right 1e-30 (x² overflows).
# Version   mlx 0.32.4 on the CPU, float32
# Why       elu is a where over x and exp(x) − 1. exp(100) is ∞ in float32, and going back 0 · ∞ is NaN.
# Matters   one activation of 89 in a batch turns all weights into NaN in one step. The value is right,
#           so nothing is seen in the forward pass.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q "mlx==0.32.4" "mlx-cpu==0.32.4" 2>/dev/null
"$folder/venv/bin/python" - <<'PYTHON'
import math

import mlx.core as mx
import mlx.nn as nn

print("mlx", mx.__version__, mx.default_device())


def slope(f, x):
    return mx.grad(f)(mx.array(x)).item()


for f in (nn.elu, nn.selu, nn.celu, nn.softplus):
    print(f"{f.__name__:9} at 88: {slope(f, 88.0):.6g}   at 100: {slope(f, 100.0)}")
print("asinh     at 1e30:", slope(mx.arcsinh, 1e30))
assert nn.elu(mx.array(100.0)).item() == 100 and slope(nn.elu, 88.0) == 1
assert math.isnan(slope(nn.elu, 100.0)) and math.isnan(slope(nn.selu, 100.0))
assert slope(nn.celu, 100.0) == 1 and slope(nn.softplus, 100.0) == 1
assert slope(mx.arcsinh, 1e30) == 0
PYTHON
