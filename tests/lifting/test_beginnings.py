"""Loops that begin with numbers: their first step is one like the others, where that is true."""

from __future__ import annotations

from random import Random

import pytest
from support.loops import total
from support.term_oracle import agree

from microgradnet import Value, ops
from microgradnet.lifting.canonicalise import canonicalise
from microgradnet.lifting.recurrences import join_steps
from microgradnet.lifting.vectorise import vectorise

STEPS, UNITS = 4, 3


def counted(first, scale=None, again=None, power=1):
    """How many steps are joined of h ← tanh(W h + U x), whose first step reads `first` for h.

    again  a function of what the first step leaves, which all others read
    """
    rng = Random(3)

    def leaves(*sizes):
        count = sizes[0]
        return [leaves(*sizes[1:]) if sizes[1:] else Value(rng.gauss(0, 0.5)) for _ in range(count)]

    W, U, x = leaves(UNITS, UNITS), leaves(UNITS, 2), leaves(STEPS, 2)
    hidden = []
    for t in range(STEPS):
        new = []
        for j in range(UNITS):
            before = hidden[-1] if t else [first(j, k) for k in range(UNITS)]
            z = [w * b for w, b in zip(W[j], before, strict=True)]
            z = z if scale is None else [scale * v for v in z]
            z += [u * v for u, v in zip(U[j], x[t], strict=True)]
            if again and t:
                z.append(again(hidden[0][j]) * before[j])
            if power == 2 and t:
                z.append(before[j] * before[j])
            new.append(ops.tanh(total(z)))
        hidden.append(new)
    cost = total([v * v for v in hidden[-1]])
    inputs, parameters = (
        [v for row in x for v in row],
        [w for rows in (W, U) for r in rows for w in r],
    )
    agree([cost], inputs, [], parameters)
    (run,) = join_steps(vectorise(canonicalise([cost], inputs, [], parameters)))[1]
    return run.count


@pytest.mark.parametrize("number", [0.0, 0.5])
def test_one_number(number):
    assert counted(lambda j, k: number) == STEPS


def test_a_number_for_each_unit():
    assert counted(lambda j, k: 0.25 * k + 0.5) == STEPS


def test_other_numbers_in_each_sum():
    assert counted(lambda j, k: 0.25 * j + 0.5) == STEPS - 1


def test_a_number_that_is_multiplied_by_a_constant():
    assert counted(lambda j, k: 0.5, scale=0.75) == STEPS - 1


def test_what_the_loop_needs_of_its_first_step_is_before_it():
    assert counted(lambda j, k: 0.0, again=ops.sin) == STEPS - 2


def test_a_product_of_states_has_no_numbers():
    assert counted(lambda j, k: 0.0, power=2) == STEPS - 1
