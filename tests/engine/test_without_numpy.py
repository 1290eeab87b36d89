"""Without NumPy the engine, explain and draw do what they can, and the rest says what it needs."""

import subprocess
import sys

import pytest

import microgradnet.lifting

PROGRAM = """
import sys

class NoNumPy:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "numpy":
            raise ModuleNotFoundError("No module named 'numpy'", name="numpy")

sys.meta_path.insert(0, NoNumPy())

import microgradnet as mg
from microgradnet import Value

x = [Value(0.5, label="x1"), Value(-1.0, label="x2")]
model = mg.MLP(2, [3, 1], activation="tanh", seed=0)
forward = model.forward(x)
cost = mg.costs.quadratic(forward.output, 1.0)
cost.backward()
mg.Adam(model.parameters()).step(m=1)
mg.linear(mg.layer_norm(x), [x, x], x)[0].backward()
with mg.no_grad(), mg.collector_paused():
    mg.softmax(x)
assert mg.grad(lambda v: v**3)(2.0) == 12.0
mg.check_grad(lambda v: v * v.tanh(), [0.5])
assert "δ¹₁" in str(mg.explain(cost, forward.z[1][0]))
for zoom in ("scalar", "neuron", "auto"):
    assert "digraph" in mg.draw(cost, zoom=zoom).source
big = sum((v * k for k in range(60) for v in x), Value(0.0))
assert mg.draw(big).zoom == "scalar"
for needs in (lambda: mg.lift(cost), lambda: mg.draw(cost, zoom="layer"), lambda: model.weights[1]):
    try:
        needs()
    except (ImportError, ValueError) as error:
        assert "numpy" in str(error).lower()
    else:
        raise AssertionError
assert "numpy" not in sys.modules
"""


def test_what_needs_no_numpy_runs_without_it() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_a_name_that_lifting_has_not_is_named() -> None:
    with pytest.raises(AttributeError, match=r"'microgradnet\.lifting' has no attribute 'lower'"):
        microgradnet.lifting.lower  # noqa: B018  # for its error
