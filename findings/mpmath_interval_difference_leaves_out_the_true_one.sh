#!/usr/bin/env bash
# mpmath: the difference of two intervals can leave out the true difference, and a floor be above it.
#
# Guess     fsub(rounding='f') is at most the true difference; iv.mpf(v) - iv.mpf(e) encloses v − e.
# Seen      at 106 bits, v = 1 + 2⁻¹²⁰ (made with more bits), e = 2⁻¹¹⁶ v, so v − e < 1:
#           fsub(v, e, rounding='f')     1
#           iv.mpf(v) - iv.mpf(e)        from 1 upwards
#           Of operands that have at most the bits of the precision all is right.
# Version   mpmath 1.3.0
# Why       where the smaller operand is far below the other, the sum is the other, moved by a hair, and
#           rounded. That is right only if the other has no more bits than the precision: the hair is
#           smaller than the bits that v has beyond it.
# Matters   a proof by intervals that computes inputs with more bits, as one should, is not one.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q "mpmath==1.3.0" 2>/dev/null
"$folder/venv/bin/python" - <<'PYTHON'
import mpmath
from mpmath import iv, mp, mpf

print("mpmath", mpmath.__version__)
mp.prec = iv.prec = 106
with mp.workprec(300):
    v = 1 + mpf(2) ** -120
    e = v * mpf(2) ** -116
    assert v - e < 1
floor, interval = mp.fsub(v, e, rounding="f"), iv.mpf(v) - iv.mpf(e)
print("the floor - 1:", floor - 1, " the interval begins at 1:", interval.a == 1)
assert floor == 1 and interval.a == 1
with mp.workprec(300):
    assert v - e < floor and not v - e in interval
assert mp.fsub(+v, +e, rounding="f") < 1
PYTHON
