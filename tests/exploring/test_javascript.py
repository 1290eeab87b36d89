"""The rules in JavaScript: their numbers are Python's, and nothing that a user wrote is code."""

from __future__ import annotations

import json
import math
import re
import shutil
import subprocess
from collections.abc import Callable
from itertools import product
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.oracles import EDGES, operands, variants

from microgradnet import operation, ops
from microgradnet.exploring.inlining import bundle
from microgradnet.exploring.javascript import Rules
from microgradnet.operation import Operation

EXACT = {"abs", "sqrt", "vanishing_product"}
"""What IEEE 754 rounds correctly, besides + − × ÷ and comparisons: the same everywhere."""

ULPS = 16
"""Python calls the C library, V8 has functions of its own; both err by an ulp or two each. A rule
has up to three of them in a row, and a softmax in the page is summed without compensation. The
most that was seen at 260,000 numbers is 7."""

CANCELLING = {ops.silu, ops.gelu}
"""Slopes that are sums of two terms, of the size of g."""

RUN = """
const words = { inf: Infinity, "-inf": -Infinity, nan: NaN };
const number = (x) => words[x] ?? x;
const told = (x) => (Object.is(x, -0) ? "-0.0" : Number.isFinite(x) ? x : String(x));
const run = (points) => points.map(([k, g, xs]) => {
  const operands = xs.map(number);
  const y = RULES[k].f(operands);
  const total = (x) => [x ?? 0].flat().reduce((sum, part) => sum + part);
  return [y, ...RULES[k].vjp(g, y, operands).map(total)].map(told);
});
"""


@pytest.fixture(scope="session")
def javascript(request: pytest.FixtureRequest) -> Callable[[str, Any], Any]:
    """Run a script's function `run` on data, by node or else by Chromium."""
    node = shutil.which("node")
    if node is None:
        page = request.getfixturevalue("browser").new_page()
        return lambda script, data: page.evaluate(
            f"data => {{ {script}; return run(data); }}", data
        )
    ending = 'console.log(JSON.stringify(run(JSON.parse(require("fs").readFileSync(0, "utf8")))));'

    def by_node(script: str, data: Any) -> Any:
        done = subprocess.run(
            [node, "-e", script + ending],
            input=json.dumps(data),
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return by_node


def elementary() -> str:
    """The part of the page's script that has the elementary functions."""
    found = re.search(r"^const power =.*?^\}\);\n", bundle(), re.MULTILINE | re.DOTALL)
    assert found is not None
    return found[0]


def sent(x: float) -> float | str:
    return x if math.isfinite(x) else str(x)


def number(told: float | str) -> float:
    return float(told.replace("Infinity", "inf")) if isinstance(told, str) else float(told)


def compare(
    javascript: Callable[[str, Any], Any], points: list[tuple[Operation, float, tuple[float, ...]]]
) -> None:
    rules = Rules()
    data = [[rules.place(op, len(xs)), g, list(map(sent, xs))] for op, g, xs in points]
    told = javascript(elementary() + rules.script() + RUN, data)
    for (op, g, xs), results in zip(points, told, strict=True):
        y = op(*xs)
        one = Rules()
        one.place(op, len(xs))
        exact = set(re.findall(r"\bm\.(\w+)", one.script())) <= EXACT
        for got, want in zip(map(number, results), (y, *op.vjp(g, *xs)), strict=True):
            if exact or not math.isfinite(want):
                assert repr(got) == repr(want), (op, g, xs)
            else:
                size = max(abs(want), abs(g) if op in CANCELLING else 0)
                assert abs(got - want) <= ULPS * math.ulp(size), (op, g, xs, got, want)


@settings(max_examples=3)
@given(st.integers(0, 2**32))
def test_numbers_are_pythons(javascript: Callable[[str, Any], Any], seed: int) -> None:
    """Every operation and variant, at points of every size."""
    rng = Random(seed)
    draws = [
        lambda: rng.choice(EDGES),
        lambda: rng.gauss(0, 3),
        lambda: rng.gauss(0, 1) * 10 ** rng.uniform(-20, 20),
    ]
    points = [
        (op, rng.gauss(0, 2), tuple(draws[k % 3]() for _ in range(operands(op))))
        for op in variants()
        for k in range(60)
    ]
    compare(javascript, points)


def test_numbers_at_all_edges_are_pythons(javascript: Callable[[str, Any], Any]) -> None:
    compare(
        javascript,
        [
            (op, -1.5, xs)
            for op in variants()
            if operands(op) < 3
            for xs in product(EDGES, repeat=operands(op))
        ],
    )


def test_an_operation_of_ones_own(javascript: Callable[[str, Any], Any], own_table: None) -> None:
    def bump_vjp(m: Any, g: Any, y: Any, x: Any, *, width: Any) -> Any:
        inside = m.both(x > -width, m.abs(x) != 3)
        return (m.where(inside, 2 * g * (1 - x) ** 3, m.convert(width) / 7 + 2**x),)

    @operation(bump_vjp)
    def bump(m: Any, x: Any, *, width: Any = 0.5) -> Any:
        return m.where(
            (x < 1) & (x == x), m.divide(m.divide(x, width), m.exp(m.convert(0))), abs(-x)
        )

    compare(javascript, [(bump, 1.5, (x,)) for x in (-3.0, -0.5, 0.25, 3.0)])
    compare(javascript, [(bump.variant(width=2), 1.5, (x,)) for x in (-3.0, -0.5, 0.25, 3.0)])


@pytest.mark.parametrize(
    "forward",
    [
        lambda m, x: math.exp(x),
        lambda m, x: x if x > 0 else -x,
        lambda m, x: None,
    ],
)
def test_what_javascript_cannot_do_has_no_rule(forward: Any, own_table: None) -> None:
    forward.__name__ = "unusual"
    assert Rules().place(operation(lambda m, g, y, x: (g,))(forward), 1) is None


def test_a_rule_that_forgets_an_operand_is_none(own_table: None) -> None:
    @operation(lambda m, g, y, x, z: (g,))
    def stingy(m: Any, x: Any, z: Any) -> Any:
        return x + z

    assert Rules().place(stingy, 2) is None


def test_no_text_of_a_user_is_code(own_table: None) -> None:
    evil = "x];</script><script>window.hit=1</script>"

    class Hostile(float):
        def __repr__(self) -> str:
            return evil

        __str__ = __format__ = __repr__  # type: ignore[assignment]

    class Condition:
        name = block = evil

        def __bool__(self) -> bool:
            return False

    two = Hostile(2)

    def forward(m: Any, x: Any, *, c: Any = two) -> Any:
        return m.where(Condition(), x, x * c + Hostile(1))

    forward.__name__ = evil
    rules = Rules()
    assert rules.place(operation(lambda m, g, y, x, *, c: (g * c,))(forward), 1) == 0
    for op in variants():
        rules.place(op, operands(op))
    allowed = (
        r"(?:const|return|null|RULES|f|vjp|g|y|NaN|-?Infinity|m\.\w+|[xt]\d+|-?\d\S*?|[^\w.\s])"
    )
    assert re.fullmatch(rf"(?:{allowed}[\s,;)\]]*|\s)+", rules.script())
    assert "hit" not in rules.script() and "script" not in rules.script()


def test_what_is_known_beforehand_is_a_number(own_table: None) -> None:
    def shares_vjp(m: Any, g: Any, y: Any, x: Any) -> Any:
        return (
            g * m.softmax([0, 0])[1] * m.log_sum_exp([0.0]) + m.vanishing_product(math.inf, 0.0),
        )

    @operation(shares_vjp)
    def shares(m: Any, x: Any) -> Any:
        return x + m.where(m.is_infinite(m.convert(2)), math.nan, -math.inf)

    rules = Rules()
    rules.place(shares, 1)
    assert "x0 + -Infinity" in rules.script()
    assert "m." not in rules.script()


def test_one_rule_serves_all_nodes_of_an_operation() -> None:
    rules = Rules()
    assert [rules.place(op, 2) for op in (ops.add, ops.multiply, ops.add)] == [0, 1, 0]
