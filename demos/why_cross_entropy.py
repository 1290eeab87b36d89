"""Why the cross-entropy: one neuron that is badly wrong, and how slowly it finds out.

Run it:  python demos/why_cross_entropy.py

The neuron of chapter 3 of Nielsen's book has one weight and one bias and is to learn that 1 becomes
0. We watch it learn under the quadratic cost and under the cross-entropy, from a start that is
somewhat wrong and from one that is badly wrong, and then the same in ten digits.
"""

# %% One neuron, a = σ(w·1 + b), whose target is 0
import random

from microgradnet import MLP, GradientDescent, costs, datasets, explain, fit

EPOCHS = 300


def sparkline(numbers, width=40):
    """Numbers from 0 to the largest as a line of small bars."""
    top = max(numbers)
    chosen = [numbers[round(k * (len(numbers) - 1) / (width - 1))] for k in range(width)]
    return "".join("▁▂▃▄▅▆▇█"[min(int(8 * x / top), 7)] for x in chosen)


def neuron(w, b):
    """The neuron at its start."""
    model = MLP(1, [1], output_activation="sigmoid", init="zeros")
    model.weights[1], model.biases[1] = [[w]], [b]
    return model


def learn(model, cost, eta):
    """The outputs over the epochs."""
    descent = GradientDescent(model.parameters(), lr=eta)
    outputs = []
    for _ in range(EPOCHS):
        model.zero_grad()
        output = model([1.0])
        cost(output, 0).backward()
        outputs.append(output.data)
        descent.step()
    return outputs


print("One neuron is to turn 1 into 0. Its output a over 300 steps of gradient descent:")
for w, b, how in ((0.6, 0.9, "somewhat wrong"), (2.0, 2.0, "badly wrong")):
    print(f"\nIt begins {how}, at w = {w}, b = {b}, a = {neuron(w, b)([1.0]).data:.3f}")
    for cost in (costs.quadratic, costs.cross_entropy):
        outputs = learn(neuron(w, b), cost, eta=0.15)
        half = next(k for k, a in enumerate(outputs) if a < 0.5)
        print(f"  {cost.__name__:14}{sparkline(outputs)}  a < ½ after {half:3} steps")

# %% Where the slowness comes from: the slope σ′(z) in BP1
model = neuron(2.0, 2.0)
forward = model.forward([1.0])
(z,), (a,) = forward.z[1], forward.a[1]
print("\nThe chain rule at the badly wrong start. First the quadratic cost:\n")
cost = costs.quadratic(forward.output, 0)
cost.backward()
C_prime, slope = a.grad, z.grad / a.grad
print("   ", explain(cost, z).replace("\n", "\n    "))
print(
    f"""
  The error is C′(a) σ′(z) = {C_prime:.3f} × {slope:.4f}: the cost pulls hard, but the neuron is
  saturated, and σ′(z) = a(1 − a) lets hardly anything through. Now the cross-entropy:
"""
)
forward = model.forward([1.0])
(z,), (a,) = forward.z[1], forward.a[1]
cost = costs.cross_entropy(forward.output, 0)
cost.backward()
print("   ", explain(cost, z).replace("\n", "\n    "))
print(
    f"""
  Its C′(a) = (a − y)/(a(1 − a)) = {a.grad:.1f} is large where a saturates, and it cancels σ′(z):
  δ = a − y = {z.grad:.3f}. The more wrong, the faster it learns."""
)

# %% The same with ten outputs, on handwritten digits, from weights that are too large
data = datasets.digits()
X, Y = data.train.X[:100], data.train.Y[:100]
print(
    "\nA hundred digits, a layer of ten σ neurons from weights drawn too large. How many are right"
)
print("before each of ten steps:\n")
for cost in (costs.quadratic, costs.cross_entropy):
    model = MLP(64, [10], output_activation="sigmoid", rng=random.Random(0))
    history = fit(model, X, Y, cost, lr=1.0, epochs=10, batch_size=None)
    print(f"  {cost.__name__:14}{'  '.join(f'{share:4.0%}' for share in history.accuracy)}")
