"""The six equations of backpropagation, told on one handwritten digit.

Run it:  python demos/backprop_on_digits.py

A network of scalars looks at one digit. Nothing in it knows a matrix: every weight, every product,
every sum is a node of a graph, and `backward()` walks it with the chain rule alone. At each step of
the story the numbers that came out of the graph stand beside those of the matrix formula.
"""

# %% The digit
import random

import numpy as np

from microgradnet import MLP, GradientDescent, costs, datasets, delta, explain, verify

data = datasets.digits(seed=0)
x, y = data.train.X[0], data.train.Y[0]
digit = int(data.train.labels[0])

print(f"A handwritten {digit}, as 8 × 8 numbers from 0 to 1:\n")
for row in x.reshape(8, 8):
    print("   ", "".join(" ░▒▓█"[round(4 * ink)] * 2 for ink in row))
print(f"\nIts target y is 1 for class {digit} and 0 for the nine others: {y.astype(int).tolist()}")

# %% The network: 64 inputs, 16 hidden neurons, 10 outputs, σ everywhere
model = MLP(
    64,
    [16, 10],
    activation="sigmoid",
    output_activation="sigmoid",
    init="xavier",
    rng=random.Random(0),
)
W1, W2 = model.weights[1], model.weights[2]
b1, b2 = model.biases[1], model.biases[2]
print(f"\nThe network has {len(model.parameters()):,} parameters, each a scalar node of its own.")


def beside(graph: object, formula: object) -> None:
    """Print the first numbers of both sides, and how far apart all of them are."""
    got, want = np.ravel(graph), np.ravel(formula)
    for name, numbers in (("graph", got), ("formula", want)):
        print(f"    {name:8}", "  ".join(f"{number:+.6f}" for number in numbers[:5]), "...")
    apart = np.abs(got - want).max()
    if apart > 1e-14:
        raise SystemExit("The graph and the formula disagree: this should never be seen.")
    print(f"    of {got.size} numbers none differs by more than {apart:.0e}")


# %% 1. Forward: zˡ = Wˡ aˡ⁻¹ + bˡ, aˡ = σ(zˡ)
forward = model.forward(x)
print(
    """
1. FORWARD, zˡ = Wˡ aˡ⁻¹ + bˡ and aˡ = σ(zˡ)

   The graph multiplies and adds one number at a time. The formula does a layer at once.
   The hidden weighted inputs z¹:"""
)
beside([v.data for v in forward.z[1]], delta.weighted_input(W1, x, b1))

guess = max(range(10), key=lambda j: forward.a[2][j].data)
print(f"   The network, not trained yet, takes the digit for a {guess}.")

# %% The cost, and one call that differentiates all of it
cost = costs.quadratic(forward.output, y)
cost.backward()
print(f"\n   Its cost is C = ½ Σ (a − y)² = {cost.data:.6f}. Now cost.backward() runs, once.")

z1, z2 = (np.array([v.data for v in forward.z[l]]) for l in (1, 2))
a1, a2 = (np.array([v.data for v in forward.a[l]]) for l in (1, 2))

# %% 2. BP1: δᴸ = C′(aᴸ) ⊙ σ′(zᴸ)
print(
    """
2. BP1, the output error δ² = C′(a²) ⊙ σ′(z²), with C′(a) = a − y

   ⊙ multiplies entry by entry, and σ′ is the slope of σ: how much the activation rises with z.

   The error δ of a neuron is ∂C/∂z: how much the cost would rise if its weighted input rose.
   In the graph it is simply the .grad of the node z."""
)
C_prime = delta.cost_prime("quadratic", a2, y)
delta2 = delta.output_error(C_prime, delta.activation_prime("sigmoid", z2))
beside(forward.delta[2], delta2)
print(
    f"""
   Where that comes from, at the neuron that should have said {digit} (the equations count neurons
   from 1, so the class {digit} is neuron {digit + 1}):
"""
)
print("   ", explain(cost, forward.z[2][digit]).replace("\n", "\n    "))

# %% 3. BP2: δˡ = ((Wˡ⁺¹)ᵀ δˡ⁺¹) ⊙ σ′(zˡ)
print(
    """
3. BP2, the hidden error δ¹ = ((W²)ᵀ δ²) ⊙ σ′(z¹)

   Why the transpose? Ask the graph who used the activation a¹₁ of the first hidden neuron. Each
   of the ten outputs did, through the weight on its own edge. Those ten weights are the first
   *column* of W², and a column of W² is a row of its transpose:
"""
)
used = explain(cost, forward.a[1][0]).splitlines()
print("   ", " = ".join(used[0].split(" = ")[:2]), "is the sum of")
for line in used[1:4]:
    print("   ", line)
print("      ... and seven more")
print(f"    the first column of W²: {'  '.join(f'{w:.4g}' for w in W2[:3, 0])} ...\n")
delta1 = delta.hidden_error(W2, delta2, delta.activation_prime("sigmoid", z1))
beside(forward.delta[1], delta1)

# %% 4. BP3: ∂C/∂b = δ
print(
    """
4. BP3, the gradient of the biases ∂C/∂bˡ = δˡ

   A bias is added to z and to nothing else, so it inherits the error of its neuron unchanged:
   these are the numbers of BP2 once more, and that is the whole of the equation."""
)
beside([neuron.b.grad for neuron in model.layers[0].neurons], delta.bias_gradient(delta1))

# %% 5. BP4: ∂C/∂W = δ (aˡ⁻¹)ᵀ
print(
    """
5. BP4, the gradient of the weights ∂C/∂Wˡ = δˡ (aˡ⁻¹)ᵀ

   A weight multiplies one activation on its way to one neuron, so its gradient is the product of
   what comes in, aₖ, and the error at the end, δⱼ. All pairs (j, k) make the matrix."""
)
gradient = [[w.grad for w in neuron.w] for neuron in model.layers[1].neurons]
beside(gradient, delta.weight_gradient(delta2, a1))
print(f"   One of them, from the second hidden neuron to the neuron of {digit}:\n")
print("   ", explain(cost, model.layers[1].neurons[digit].w[1]).replace("\n", "\n    "))

# %% 6. The update: w → w − (η/m) Σ ∂C/∂w
eta = 0.25
GradientDescent(model.parameters(), lr=eta).step(m=1)
print(
    f"""
6. THE UPDATE, w → w − (η/m) Σ ∂C/∂w, with η = {eta} and this m = 1 example

   Every scalar parameter takes a small step against its gradient."""
)
beside(model.weights[2], delta.update(W2, delta.weight_gradient(delta2, a1), eta, 1))
after = costs.quadratic(model(x), y)
print(f"   The cost falls from {cost.data:.6f} to {after.data:.6f}.")

# %% And again, until the network sees it
steps = 1
while max(range(10), key=lambda j: model.forward(x).a[2][j].data) != digit:
    model.zero_grad()
    costs.quadratic(model(x), y).backward()
    GradientDescent(model.parameters(), lr=eta).step(m=1)
    steps += 1
print(f"   After {steps} such steps on this one digit, the network takes it for a {digit}.")

# %% All at once, over many digits and several steps, each equation within its derived bound
report = verify(model, data.train.X[:8], data.train.Y[:8], "quadratic", steps=3, lr=eta)
print("\nThe same for eight digits and three steps, every number of every equation:\n")
print(report)
