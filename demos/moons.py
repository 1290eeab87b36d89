"""Two moons: the program of micrograd's demo on this engine, and ours beside it.

Run it:  python demos/moons.py [PICTURE.png]

A network of scalars learns where one half circle ends and the other begins. First as one does it
with micrograd, whose program runs here with only the import changed; where micrograd is installed,
both train side by side and lose the same. Then in our own words. The boundaries are drawn in
characters, and with matplotlib into a file if one is named.
"""

# %% The data: 100 points, the classes as ±1
import importlib.util
import random
import sys
import time

import numpy as np

import microgradnet.nn
from microgradnet import MLP, datasets, delta, fit

data = datasets.moons(n=100, test_fraction=0.0)
X = 4 * data.train.X - 2  # about 0 and as wide as the weights expect it
y = 1 - 2 * data.train.labels
STEPS = 30


# %% The program: maximal margins, a little weight decay, the whole set a step
def train(MLP, steps, report):
    """Train a 2-16-16-1 network by any library that has micrograd's MLP."""
    random.seed(1337)
    model = MLP(2, [16, 16, 1])
    for step in range(steps):
        scores = [model(list(map(float, x))) for x in X]
        losses = [(1 - int(target) * score).relu() for target, score in zip(y, scores, strict=True)]
        decay = 1e-4 * sum(p * p for p in model.parameters())
        loss = sum(losses) * (1 / len(losses)) + decay
        right = sum((score.data > 0) == (t > 0) for t, score in zip(y, scores, strict=True))
        report(step, loss.data, right)
        model.zero_grad()
        loss.backward()
        for p in model.parameters():
            p.data -= (1.0 - 0.9 * step / steps) * p.grad
    return model


def show(step, loss, right):
    """A line of the course."""
    if step % 5 == 0 or step == STEPS - 1:
        print(f"    step {step:3}   loss {loss:.4f}   {right:3} of {len(X)} right")


if importlib.util.find_spec("micrograd"):
    import micrograd.nn

    print("The first two steps by micrograd and by microgradnet, the same program:\n")
    course = {}
    for library in (micrograd, microgradnet):
        name, losses, begun = library.__name__, [], time.perf_counter()
        train(library.nn.MLP, 2, lambda step, loss, right: losses.append(loss))  # noqa: B023  # called at once
        seconds = (time.perf_counter() - begun) / 2
        print(f"    {name:13} loss {losses[0]:.12f}  {losses[1]:.12f}  {seconds:.2f} s a step")
        course[name] = losses
    apart = np.abs(np.subtract(*course.values())).max()
    print(f"\nThe same start and the same losses: none differs by more than {apart:.0e}.\n")

print(f"{STEPS} steps by microgradnet:\n")
theirs = train(microgradnet.nn.MLP, STEPS, show)

# %% Ours: the cost of one example, mini-batches, and a node for each weighted input
ours = MLP(
    2, [16, 16, 1], activation="tanh", init="xavier", rng=random.Random(0), granularity="neuron"
)
history = fit(ours, X, y.astype(float), "hinge", lr=0.3, epochs=20, batch_size=10)
last = history[-1]
print(
    f"\nOurs, tanh and mini-batches of 10; {len(history)} epochs by the {history.engine} engine:\n"
)
print(f"    loss {last.cost:.4f}   {last.accuracy:.0%} right   {history.seconds:.1f} s in all\n")


# %% The boundary, from the matrices of the two networks
def scores(model, points):
    """The outputs for many points at once: z = W a + b and a = σ(z), by `delta`."""
    W, b = list(model.weights.values()), list(model.biases.values())
    return delta.forward(W, b, [layer.activation for layer in model.layers], points)[1][-1][:, 0]


def picture(model, columns=37, rows=17):
    """Where the network says which, and the points: ● and ○."""
    across, up = np.linspace(-2.3, 2.3, columns), np.linspace(2.3, -2.3, rows)
    grid = np.array([(x1, x2) for x2 in up for x1 in across])
    cells = np.where(scores(model, grid) > 0, "░", " ").reshape(rows, columns)
    for (x1, x2), target in zip(X, y, strict=True):
        i, j = np.abs(up - x2).argmin(), np.abs(across - x1).argmin()
        cells[i, j] = "●" if target > 0 else "○"
    return ["".join(row) for row in cells]


print(f"  {'as in the demo of micrograd':37}  ours\n")
for left, right in zip(picture(theirs), picture(ours), strict=True):
    print(f"  {left}  {right}".rstrip())

if len(sys.argv) > 1:
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    figure, panels = pyplot.subplots(1, 2, figsize=(10, 4.6), sharey=True, layout="constrained")
    line = np.linspace(-2.3, 2.3, 200)
    grid = np.array([(x1, x2) for x2 in line for x1 in line])
    titles = ("as in micrograd's demo", "ours")
    for panel, model, title in zip(panels, (theirs, ours), titles, strict=True):
        z = scores(model, grid).reshape(200, 200)
        panel.contourf(line, line, z, levels=[-1e9, -1, 0, 1, 1e9], cmap="RdBu", alpha=0.5)
        panel.contour(line, line, z, levels=[0], colors="black", linewidths=1)
        panel.scatter(*X.T, c=y, cmap="RdBu", edgecolors="black", s=25)
        panel.set(title=title, xlabel="x₁", aspect="equal")
    panels[0].set_ylabel("x₂")
    figure.savefig(sys.argv[1], dpi=120)
    print(f"\nThe line is the boundary, the pale band the margin |score| < 1: {sys.argv[1]}")
