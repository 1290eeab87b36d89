"""XOR by hand: the smallest problem that needs a hidden layer, with every number on paper.

Run it:  python demos/xor_by_hand.py

First the weights are chosen by thinking. Then one of them is wrong, and the gradients that mend it
are worked out as one would with pencil and paper, beside those of the scalar graph: in whole
numbers and fractions, so that both are the same and not only close. At last the network learns by
itself, and we count how often it succeeds.
"""

# %% The problem: which line divides the corners with 1 from those with 0?
import random
from fractions import Fraction

from microgradnet import MLP, costs, datasets, explain, fit

X, Y, labels = datasets.xor().train
corners = sorted((tuple(map(int, x)), int(c)) for x, c in zip(X, labels, strict=True))
print("x₁ ⊕ x₂ is 1 where exactly one of the two is:\n")
print("      x₂\n    1 │ {} {}\n    0 │ {} {}\n      └──── x₁\n        0 1".format(
    *(dict(corners)[point] for point in [(0, 1), (1, 1), (0, 0), (1, 0)])
))  # fmt: skip

best = 0
steps = [k / 4 for k in range(-8, 9)]
for w1 in steps:
    for w2 in steps:
        for b in steps:
            right = sum((w1 * x1 + w2 * x2 + b > 0) == c for (x1, x2), c in corners)
            best = max(best, right)
lines = len(steps) ** 3
print(f"\nOf {lines:,} lines w₁x₁ + w₂x₂ + b = 0 the best gets {best} of the 4 corners right.")

# %% By thinking: two hidden neurons make a third place to draw the line in
model = MLP(2, [2, 1], activation="relu", init="zeros")
model.weights[1], model.biases[1] = [[1, 1], [1, 1]], [0, -1]
model.weights[2], model.biases[2] = [[1, -2]], [0]
print(
    """
One relu neuron counts the ones, another sees whether there are two; the output takes the second
twice from the first. W¹ = (1 1; 1 1), b¹ = (0, −1), W² = (1 −2), b² = 0:

     x₁  x₂    z¹₁  z¹₂    a¹₁  a¹₂    z²₁   x₁ ⊕ x₂"""
)
for x, c in corners:
    forward = model.forward(list(x))
    z1, a1, z2 = ([v.data for v in layer] for layer in (forward.z[1], forward.a[1], forward.z[2]))
    row = "  ".join(f"{n:4}" for n in (*x, *z1, *a1, *z2))
    print(f"    {row}  {c:8}")

# %% One weight is wrong: backpropagation on paper
model.weights[2] = [[1, -1]]
x, y = [1, 1], 0
forward = model.forward(x)
cost = costs.quadratic(forward.output, y)
cost.backward()
print(
    """
Now let w²₁₂ be −1 instead of −2, and let the corner (1, 1) come by, whose target is 0. On paper:

    z¹₁ = 1·1 + 1·1 + 0 = 2      a¹₁ = relu(2) = 2
    z¹₂ = 1·1 + 1·1 − 1 = 1      a¹₂ = relu(1) = 1
    z²₁ = 1·2 − 1·1 + 0 = 1      C = ½ (1 − 0)² = ½

    BP1   δ²₁ = C′ · 1 = 1 − 0 = 1
    BP2   δ¹₁ = w²₁₁ δ²₁ relu′(2) = 1·1·1 = 1      δ¹₂ = w²₁₂ δ²₁ relu′(1) = −1·1·1 = −1
    BP3   ∂C/∂b²₁ = 1      ∂C/∂b¹₁ = 1      ∂C/∂b¹₂ = −1
    BP4   ∂C/∂w²₁₁ = δ²₁ a¹₁ = 2      ∂C/∂w²₁₂ = δ²₁ a¹₂ = 1      and ∂C/∂w¹ⱼₖ = δ¹ⱼ xₖ = ±1
"""
)
first, second = model.layers
paper = {
    "C": ([cost.data], [Fraction(1, 2)]),
    "δ²": (forward.delta[2], [1]),
    "δ¹": (forward.delta[1], [1, -1]),
    "∂C/∂b²": ([n.b.grad for n in second.neurons], [1]),
    "∂C/∂b¹": ([n.b.grad for n in first.neurons], [1, -1]),
    "∂C/∂W²": ([w.grad for n in second.neurons for w in n.w], [2, 1]),
    "∂C/∂W¹": ([w.grad for n in first.neurons for w in n.w], [1, 1, -1, -1]),
}
print("and in the graph:\n")
for name, (graph, by_hand) in paper.items():
    if graph != by_hand:
        raise SystemExit(f"{name} is {graph} in the graph: this should never be seen.")
    print(f"    {name:8}{'  '.join(map(str, graph)):16} equal")
w = second.neurons[0].w[1]
print("\n   ", explain(cost, w).replace("\n", "\n    "))
w.data -= 1 * w.grad
moved, after = str(w.data).replace("-", "−"), costs.quadratic(model(x), y)
print(
    f"""
    So the cost rises with w²₁₂, and descent makes it smaller: a step with η = 1, of this weight
    alone, takes it from −1 to {moved}, and the cost from {cost.data} to {after.data}."""
)

# %% And by itself: from 20 random starts, with 2, 3 and 4 hidden neurons
print("\nLeft to itself, tanh and then σ, cross-entropy: of 20 random starts solved in 100 steps\n")
for hidden in (2, 3, 4):
    solved = 0
    for seed in range(20):
        model = MLP(
            2,
            [hidden, 1],
            activation="tanh",
            output_activation="sigmoid",
            rng=random.Random(seed),
        )
        history = fit(
            model, X, labels.astype(float), "cross_entropy", lr=2.0, epochs=100, batch_size=4
        )
        solved += history[-1].accuracy == 1
    print(f"    {hidden} hidden neurons  {solved:2}  {'█' * solved}{'░' * (20 - solved)}")
print(
    "\nTwo are enough, as the weights above show, but then the start decides; more are not needed"
)
print("to solve it, they are needed to find the solution.")
