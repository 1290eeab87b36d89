"""A branch that is not taken has no part, however infinite it is: in both modes and every order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from microgradnet import Value, grad, hessian, jacobian, jvp, log, maximum, minimum, ops, sqrt

BRANCHES: dict[str, Callable[[Any, float], Any]] = {
    "min(u, c)": lambda u, c: minimum(u, c),
    "min(c, u)": lambda u, c: minimum(c, u),
    "max(−u, −c)": lambda u, c: maximum(-u, -c),
    "max(−c, −u)": lambda u, c: maximum(-c, -u),
    "relu(c − u)": lambda u, c: ops.relu(c - u),
    "hard_tanh(u/c)": lambda u, c: ops.hard_tanh(u / c),
    "hard_sigmoid(−u/c)": lambda u, c: ops.hard_sigmoid(-u / c),
}
INFINITE: dict[str, Callable[[Any], Any]] = {
    "1/t²": lambda t: 1 / (t * t),
    "t⁻²": lambda t: t**-2,
    "1/√t": lambda t: 1 / sqrt(t),
    "−ln t": lambda t: -log(t),
    "1/|t|": lambda t: 1 / abs(t),
}


@pytest.mark.parametrize("branch", BRANCHES)
@pytest.mark.parametrize("inner", INFINITE)
@given(pole=st.floats(-10, 10), bound=st.floats(1, 100), w=st.floats(-3, 3))
def test_what_is_infinite_behind_a_branch_has_no_part(
    branch: str, inner: str, pole: float, bound: float, w: float
) -> None:
    def f(x: Any) -> Any:
        return BRANCHES[branch](INFINITE[inner](x - pole), bound) + w * x

    assert grad(f)(pole) == jvp(f, (pole,), (1.0,))[1] == jacobian(f)(pole) == w
    assert grad(grad(f))(pole) == hessian(f)(pole) == 0
    x = Value(pole)
    assert f(x).backward(create_graph=True)[x].data == w
    f(x).backward()
    assert x.grad == w
