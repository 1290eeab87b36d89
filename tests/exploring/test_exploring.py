"""The page without a browser: what is put into it, and what is refused."""

import copy
import json
import math
import os
import re
from fractions import Fraction
from html.parser import HTMLParser
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from microgradnet import MLP, Value, cli, costs, explore, exploring, operation
from microgradnet.engine import is_unset
from microgradnet.exploring.layout import lay_out
from microgradnet.exploring.tape import play, to_json
from microgradnet.graph import topological_order
from microgradnet.views import GraphView


def network(sizes=(2, 3, 1), activation="sigmoid", output="sigmoid", seed=0, **options):
    model = MLP(
        sizes[0], sizes[1:], activation=activation, output_activation=output, rng=Random(seed),
        **options,
    )  # fmt: skip
    rng = Random(seed + 1)
    forward = model.forward([rng.uniform(-1, 1) for _ in range(sizes[0])])
    cost = costs.quadratic(forward.output, [rng.random() for _ in range(sizes[-1])])
    return model, forward, cost


def html(*arguments, **options):
    return explore(*arguments[:1], None, *arguments[1:], **options).html


def model_of(text):
    """The JSON that a page holds."""
    found = re.search(r'<script type="application/json" id="model">(.*?)</script>', text, re.DOTALL)
    return json.loads(found[1])


@given(st.integers(0, 10**6), st.lists(st.integers(1, 3), min_size=2, max_size=4))
def test_the_adjoints_are_those_of_backward_and_the_graph_is_left_alone(seed, sizes):
    _, _, cost = network(sizes, seed=seed)
    view = GraphView([cost])
    tape = play(view)
    assert all(is_unset(node.grad) for node in view.order)
    cost.backward()
    uses = [0.0] * len(view.order)
    for k, products in enumerate(tape.contributions):
        for p, product in zip(tape.parents[k], products, strict=True):
            uses[p] += abs(product)
    # The same products, added up in another order: as many roundings as there are uses.
    for k, node in enumerate(view.order):
        assert abs(tape.adjoints[k] - node.grad) <= len(view.order) * 2**-53 * uses[k]


def test_rationals_stay_exact():
    x = Value(Fraction(1, 3), label="x")
    nodes = model_of(html(x * x))["nodes"]
    assert nodes[0]["data"] == "1/3"
    assert nodes[0]["grad"] == "2/3"


@given(st.floats())
def test_every_float_is_json_or_a_word(x):
    told = to_json(x)
    assert told in ("inf", "-inf", "nan") or told == x
    json.dumps(told, allow_nan=False)


def test_nodes_are_in_topological_order_with_their_roles():
    model, forward, cost = network()
    data = model_of(html(cost, forward))
    order = topological_order([cost])
    assert [node["data"] for node in data["nodes"]] == [node.data for node in order]
    roles = [node["role"] for node in data["nodes"]]
    assert [order[k] for k, role in enumerate(roles) if role == "input"] == forward.a[0]
    assert [order[k] for k in data["parameters"]] == model.parameters()
    assert roles[-1] == "cost"


def test_formulas_know_their_operands_and_brackets():
    x, y = Value(2.0, label="x"), Value(-3.0)
    (data,) = (model_of(html((x - y).tanh()))["nodes"],)
    assert data[2]["formula"] == [0, " - ", 1]
    assert data[2]["brackets"]
    assert data[3]["formula"] == ["tanh(", 0, ")"]
    assert not data[3]["brackets"]


@given(st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7)), max_size=12))
def test_a_layout_places_every_box_apart_and_every_arrow(pairs):
    edges = [(min(a, b), max(a, b)) for a, b in pairs if a != b]
    layout = lay_out([(60, 30)] * 8, edges)
    assert len(layout.paths) == len(edges)
    for k, (x, y) in enumerate(layout.centres):
        assert 0 <= x <= layout.width and 0 <= y <= layout.height
        for other in layout.centres[:k]:
            assert abs(x - other[0]) >= 59 or abs(y - other[1]) >= 29


def test_neurons_stand_in_their_order():
    layout = lay_out([(60, 30)] * 6, [(0, 5), (1, 4), (2, 3)], columns=[[0, 1, 2], [3, 4, 5]])
    for column in (layout.centres[:3], layout.centres[3:]):
        assert len({x for x, _ in column}) == 1
        assert column == sorted(column)
    assert len(layout.paths) == 3


@pytest.mark.parametrize("granularity", ["atomic", "neuron"])
@pytest.mark.parametrize("output", ["sigmoid", "linear", "softmax"])
def test_the_page_of_a_2_3_2_network_is_small(granularity, output):
    _, forward, cost = network((2, 3, 2), output=output, granularity=granularity)
    assert len(html(cost, forward).encode()) < 500_000


def test_it_holds_nothing_from_elsewhere():
    _, forward, cost = network()
    text = html(cost, forward)
    assert "default-src 'none'" in text
    assert not re.search(r"""(src|href)\s*=\s*["'](?!#)""", text)
    assert re.findall(r"https?://[^\s\"']+", text) == ["http://www.w3.org/2000/svg"]
    assert not re.search(r"^(import|export)\b", text, re.MULTILINE)


def test_ones_own_operation_need_not_know_arrays(own_table):
    def steep_vjp(m, g, y, x):
        return (g if math.isfinite(x) else 0.0,)

    @operation(steep_vjp)
    def steep(m, x):
        return x if math.isfinite(x) else 0.0

    text = html(steep(Value(1.0, label="x")) * 2)
    assert model_of(text)["program_gradient"] is None
    assert "No equations: steep cannot be lifted" in text


def test_without_a_network_the_gradient_of_the_lifted_program_stands_beside():
    w, x, y = Value(0.5, label="w"), Value(2.0, label="x"), Value(1.0, label="y")
    cost = (w * x - y) ** 2
    cost.backward()
    data = model_of(html(cost, inputs=[x], parameters=[w]))
    assert data["program_gradient"] == [w.grad]
    assert [node["role"] for node in data["nodes"] if node["label"] == "y"] == ["target"]


def test_labels_are_text_wherever_they_stand():
    x = Value(1.0, label='</script><img src=x onerror="alert(1)">')
    y = x.tanh()
    y.label = "<!--<script>"
    text = html(y, title="<b>&amp;</b>")
    assert "<img" not in text
    assert "<!--" not in text
    assert "<b>&amp;" not in text
    assert model_of(text)["nodes"][0]["label"] == x.label


def test_a_large_graph_opens_at_its_layers_and_says_what_is_left_out():
    _, forward, cost = network((20, 60, 10))
    text = html(cost, forward)
    data = model_of(text)
    assert len(data["nodes"]) > 3000
    assert data["zoom"] == "layer"
    assert "too many to draw one by one" in text
    assert "Of larger matrices the first rows and columns are shown" in text
    assert 'id="picture-scalar"' not in text
    assert 'id="picture-layer"' in text


def test_a_cost_that_leaves_a_part_of_the_network_out_has_no_equations():
    _, forward, _ = network((2, 3, 2))
    text = html(forward.a[2][0] ** 2, forward)
    assert "does not depend on every part" in text
    assert model_of(text)["network"] is None


def test_what_cannot_be_explored_is_said():
    with pytest.raises(TypeError, match=r"not 3\.0"):
        explore(3.0)
    with pytest.raises(TypeError):
        explore(Value(1.0) * 2, "page.html", "tanh")
    _, forward, _ = network()
    with pytest.raises(ValueError):
        explore(Value(1.0) * 2, forward_pass=forward)
    x = Value(1.0)
    for _ in range(50_000):
        x = -x
    with pytest.raises(ValueError, match="50,001 nodes"):
        explore(x)


def test_it_writes_the_file_and_says_where(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["explore"]) == 0
    assert capsys.readouterr().out.startswith("Wrote explore.html (")
    data = model_of((tmp_path / "explore.html").read_text(encoding="utf-8"))
    assert data["nodes"][-1]["label"] == "C"
    assert [len(layer["z"]) for layer in data["network"]["layers"]] == [3, 2]


def test_an_expressions_names_say_what_they_are(tmp_path, capsys):
    path = tmp_path / "page.html"
    arguments = ["tanh(w*x + b) - y1", "w=0.5", "x=2", "b=-1", "y1=1/3"]
    assert cli.main(["explore", *arguments, "-o", str(path)]) == 0
    nodes = model_of(path.read_text(encoding="utf-8"))["nodes"]
    roles = {node["label"]: node["role"] for node in nodes}
    wanted = {"w": "parameter", "b": "parameter", "x": "input", "y1": "target"}
    assert wanted.items() <= roles.items()


@pytest.mark.parametrize("cost", costs.COSTS)
def test_every_cost_on_the_command_line(cost, tmp_path, capsys):
    path = tmp_path / "page.html"
    assert cli.main(["explore", "--data", "iris", "--cost", cost, "--output", str(path)]) == 0
    assert path.stat().st_size < 500_000


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--data", "mnist"], "mnist"),
        (["--cost", "mean"], "mean"),
        (["--sizes", "3,2"], "must begin with 2"),
        (["--example", "0"], "too small"),
        (["--example", "9999"], "9999"),
        (["tanh(w*q)", "w=1"], "q"),
        (["w*x", "w=1", "x"], "as in w=0.5"),
        (["--output", "/nowhere/at/all.html"], "No such file"),
        (["--data", "digits", "--sizes", "64,400,10"], "nodes"),
    ],
)
def test_a_mistake_is_one_line(arguments, named, capsys):
    try:
        status = cli.main(["explore", *arguments])
    except SystemExit as stop:
        status = stop.code
    assert status == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert named in line


def test_a_constant_beyond_the_floats_is_infinite_in_the_page():
    text = html(Value(1, label="x") ** 10**400)
    assert "No equations: int too large to convert to float." in text
    assert "m.power(x0, Infinity)" in text


def test_constants_stand_in_equations_without_a_matrix_of_their_own():
    x, w = [Value(2.0, label=f"x{k}") for k in (1, 2)], Value(0.5, label="w")
    text = html(sum((w * v - y) ** 2 for v, y in zip(x, (1.0, 3.0), strict=True)))
    assert "(w a0 + k1)²" in text
    assert "k1 =" not in text


def test_a_single_layer_has_no_hidden_errors(own_table):
    @operation(lambda m, g, y, x: (2 * g * x,))
    def twofold(m, x):
        return x * x

    _, forward, cost = network((2, 1), output=twofold)
    text = html(cost, forward)
    assert "BP1: the error of the output" in text
    assert "BP2: the error of a hidden layer" not in text
    assert "twofold′" in text


def test_neurons_too_many_are_left_out_of_small_graphs_too(monkeypatch):
    monkeypatch.setattr("microgradnet.exploring.explorer._NEURONS", 5)
    _, forward, cost = network((2, 3, 1))
    assert "4 neurons: too many to draw one by one" in html(cost, forward)


def test_the_cost_may_be_the_output_itself():
    model = MLP(2, [1], output_activation="sigmoid", rng=Random(0))
    forward = model.forward([1.0, 2.0])
    data = model_of(html(forward.output, forward))
    assert data["nodes"][-1]["label"] == "a¹₁"


# --- The page as an object ------------------------------------------------------------------------


def test_a_page_writes_itself_and_knows_where(tmp_path):
    cost = Value(2.0, label="w") ** 2
    page = explore(cost, title="<Squares>")
    assert page.path is None and model_of(page.html)["nodes"][0]["label"] == "w"
    assert repr(page) == "<Page '<Squares>': .save('page.html') writes it>"
    assert page.save(str(tmp_path / "a.html")) == page.path == tmp_path / "a.html"
    assert page.path.read_text(encoding="utf-8") == page.html
    again = explore(cost, tmp_path / "b.html", title="<Squares>")
    assert (tmp_path / "b.html").read_bytes() == page.html.encode("utf-8")
    assert again.path == tmp_path / "b.html"


def test_a_page_in_a_notebook_is_a_frame_that_scripts_outside_cannot_reach():
    page = explore(Value(2.0, label='"><b>') ** 2)
    (frame,) = Frames(page._repr_html_()).frames
    assert frame["srcdoc"] == page.html
    assert frame["sandbox"] == "allow-scripts"
    assert frame["title"] == page.title


class Frames(HTMLParser):
    """The attributes of the frames in a piece of HTML; nothing else may be in it."""

    def __init__(self, text):
        super().__init__()
        self.frames = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        assert tag == "iframe"
        self.frames.append(dict(attributes))


def test_a_page_is_still_the_path_that_explore_returned(tmp_path):
    page = explore(Value(2.0, label="w") ** 2, tmp_path / "a.html")
    with pytest.warns(DeprecationWarning, match=r"\.path\.name"):
        assert page.name == "a.html"
    with pytest.warns(DeprecationWarning, match=r"explore\(...\).path"):
        assert os.fspath(page) == str(tmp_path / "a.html")
    with pytest.raises(AttributeError, match="colour"):
        _ = page.colour
    with pytest.raises(AttributeError, match=r"\.save"):
        _ = explore(Value(2.0, label="w") ** 2).name
    with pytest.raises(TypeError, match=r"\.save"):
        os.fspath(explore(Value(2.0, label="w") ** 2))
    assert copy.copy(page).html == page.html


def test_the_text_of_a_page_is_still_there_by_its_old_name():
    _, forward, cost = network()
    with pytest.warns(DeprecationWarning, match=r"explore\(...\).html"):
        assert exploring.page(cost, forward) == explore(cost, forward_pass=forward).html


def test_labels_say_what_leaves_are_as_they_do_in_pictures():
    names = ["w", "b", "x", "x2", "y", "speed"]
    leaves = [Value(0.5 + k, label=name) for k, name in enumerate(names)]
    cost = leaves[0]
    for leaf in leaves[1:]:
        cost = cost * leaf

    def roles(**options):
        data = model_of(html(cost, **options))
        moved = [data["nodes"][k]["label"] for k in data["parameters"]]
        return [node["role"] for node in data["nodes"] if "op" not in node], moved

    found, moved = roles()
    assert found == ["parameter", "parameter", "input", "input", "target", "parameter"]
    assert moved == ["w", "b", "speed"]
    # What is said to be learned is all that is.
    found, moved = roles(inputs=[leaves[1]], parameters=[leaves[5], leaves[2]])
    assert found == ["constant", "input", "parameter", "constant", "target", "parameter"]
    assert moved == ["speed", "x"]


def test_a_graph_that_cannot_be_drawn_at_all_is_played(own_table, monkeypatch):
    @operation(lambda m, g, y, x: (g if math.isfinite(x) else 0.0,))
    def steep(m, x):
        return x if math.isfinite(x) else 0.0

    monkeypatch.setattr("microgradnet.exploring.explorer._SCALARS", 2)
    text = html(steep(Value(1.0, label="w")) * 2)
    assert model_of(text)["zoom"] == ""
    assert "too many nodes to be drawn" in text
