"""How δ vanishes with depth, and what keeps it alive.

Run it:  python demos/vanishing_delta.py

BP2 takes the error one layer back, δˡ = ((Wˡ⁺¹)ᵀ δˡ⁺¹) ⊙ σ′(zˡ). What a layer does to the size of δ
ten layers do ten times over. So we let a digit run through deep networks and read δ off the
graph, layer by layer.
"""

# %% A deep network of scalars, and one handwritten digit
import math
import random

from microgradnet import MLP, costs, datasets, fit

DEPTH, WIDTH = 10, 16
data = datasets.digits()
x, y = data.train.X[0].tolist(), data.train.Y[0].tolist()


def network(activation, init, seed=0):
    """A 64-16-…-16-10 network."""
    sizes = [WIDTH] * (DEPTH - 1) + [10]
    rng = random.Random(seed)
    return MLP(64, sizes, activation=activation, init=init, rng=rng, granularity="neuron")


def errors(model):
    """The root mean square of δˡ for every layer l, of one digit."""
    forward = model.forward(x)
    costs.log_likelihood_from_z(forward.output, y).backward()
    return [math.sqrt(sum(d * d for d in layer) / len(layer)) for layer in forward.delta[1:]]


# %% δ, layer by layer, for three activations
CASES = (("sigmoid", "xavier"), ("tanh", "xavier"), ("relu", "he"), ("relu", "uniform"))
found = {case: errors(network(*case)) for case in CASES}
print(
    f"One digit through {DEPTH} layers: the size of δˡ (root mean square), from the output back.\n"
)
print("   layer" + "".join(f"{f'{activation}, {init}':>17}" for activation, init in CASES))
for l in range(DEPTH, 0, -1):
    print(f"   {l:5}" + "".join(f"{found[case][l - 1]:17.1e}" for case in CASES))
factors = [(found[case][0] / found[case][-1]) ** (1 / (DEPTH - 1)) for case in CASES]
print(
    "   a layer"
    + "".join(f"{f'× {factor:.2f}':>{17 - 2 * (k == 0)}}" for k, factor in enumerate(factors))
)

print("\nThe same for sigmoid and for relu with He's weights, each bar by powers of ten:\n")
for l in range(DEPTH, 0, -1):
    bars = []
    for case in CASES[0], CASES[2]:
        decades = 8 + math.log10(found[case][l - 1])
        bars.append(f"{'█' * round(4 * decades):34}")
    print(f"   {l:5}  {'  '.join(bars)}".rstrip())

# %% Where the factor comes from: σ′(z) and the weights
model = network("sigmoid", "xavier")
forward = model.forward(x)
slopes = [v.data * (1 - v.data) for layer in forward.a[1:-1] for v in layer]
mean = sum(slopes) / len(slopes)
W = model.weights[DEPTH - 1]
passed = math.sqrt(float((W**2).sum()) / W.shape[1])
print(
    f"""
   Each layer multiplies δ by the slopes σ′(z), which are a(1 − a) and so never above ¼, here
   {mean:.3f} on average; and by the weights, which as Xavier draws them pass it on at about
   {passed:.2f} times its size. The product is the factor of the first column. tanh has slopes
   up to 1; relu has slopes 1 and 0, and He's weights are √2 larger for the half that is lost.
   Weights drawn from [−1, 1], as micrograd draws them, make δ grow instead."""
)

# %% What comes of it: the first layers do not learn
EXAMPLES, STEPS = 100, 100
X, Y = data.train.X[:EXAMPLES], data.train.Y[:EXAMPLES]
print(
    f"\n{EXAMPLES} digits, {STEPS} steps of gradient descent. How far weights move, and the cost:\n"
)
for activation, init in CASES[:2]:
    model = network(activation, init)
    before = {l: model.weights[l] for l in (1, DEPTH)}
    history = fit(model, X, Y, "log_likelihood_from_z", lr=0.2, epochs=STEPS, batch_size=None)
    first, last = (
        100 * math.sqrt(float(((model.weights[l] - W) ** 2).sum() / (W**2).sum()))
        for l, W in before.items()
    )
    print(
        f"   {activation:8}  W¹ by {first:8.5f} %   W¹⁰ by {last:4.1f} %"
        f"   cost {history[0].cost:.3f} → {history[-1].cost:.3f}"
    )
shares = Y.mean(axis=0)
entropy = -sum(share * math.log(share) for share in shares if share)
print(
    f"""
   With σ the last layer learns alone, and what comes to it through {DEPTH - 1} layers is hardly
   another for another digit. All it can learn is how often each class occurs; to say just that
   costs {entropy:.3f}."""
)
