"""The formula of δ, found by the scalar engine on symbols, and proved.

Run it:  python demos/formula_of_delta.py        (it needs SymPy: pip install 'microgradnet[sympy]')

A node of the graph can hold a formula as well as a number. So the same `backward()` that finds the
gradients of a network of numbers finds, in a network of symbols, the equations of the textbook.
"""

# %% A network whose numbers are symbols
import random

import numpy as np

try:
    import sympy
except ModuleNotFoundError:
    raise SystemExit("This story needs SymPy: pip install 'microgradnet[sympy]'") from None

from microgradnet import MLP, costs, delta, operation
from microgradnet.graph import topological_order
from microgradnet.interop import symbolic


def heading(text: str) -> None:
    """Print a heading."""
    print(f"\n{text}\n")


net = symbolic(MLP(2, [2, 1], activation="tanh", output_activation="sigmoid"), "quadratic")
heading("1. A 2-2-1 network, tanh and then σ. What the scalar engine finds, each z, a and δ named:")
print(net)
print(
    """
   The engine knows no layers and no BP2. That δ²₁ returns in the formula of δ¹₁, times the weight
   on the way and the slope of tanh, is the chain rule at work on single numbers."""
)

# %% For every activation at once
sigma, slope = sympy.Function("σ", real=True), sympy.Function("σ′", real=True)


def unknown_vjp(m, g, y, x):
    """The rule of an activation of which nothing is known but the name of its slope."""
    return (g * slope(x),)


@operation(unknown_vjp, "σ($x)")
def unknown(m, x):
    """σ, whatever it is."""
    return sigma(x)


heading("2. The same for a σ of which nothing is known, so for every σ, with three layers:")
net = symbolic(MLP(2, [2, 2, 2], activation=unknown, output_activation=unknown))
for layer in (3, 2, 1):
    for name in net.delta[layer]:
        print(f"   {name} = {net[name]}")

# %% The proof: BP1 to BP4 as `delta` has them, on arrays of symbols
heading("3. Proof. The matrix formulas of delta.py on arrays of symbols, beside what was found:")


def vector(names):
    """A vector of symbols."""
    return np.array(names, dtype=object)


def slopes(names):
    """The vector σ′(z)."""
    return vector([slope(z) for z in names])


def proved(what, found, formula):
    """Say that two arrays of formulas are equal, or stop."""
    pairs = list(zip(np.ravel(found), np.ravel(formula), strict=True))
    if not all(sympy.simplify(left - right) == 0 for left, right in pairs):
        raise SystemExit(f"{what} does not hold: this should never be seen.")
    print(f"   {what:32} {len(pairs)} of {len(pairs)} entries equal, as formulas")


C_prime = vector(net.a[3]) - vector(net.y)
bp1 = delta.output_error(C_prime, slopes(net.z[3]))
proved("BP1  δ³ = C′(a³) ⊙ σ′(z³)", [net[name] for name in net.delta[3]], bp1)
for l, up in ((2, "²³"), (1, "¹²")):
    hidden = delta.hidden_error(
        net.model.weights[l + 1], vector(net.delta[l + 1]), slopes(net.z[l])
    )
    found = [net[name] for name in net.delta[l]]
    proved(f"BP2  δ{up[0]} = ((W{up[1]})ᵀ δ{up[1]}) ⊙ σ′(z{up[0]})", found, hidden)
for l, up in ((3, "³²"), (2, "²¹"), (1, "¹⁰")):
    d, a = vector(net.delta[l]), vector(net.a[l - 1])
    found = [net.gradient(b) for b in net.model.biases[l]]
    proved(f"BP3  ∂C/∂b{up[0]} = δ{up[0]}", found, delta.bias_gradient(d))
    found = [net.gradient(w) for w in net.model.weights[l].flat]
    proved(f"BP4  ∂C/∂W{up[0]} = δ{up[0]} (a{up[1]})ᵀ", found, delta.weight_gradient(d, a))

# %% Where σ′(z) goes with the cross-entropy
heading("4. Where σ′(z) goes with the cross-entropy. The error of a single σ neuron, proved:")
for cost, text, want in (
    ("quadratic", "(a − y) a (1 − a)", lambda a, y: (a - y) * a * (1 - a)),
    ("cross_entropy", "a − y", lambda a, y: a - y),
):
    one = symbolic(MLP(1, [1], output_activation="sigmoid"), cost)
    (z,), (a,), (y,), (error,) = one.z[1], one.a[1], one.y, one.delta[1]
    if sympy.simplify((one[error] - want(a, y)).subs(a, 1 / (1 + sympy.exp(-z)))) != 0:
        raise SystemExit("The error is another: this should never be seen.")
    print(f"   {cost:14} δ = {text}")
print(
    """
   With the quadratic cost a confident mistake, a near 0 or 1, makes δ small: the neuron learns
   slowest where it is most wrong. The cross-entropy's C′ divides by just that factor a(1 − a),
   as demos/why_cross_entropy.py shows in numbers."""
)

# %% Why nobody writes the whole formula down
heading("5. The whole formula of ∂C/∂w¹₁₁, in weights and inputs alone, as networks grow deeper:")
print("   layers   operations, written out   nodes of the scalar graph")
for depth in (1, 2, 3, 4, 5):
    model = MLP(2, [2] * depth, activation="tanh", rng=random.Random(0))
    net = symbolic(model)
    whole = net.unroll(net.gradient(net.model.weights[1][0, 0]))
    cost = costs.quadratic(model([0.5, -0.5]), [0, 0])
    nodes = len(topological_order([cost]))
    print(f"   {depth:6}   {sympy.count_ops(whole):23,}   {nodes:25,}")
print(
    """
   The formula is multiplied by every layer, the graph grows by the same few nodes each time.
   Backpropagation is that formula, with everything that occurs twice computed once."""
)
