#!/usr/bin/env bash
# jax.numpy.sinc: its second derivative is right at 0 and anything at all beside 0.
#
# Guess     jnp.sinc takes its derivatives of all orders at 0 from a series, so it is right there and
#           close by: sinc″ is −π²/3 = −3.29 to eight digits for all |x| < 1e-4.
# Seen      −3.2899 at 0; but at 1e-9, 2e-9 … numbers as 201 or −128 or 0, of either sign, off by more
#           than ten; the third derivative at 1e-4 is wrong in its first digit. PyTorch, asked the
#           same, gives 0 at 1e-9 and NaN at 0 (which is a known fault there).
# Version   jax 0.10.2, in float64, CPU
# Why       The series is taken where x == 0 and nowhere else. Beside it the quotient is
#           differentiated as it stands, and each order divides what is left of two equal terms by
#           another x.
# Matters   A point on a grid is seldom 0 and often 0.1 + 0.2 − 0.3 = 5.6e-17. Tests at 0 pass.
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
second = jax.grad(jax.grad(jnp.sinc))
third = jax.grad(second)
wanted = -(math.pi**2) / 3
print(f"sinc'' at 0: {float(second(0.0))}, wanted {wanted}")
assert math.isclose(second(0.0), wanted)
errors = []
for x in [1e-3, 1e-6, *(k * 1e-9 for k in range(1, 10)), 0.1 + 0.2 - 0.3]:
    errors.append(abs(float(second(x)) - wanted))
    print(f"sinc'' at {x:.2g}: {float(second(x))}")
got, limit = float(third(1e-4)), math.pi**4 / 5 * 1e-4
print(f"sinc''' at 1e-4: {got}, wanted {limit}")
assert errors[0] < 1e-4, "it has changed"
assert max(errors) > 10, "it has changed"
assert abs(got - limit) > 0.1 * limit, "it has changed"
PYTHON
