"""The classical mistakes of engines, each with the two lines that mend it and its picture."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from microgradnet.engine import Value
from microgradnet.judging.findings import Mistake
from microgradnet.ops import maximum, softmax

__all__ = ["ENGINE_MISTAKES", "engine_mistake"]


def _drawn(build: Callable[[], Value]) -> Callable[[], Any]:
    """Make a picture of a small graph with its right gradients, when it is asked for."""

    def picture() -> Any:
        from microgradnet.drawing import draw

        root = build()
        root.backward()
        return draw(root)

    return picture


def _square() -> Value:
    x = Value(3.0, label="x")
    return x * x


def _witness() -> Value:
    a = Value(1.0, label="a")
    b = 2 * a
    b.label = "b"
    c = 3 * b
    c.label = "c"
    return b + c


def _chain() -> Value:
    x = Value(0.5, label="x")
    return 3 * x.tanh()


def _two() -> Value:
    x, y = Value(3.0, label="x"), Value(2.0, label="y")
    return x * y


def _quotient() -> Value:
    x, y = Value(3.0, label="x"), Value(2.0, label="y")
    return x / y


def _equal() -> Value:
    x, y = Value(3.0, label="x"), Value(3.0, label="y")
    return 2 * x + 2 * y


def _power() -> Value:
    return Value(3.0, label="x") ** 2


def _gate() -> Value:
    return Value(-1.0, label="x").relu() + Value(1.0, label="y").relu()


def _tail() -> Value:
    return Value(-1000.0, label="x").sigmoid()


def _tie() -> Value:
    return maximum(Value(1.0, label="x"), Value(1.0, label="y"))


def _shares() -> Value:
    return softmax([Value(1.0, label="x"), Value(2.0, label="y")])[0]


_LIST: tuple[tuple[str, str, str, str, str, Callable[[], Value]], ...] = (
    ("assigned_gradient", "= where += belongs",
     "A node used twice has two contributions to its gradient. Whoever sets it loses the first.",
     "self.grad = other.data * out.grad", "self.grad += other.data * out.grad", _square),
    ("no_topological_order", "no topological order",
     "A node may pass its gradient on only when all of its consumers have contributed. Here a "
     "node passes on what is not yet complete, or passes it on twice.",
     "for child in node._prev: child._backward()",
     "for node in reversed(topological_order): node._backward()", _witness),
    ("order_not_reversed", "the order is not reversed",
     "Backward begins at the root. From the leaves on, every gradient is still 0 when it is "
     "passed on.",
     "for node in topo: node._backward()", "for node in reversed(topo): node._backward()",
     _witness),
    ("set_of_parents", "a set of parents",
     "In a set x·x has one parent and not two, and a − b has lost which is which.",
     "self._prev = set(children)", "self._prev = tuple(children)", _square),
    ("interior_gradients_kept", "interior gradients are kept",
     "A second backward adds to what the first has left in the nodes between, and passes the sum "
     "on.",
     "self.grad = 1.0",
     "for node in topo: node.grad = node.grad if node.is_leaf else 0.0\nself.grad = 1.0",
     _witness),
    ("nodes_compared_by_value", "nodes are compared by value",
     "Two nodes of one value are two nodes. Compared by value, the second is taken for visited "
     "and passes nothing on.",
     "def __eq__(self, other): return self.data == other.data",
     "if id(node) not in visited: ...", _equal),
    ("tape_never_cleared", "the tape is never cleared",
     "Nodes of earlier graphs stay on the tape. They pass their gradients on again, and none is "
     "ever freed.",
     "for node in reversed(tape): node._backward()",
     "for node in reversed(tape): node._backward()\ntape.clear()", _witness),
    ("seed_missing", "backward does not begin with 1",
     "The root's derivative by itself is 1. Without it all gradients stay 0.",
     "for node in reversed(topo): node._backward()",
     "self.grad = 1.0\nfor node in reversed(topo): node._backward()", _square),
    ("data_converted", "data are converted",
     "A node's data are to be the number that it was made of. Rounded to whole numbers there is no "
     "derivative, and complex ones have no order for a ReLU.",
     "self.data = int(data)", "self.data = data", _two),
    ("gradient_lost", "no gradient arrives",
     "Every gradient is 0. Backward runs no rule, or what an operation returns does not know its "
     "operands: its graph ends there.",
     "out = Value(math.tanh(self.data))",
     "out = Value(math.tanh(self.data), (self,)); out._backward = _backward", _chain),
    ("seed_is_value", "backward begins with the root's value",
     "The root's derivative by itself is 1, and not its value. All gradients are multiplied by "
     "the root.",
     "self.grad = self.data", "self.grad = 1.0", _square),
    ("seed_accumulates", "the root's gradient accumulates",
     "The root's gradient is 1 at each backward. Increased by 1 it is 2 at the second.",
     "self.grad += 1.0", "self.grad = 1.0", _square),
    ("upstream_gradient_lost", "the chain rule is forgotten",
     "A rule multiplies its derivative by the gradient of the node. Without it the rule is right "
     "at the root alone.",
     "self.grad += 1 - t**2", "self.grad += (1 - t**2) * out.grad", _chain),
    ("upstream_gradient_added", "+ where * belongs in the chain rule",
     "The derivative and the node's gradient are multiplied, and not added.",
     "self.grad += (1 - t**2) + out.grad", "self.grad += (1 - t**2) * out.grad", _chain),
    ("operand_forgotten", "an operand gets nothing",
     "Each operand has a derivative. One of them is forgotten.",
     "self.grad += out.grad", "self.grad += out.grad; other.grad += out.grad", _two),
    ("operands_swapped", "an operand's own number in place of the other's",
     "The derivative of x·y by x is y. Each operand got the other's derivative.",
     "self.grad += self.data * out.grad", "self.grad += other.data * out.grad", _two),
    ("wrong_sign", "a sign is wrong",
     "The derivative has the opposite sign: of x − y by y it is −1, of x/y by y −x/y², of cos x "
     "−sin x.",
     "other.grad += self.data / other.data**2 * out.grad",
     "other.grad += -self.data / other.data**2 * out.grad", _quotient),
    ("constant_factor", "a factor",
     "The derivative is a multiple of the right one, by the same factor everywhere.",
     "self.grad += 2 * (1 - t**2) * out.grad", "self.grad += (1 - t**2) * out.grad", _chain),
    ("power_not_lowered", "the exponent is not lowered",
     "The derivative of xⁿ is n·xⁿ⁻¹.",
     "self.grad += n * self.data**n * out.grad", "self.grad += n * self.data**(n - 1) * out.grad",
     _power),
    ("exponent_lost", "the exponent is no factor",
     "The derivative of xⁿ is n·xⁿ⁻¹.",
     "self.grad += self.data**(n - 1) * out.grad", "self.grad += n * self.data**(n - 1) * out.grad",
     _power),
    ("wrong_variable", "the derivative of the wrong variable",
     "tanh′ x = 1 − tanh² x is written with the output y = tanh x; the input stands there, or the "
     "function is applied twice. So it is with σ, exp and √.",
     "self.grad += (1 - self.data**2) * out.grad", "self.grad += (1 - out.data**2) * out.grad",
     _chain),
    ("square_lost", "a square is lost",
     "tanh′ = 1 − y², and the derivative of x/y by y is −x/y².",
     "self.grad += (1 - out.data) * out.grad", "self.grad += (1 - out.data**2) * out.grad", _chain),
    ("half_a_rule", "half a rule",
     "A factor or a term of the derivative is missing: σ′ = σ(1 − σ), (x·σ)′ = σ + x·σ′.",
     "self.grad += s * out.grad", "self.grad += s * (1 - s) * out.grad", _chain),
    ("power_rule_on_exponential", "the power rule for an exponential",
     "x·aˣ⁻¹ is no derivative of aˣ. That is aˣ·ln a.",
     "self.grad += self.data * a**(self.data - 1) * out.grad",
     "self.grad += out.data * math.log(a) * out.grad", _power),
    ("other_function", "the derivative of another function",
     "The rule is that of the function itself, or of its derivative.",
     "self.grad += math.sin(self.data) * out.grad", "self.grad += math.cos(self.data) * out.grad",
     _chain),
    ("gate_on_gradient", "the gate asks the gradient",
     "ReLU lets the gradient through where its operand was positive, whatever the gradient's sign.",
     "self.grad += (out.grad > 0) * out.grad", "self.grad += (out.data > 0) * out.grad", _gate),
    ("gate_forgotten", "the gate is forgotten",
     "Where the function is flat or falls, its derivative is 0, the slope or −1, and not 1.",
     "self.grad += out.grad", "self.grad += (out.data > 0) * out.grad", _gate),
    ("gate_reversed", "the gate lets the wrong side through",
     "The derivative of one side stands on the other.",
     "self.grad += (self.data < 0) * out.grad", "self.grad += (self.data > 0) * out.grad", _gate),
    ("relu_slope_at_zero", "ReLU's slope at 0",
     "At 0 any slope between 0 and 1 is a subgradient; libraries take 0, or ½ as the maximum of "
     "x and 0.",
     "self.grad += (self.data >= 0) * out.grad", "self.grad += (self.data > 0) * out.grad", _gate),
    ("tie_counted_twice", "a tie counts twice",
     "At a tie the derivatives of a maximum add up to 1 at most: ½ and ½, or 1 and 0.",
     "self.grad += (self.data >= other.data) * out.grad; other.grad += (other.data >= self.data) "
     "* out.grad",
     "self.grad += (self.data >= other.data) * out.grad; other.grad += (other.data > self.data) "
     "* out.grad", _tie),
    ("gradient_to_both", "the gradient goes to both",
     "A maximum passes its gradient to the larger operand. The other has no part in it.",
     "self.grad += out.grad; other.grad += out.grad",
     "larger = self if self.data > other.data else other; larger.grad += out.grad", _tie),
    ("overflow", "an exponential overflows",
     "1/(1 + e⁻ˣ) and (e²ˣ − 1)/(e²ˣ + 1) have a value for every x, but their exponentials have "
     "none beyond 709.",
     "s = 1 / (1 + math.exp(-x))",
     "s = 1 / (1 + math.exp(-x)) if x >= 0 else math.exp(x) / (1 + math.exp(x))", _tail),
    ("forms_mixed", "the derivative of another form",
     "GELU has three forms: x·Φ(x), one with tanh, one with σ(1.702x). The value is of one, the "
     "derivative of another.",
     "self.grad += gelu_prime_by_erf(x) * out.grad",
     "self.grad += gelu_prime_by_tanh(x) * out.grad", _chain),
    ("softmax_diagonal", "softmax without the off-diagonal",
     "Each share depends on every operand: ∂sᵢ/∂xₖ = sᵢ(δᵢₖ − sₖ). For k ≠ i it is not 0.",
     "x[i].grad += s[i] * (1 - s[i]) * out.grad",
     "for k in range(n): x[k].grad += s[i] * ((i == k) - s[k]) * out.grad", _shares),
    ("reflected_operands_swapped", "2 − x is taken for x − 2",
     "Python calls x.__rsub__(2) for 2 − x. The number stands on the left.",
     "def __rsub__(self, other): return self - other",
     "def __rsub__(self, other): return other + (-self)", _two),
    ("reflected_operand_missing", "a number on the left is refused",
     "Python calls x.__radd__(2) for 2 + x, and sum(...) begins with 0 + x.",
     "__radd__ is not there", "def __radd__(self, other): return self + other", _two),
    ("recursion", "recursion over the graph",
     "Python recurses a thousand calls deep. A chain of a thousand nodes is a neuron of a "
     "thousand inputs.",
     "def build(node): ... build(child) ...", "stack = [root]\nwhile stack: ...", _chain),
    ("paths_one_by_one", "every path is walked by itself",
     "The derivative is the sum over all paths, but there are 2ⁿ through n diamonds. Each node "
     "is to be visited once.",
     "for child in self._prev: child.backward(grad * local)",
     "for node in reversed(topological_order): node._backward()", _witness),
)  # fmt: skip

ENGINE_MISTAKES: tuple[Mistake, ...] = tuple(
    Mistake(name, title, why, (wrong, right), _drawn(build))
    for name, title, why, wrong, right, build in _LIST
)


_LINES: dict[tuple[str, str], tuple[str, str]] = {
    ("square_lost", "x / y"): (
        "other.grad += -self.data / other.data * out.grad",
        "other.grad += -self.data / other.data**2 * out.grad"),
    ("wrong_sign", "x - y"): ("other.grad += out.grad", "other.grad += -out.grad"),
    ("reflected_operand_missing", "number - x"): (
        "__rsub__ is not there", "def __rsub__(self, other): return other + (-self)"),
    ("reflected_operand_missing", "number * x"): (
        "__rmul__ is not there", "def __rmul__(self, other): return self * other"),
    ("reflected_operand_missing", "number / x"): (
        "__rtruediv__ is not there", "def __rtruediv__(self, other): return other * self**-1"),
    ("reflected_operands_swapped", "number / x"): (
        "def __rtruediv__(self, other): return self / other",
        "def __rtruediv__(self, other): return other * self**-1"),
}  # fmt: skip
"""The two lines where they are others for one operation."""


def engine_mistake(name: str, operation: str = "") -> Mistake:
    """Look a mistake up by its key, with the two lines of an operation that shows it."""
    mistake = next(each for each in ENGINE_MISTAKES if each.name == name)
    return replace(mistake, mending=_LINES.get((name, operation), mistake.mending))
