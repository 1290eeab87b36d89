"""Pictures: the DOT text to the letter for small graphs, and real renderings of all kinds."""

from __future__ import annotations

import math
import os
import shutil
import struct
import subprocess
import sys
from dataclasses import replace
from fractions import Fraction
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from random import Random
from xml.etree import ElementTree

import graphviz
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import ROOT
from support.loops import attention, convolution, demo_batch, recurrence, total

from microgradnet import MLP, Value, costs, datasets, draw, drawing
from microgradnet.drawing import (
    RenderError,
    inline,
    render,
    rendering,
    svg,
)
from microgradnet.drawing.dot import label, text_width, tooltip
from microgradnet.graph import topological_order
from microgradnet.views import GraphView

SVG = "{http://www.w3.org/2000/svg}"
needs_dot = pytest.mark.skipif(shutil.which("dot") is None, reason="Graphviz is not installed")
RENDERERS = ["embedded", pytest.param("dot", marks=needs_dot)]


def neuron():
    w, x, b = Value(0.5, label="w"), Value(2.0, label="x"), Value(-1.0, label="b")
    return (w * x + b).tanh()


def scalar(values, **options):
    return draw(values, zoom="scalar", **options).source


def network(cost=True):
    model = MLP(2, [3, 1], activation="tanh", rng=Random(0))
    forward = model.forward([1.0, -2.0])
    C = costs.quadratic(forward.output, Value(1.0, label="y"))
    C.label = "C"
    return C


def statements(source):
    """The nodes and edges of a DOT text, without what every picture has."""
    return [line.strip() for line in source.splitlines() if line.strip().startswith(("n", "op"))][
        1:
    ]


def groups(picture, kind):
    """The groups of an SVG of one class, by id."""
    root = ElementTree.fromstring(picture)
    return {g.get("id"): g for g in root.iter(f"{SVG}g") if kind in g.get("class", "").split()}


def texts(element):
    return ["".join(text.itertext()) for text in element.iter(f"{SVG}text")]


def title(group):
    return group.find(f"{SVG}title").text


# The text


def small_network():
    """A network of two neurons, its numbers short and exact."""
    model = MLP(1, [1, 1], activation="relu", output_activation="linear", init="zeros")
    model.weights[1], model.biases[1] = [[0.5]], [1.0]
    model.weights[2], model.biases[2] = [[-2.0]], [0.25]
    C = costs.quadratic(model([2.0]), Value(-3.0, label="y"))
    C.label = "C"
    C.backward()
    return C


def test_a_neuron_to_the_letter(golden):
    a = neuron()
    a.label = "a"
    a.backward()
    golden("neuron.gv", scalar([a]))


@pytest.mark.parametrize("zoom", ["scalar", "neuron"])
def test_a_network_to_the_letter(zoom, golden):
    golden(f"network_{zoom}.gv", draw(small_network(), zoom=zoom).source)


def test_the_matrices_of_a_network_to_the_letter(golden):
    cost = small_network()
    cost.backward()
    golden("network_layer.gv", draw(cost, zoom="layer").source)


def test_x_times_x_has_both_edges_and_a_difference_its_operands_in_order():
    x = Value(3.0, label="x")
    edges = [
        line.split(" tooltip")[0] for line in statements(scalar([x / 2 - x * x])) if "->" in line
    ]
    assert edges == [
        'n0 -> op2:nw [id=e2_0 label="0.5"',
        'n1 -> op2:sw [id=e2_1 label="−0.75"',
        "op2 -> n2 [id=e2]",
        'n0 -> op3 [id=e3_0 label="3"',
        'n0 -> op3 [id=e3_1 label="3"',
        "op3 -> n3 [id=e3]",
        'n2 -> op4:nw [id=e4_0 label="1"',
        'n3 -> op4:sw [id=e4_1 label="−1"',
        "op4 -> n4 [id=e4]",
    ]


def test_the_first_operand_comes_before_the_second_in_every_direction():
    for rankdir, axis, sign in (("LR", 1, 1), ("RL", 1, 1), ("TB", 0, 1), ("BT", 0, 1)):
        a, b = Value(1.0, label="a"), Value(2.0, label="b")
        arrows = groups(draw(b / a, rankdir=rankdir).svg(), "edge")
        ends = []
        for edge in ("e2_0", "e2_1"):
            tip = arrows[edge].find(f"{SVG}polygon").get("points").split()[1]
            ends.append(sign * float(tip.split(",")[axis]))
        assert ends[0] < ends[1], rankdir


def test_not_differentiated_yet_is_not_gradient_0():
    x = Value(-1.0, label="x")
    y = x.relu()
    before = scalar([y])
    assert "grad not yet" in before
    assert "call backward()" in before
    y.backward()
    after = scalar([y])
    assert 'label="x = −1\\ngrad 0"' in after
    assert "not yet" not in after
    assert "call backward()" not in after


def test_delta_is_the_gradient_of_a_weighted_input():
    C = network()
    C.backward()
    source = scalar([C])
    assert 'label="z¹₁ = ' in source
    assert "\\nδ¹₁ = " in source
    assert 'label="a¹₁ = ' in source


def test_a_network_is_framed_by_layer_and_neuron():
    lines = scalar([network()]).splitlines()
    frames = {}
    inside = []
    for line in map(str.strip, lines):
        if line.startswith("subgraph"):
            inside.append(line.split()[1])
        elif line == "}" and inside:
            inside.pop()
        elif line.startswith("n") and 'label="' in line and "->" not in line:
            frames[line.split('label="')[1].split(" =")[0]] = tuple(inside)
    assert frames["w¹₂₁"] == frames["b¹₂"] == frames["z¹₂"] == frames["a¹₂"]
    assert frames["z¹₂"] == ("cluster_1", "cluster_1_2")
    assert frames["w²₁₃"] == ("cluster_2", "cluster_2_1")
    assert frames["a⁰₁"] == ("cluster_0",)
    assert frames["C"] == frames["y"] == ()
    # The unlabelled products and sums of a neuron stand in its frame, those of the cost in none.
    unframed = [line for line in lines if line.startswith("\tn") and " -> " not in line]
    assert len(unframed) == 5 + 1  # y, a − y, its square, 2 and C; and the defaults of nodes


def test_roles_by_label_and_by_word():
    w, x, y, other = (Value(1.0, label=name) for name in ("w1", "x_2", "y", "speed"))
    z = w * x + y + other + 3
    a, b = Value(1.0, label="a"), Value(1.0, label="wte[3][1]")
    assert [line.count("class=parameter") for line in statements(scalar([a + b]))[:2]] == [1, 1]
    classes = [
        line.split("class=")[1].split()[0] for line in statements(scalar([z])) if "id=n" in line
    ]
    assert [c for c in classes if c != "computed"] == [
        "parameter", "input", "target", "parameter", "constant",
    ]  # fmt: skip
    said = scalar([z], inputs=[[other], 2.0], parameters=[x], targets=w)
    classes = [line.split("class=")[1].split()[0] for line in statements(said) if "id=n" in line]
    assert [c for c in classes if c != "computed"] == [
        "target", "parameter", "constant", "input", "constant",
    ]  # fmt: skip


def test_the_same_program_gives_the_same_text_in_every_process():
    code = (
        "from random import Random\n"
        "from microgradnet import MLP, costs, draw\n"
        "f = MLP(2, [3, 2], rng=Random(3)).forward([1.0, 2.0])\n"
        "c = costs.quadratic(f.output, [1, 0]); c.backward()\n"
        "print(draw(c, zoom='scalar').source)"
    )
    runs = {
        subprocess.run(
            [sys.executable, "-X", "utf8", "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(runs) == 1


def test_numbers_of_every_kind():
    import sympy

    for x, shown in (
        (Fraction(-1, 3), "−1/3"),
        (7, "7"),
        (10**40, "1e40"),
        (2**20_000, "a rational too long"),
        (Fraction(10**20 + 1, 10**20), "1"),
        (1e-9, "1e−9"),
        (sympy.Symbol("t") ** 2 - 1, "t**2 − 1"),
        (math.nan, "‼ x = NaN"),
        (-math.inf, "‼ x = −∞"),
        (sympy.oo, "‼ x = ∞"),
    ):
        leaf = Value(x, label="x")
        y = leaf * leaf
        y.backward()
        source = draw(y).source
        assert f"{shown if '‼' in shown else f'x = {shown}'}" in source, shown
        svg(source)


def test_what_is_not_finite_is_marked_by_more_than_colour():
    x = Value(0.0, label="x")
    y = x.log() * 0
    y.backward()
    marked = [line for line in statements(draw(y).source) if "‼" in line and "->" not in line]
    assert all('color="#D55E00"' in line and "penwidth=2.5" in line for line in marked)
    assert len(marked) == 4  # x by its gradient, log x, 0 by its gradient, and the product


def test_a_rule_that_fails_does_not_spoil_the_picture(own_table):
    from microgradnet import operation

    def broken(m, g, y, x):
        raise RuntimeError("not today")

    @operation(broken, "odd($x)")
    def odd(m, x):
        return x

    edges = [line for line in statements(draw(Value(1.0).odd()).source) if "->" in line]
    assert edges == ["n0 -> op1 [id=e1_0]", "op1 -> n1 [id=e1]"]


# Highlights


def test_a_highlight_shows_the_paths_and_their_sum():
    x = Value(3.0, label="x")
    y = x * x + 2 * x
    y.label = "y"
    y.backward()
    picture = draw(y, highlight=x)
    told = picture.source.split('label="', 1)[1].split(" tooltip")[0].split("\\l")
    assert told[:4] == [
        "∂C/∂x = 8, the sum over 3 paths:",
        "    3 = 1 × 3 along x → × → y",
        "    3 = 1 × 3 along x → × → y",
        "    2 = 1 × 2 along x → × → y",
    ]
    thick = {line.split()[0] for line in statements(picture.source) if "penwidth" in line}
    assert thick == {"n0", "n1", "op1", "n3", "op3", "op4"}
    picture.svg()


def test_many_paths_are_not_all_told():
    x = Value(1.0, label="x")
    y = x + x + x + x + x + x + x + x
    assert "and 2 more" in draw(y, highlight=x).source
    for _ in range(30):
        y = y + y
    assert "more paths than can be listed" in draw(y, highlight=x).source


def test_highlights_that_make_no_sense():
    a = neuron()
    with pytest.raises(ValueError):
        draw(a, highlight=Value(1.0, label="stranger"))
    with pytest.raises(ValueError):
        draw([a, a * 2], highlight=a)
    with pytest.raises(TypeError):
        draw(a, highlight="w")


# Neurons and layers


def test_a_network_of_neurons():
    C = network()
    C.backward()
    picture = draw(C, zoom="neuron")
    nodes, edges = groups(picture.svg(), "node"), groups(picture.svg(), "edge")
    shown = {tuple(line.split(" = ")[0] for line in texts(node)) for node in nodes.values()}
    assert {("z¹₂", "a¹₂", "δ¹₂"), ("z²₁", "δ²₁"), ("layer 2",), ("y", "grad 1.27")} <= {
        each[:3] if each[0] != "y" else ("y", "grad 1.27") for each in shown
    }
    weights = groups(picture.svg(), "weight")
    assert len(weights) == 3 * 2 + 1 * 3
    assert sorted(title(edge).split(":")[0] for edge in weights.values()) == sorted(
        [*(f"w¹{j}{k}" for j in "₁₂₃" for k in "₁₂"), *(f"w²₁{k}" for k in "₁₂₃")]
    )
    assert len(edges) == len(weights) + 2  # and to the cost, from the output and its target


@pytest.mark.parametrize("edges", ["weight", "gradient"])
def test_hue_dashes_and_thickness_follow_the_number_shown(edges):
    C = network()
    C.backward()
    lines = [
        line for line in statements(draw(C, zoom="neuron", edges=edges).source) if "->" in line
    ]
    widths = {}
    for line in lines:
        if "class=weight" not in line:
            continue
        data, grad = (
            line.split(name)[1].split("\\n")[0].rstrip('"]') for name in ("data ", "grad ")
        )
        number = float((grad if edges == "gradient" else data).replace("−", "-"))
        assert ("style=dashed" in line) == (number < 0) == ("#D55E00" in line)
        widths[abs(number)] = float(line.split("penwidth=")[1].split()[0])
    assert [widths[size] for size in sorted(widths)] == sorted(widths.values())
    assert max(widths.values()) == 3.5


def test_the_neurons_of_a_layer_stand_in_their_order():
    forward = MLP(3, [7, 5], rng=Random(1)).forward([1.0, 2.0, 3.0])
    picture = draw(forward.output, zoom="neuron").svg()
    columns = {}
    for node in groups(picture, "neuron").values():
        first = next(node.iter(f"{SVG}text"))
        columns.setdefault(texts(node)[0][:2], []).append((float(first.get("y")), texts(node)[0]))
    for column in columns.values():
        named = [name.split(" ")[0] for _, name in sorted(column)]
        assert named == sorted(named)
    assert {len(column) for column in columns.values()} == {7, 5}


def test_neurons_of_a_graph_by_anyone():
    w = [[Value(0.5), Value(-1.0)], [Value(1.5), Value(2.0)]]
    b = [Value(0.1), Value(0.2)]
    v = [Value(1.0), Value(-2.0)]
    x = [Value(1.0), Value(2.0)]
    hidden = [(w[j][0] * x[0] + b[j] + x[1] * w[j][1]).tanh() for j in range(2)]
    y = hidden[0] * v[0] + hidden[1] * v[1]
    source = draw(y, zoom="neuron", inputs=x, parameters=[w, b, v]).source
    assert 'label="z¹₂ = 5.7\\na¹₂ = ' in source
    assert source.count("class=weight") == 6
    assert source.count("class=neuron") == 3
    with pytest.raises(ValueError, match=r"no neurons.*parameters=\.\.\."):
        draw(Value(1.0, label="x").tanh(), zoom="neuron")
    for zoom in ("neuron", "layer"):
        with pytest.raises(ValueError, match=r"say which leaves are inputs=\.\.\."):
            draw(Value(1.0) * 2, zoom=zoom)


def test_several_examples_in_one_graph_are_no_network_of_neurons():
    model = MLP(2, [2], rng=Random(0))
    with pytest.raises(ValueError, match=r"more than once.*one example"):
        draw([model([1.0, 2.0]), model([3.0, 4.0])], zoom="neuron")
    offered = draw([model([1.0, 2.0]), model([3.0, 4.0])]).source
    assert "zoom='layer'" in offered and "zoom='neuron'" not in offered


def test_a_layer_is_a_box_with_its_equations():
    C = network()
    C.backward()
    picture = draw(C, zoom="layer")
    nodes = groups(picture.svg(), "node")
    assert set(nodes) >= {"W1", "b1", "W2", "b2", "a0", "y", "z1", "a1", "z2", "C"}
    z1 = [" ".join(text.replace("\xa0", " ").split()) for text in texts(nodes["z1"])]
    assert z1[0] == "z¹ = W¹ a⁰ + b¹ 3"
    assert z1[2] == "δ¹ = ((W²)ᵀ δ²) ⊙ tanh′(z¹)"
    assert len(z1) == 4
    W1 = [" ".join(text.replace("\xa0", " ").split()) for text in texts(nodes["W1"])]
    assert W1[0] == "W¹ 3×2"
    assert W1[4] == "∂C/∂W¹ = δ¹ (a⁰)ᵀ"
    assert len(W1) == 8
    assert {"W1-z1", "a0-z1", "b1-z1", "z1-a1"} <= set(groups(picture.svg(), "edge"))


def test_the_numbers_of_a_layer_are_those_of_the_graph():
    C = network()
    C.backward()
    nodes = groups(draw(C, zoom="layer").svg(), "node")
    scalars = map(texts, groups(draw(C, zoom="scalar").svg(), "computed").values())
    numbers = {data.split(" = ")[0]: grad.split(" = ")[-1] for data, grad in scalars}
    assert texts(nodes["z1"])[3].split()[1:-1] == [numbers[f"z¹{j}"] for j in "₁₂₃"]


@pytest.mark.parametrize("zoom", ["scalar", "neuron", "layer"])
def test_no_zoom_shows_a_gradient_that_is_not_there_yet(zoom):
    source = draw(network(), zoom=zoom).source
    assert "not yet" in source
    assert "call backward()" in source


def test_a_highlight_at_every_zoom():
    C = network()
    C.backward()
    for zoom in ("neuron", "layer"):
        plain, lit = draw(C, zoom=zoom).source, draw(C, zoom=zoom, highlight=C.parents[0]).source
        assert "#C8C8C8" not in plain
        assert "#C8C8C8" in lit
        assert "on one path" in lit
    (z,) = (node for node in topological_order([C]) if node.label == "z¹₂")
    lines = statements(draw(C, zoom="neuron", highlight=z).source)
    (thick,) = (line for line in lines if "class=neuron" in line and "penwidth" in line)
    assert "z¹₂" in thick


@pytest.mark.parametrize(
    ("sizes", "zoom", "others"),
    [
        ([2, 3, 1], "scalar", "are zoom='neuron' and zoom='layer' too"),
        ([2, 16, 16, 1], "neuron", "are zoom='scalar' and zoom='layer' too"),
        ([64, 16, 10], "layer", "is zoom='neuron' too"),
    ],
)
def test_auto_takes_the_finest_that_can_be_read_and_says_so(sizes, zoom, others):
    model = MLP(sizes[0], sizes[1:], rng=Random(0))
    forward = model.forward([0.5] * sizes[0])
    picture = draw(costs.quadratic(forward.a[-1], [1.0] * sizes[-1]))
    assert picture.zoom == zoom
    assert f"the {zoom} zoom; there {others}" in picture.source
    assert "zoom=" not in draw(forward.output, zoom=zoom).source
    picture.svg()


def test_auto_of_a_graph_without_neurons_or_matrices_is_scalar():
    x = Value(0.5, label="x")
    r, names = Random(0), ["tanh", "sin", "sigmoid", "softplus", "atan", "erf"]
    for _ in range(200):  # never one twice, which would be a recurrence
        name = names.pop(r.randrange(3))
        names.append(name)
        x = getattr(x, name)()
    assert draw(x).zoom == "scalar"
    assert "there is zoom='layer' too" in draw(x).source


def test_a_zoom_that_is_the_only_one_offers_no_other():
    x = [Value(0.5) for _ in range(1_000)]
    picture = draw([v.sin().exp() for v in x], inputs=x)
    assert (picture.zoom, "zoom=" in picture.source) == ("layer", False)


# Labels

HOSTILE = ['{ } | < > " \\ &', "\\N \\G \\n \\l", "&lt;b&gt; &#65;", "\\", 'a"b\\', "δ²₁ ∂ ⊙ 中文",
           "<b>bold</b> 🎉", "]]>", "<!--", "%s {0}", " ", "node [", "n0 -> n1"]  # fmt: skip


@pytest.mark.parametrize("renderer", RENDERERS)
@pytest.mark.parametrize("text", HOSTILE)
def test_a_label_appears_as_it_is(text, renderer):
    picture = draw(Value(1.0, label=text) * 2, renderer=renderer).svg()
    node = groups(picture, "node")["n0"]
    assert texts(node)[0].replace("\xa0", " ") == f"{text} = 1"
    assert title(node).startswith(f"{text}: parameter\n")


@given(st.text(max_size=20), st.text(max_size=20))
def test_any_label_appears_as_it_is(first, second):
    texts_given = f"label={label(first, 'x' + second)} tooltip={tooltip(first, second)}"
    source = f"digraph {{ a [id=a {texts_given}] }}"
    node = groups(svg(source), "node")["a"]
    shown = [texts(node)[-1], title(node).split("\n")[-1]]
    for got, want in zip(shown, ("x" + second, second), strict=True):
        for character, expected in zip(got.replace("\xa0", " "), want, strict=True):
            assert character in (expected, "�", " "), (got, want)
            if expected.isprintable():
                assert character == expected


# Renderings


@pytest.mark.parametrize("renderer", RENDERERS)
def test_svg_has_a_group_with_a_readable_title_for_every_node_and_edge(renderer):
    C = network()
    C.backward()
    picture = draw(C, zoom="scalar", renderer=renderer).svg()
    root = ElementTree.fromstring(picture)
    assert root[0].tag == f"{SVG}title"
    assert root[0].text == "The graph that computes C: 41 values"
    assert root[1].tag == f"{SVG}desc"
    assert "on an edge: the local derivative" in root[1].text
    nodes, edges = groups(picture, "node"), groups(picture, "edge")
    operations = [name for name in nodes if name.startswith("op")]
    assert len(nodes) - len(operations) == 41
    assert len(edges) == sum(name.count("_") for name in edges) + len(operations)
    assert title(nodes["n0"]).startswith("b²₁: parameter\ndata 0.0\ngrad ")
    for group in (*nodes.values(), *edges.values()):
        assert title(group)
    assert not list(root.iter(f"{SVG}a"))


@pytest.mark.parametrize("renderer", RENDERERS)
def test_png_is_sharp(renderer):
    picture = draw(neuron(), renderer=renderer)
    data = picture.pipe("png")
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", data[16:24])
    natural = ElementTree.fromstring(picture.svg()).get("width")
    assert width == pytest.approx(float(natural.removesuffix("pt")) / 72 * 192, abs=8)
    assert height > 200


def test_a_bitmap_shows_no_empty_square_for_the_hadamard_product():
    shown, other = (f'digraph {{ a [label="{sign}"] }}' for sign in "⊙◦")
    assert render(shown, "png", "embedded") == render(other, "png", "embedded")
    assert "⊙" in svg(shown)


def test_a_large_picture_is_small_enough_to_be_opened():
    x = Value(1.0, label="x")
    for _ in range(400):
        x = x.tanh()
    data = draw(x, zoom="scalar").pipe("png")
    assert max(struct.unpack(">II", data[16:24])) <= 30 * 192 + 1


@needs_dot
def test_formats_that_the_embedded_renderer_lacks_come_from_dot(tmp_path):
    path = draw(neuron()).save(tmp_path / "neuron.pdf")
    assert (tmp_path / "neuron.pdf").read_bytes().startswith(b"%PDF")
    assert path == str(tmp_path / "neuron.pdf")


def test_without_any_renderer_there_is_text(monkeypatch):
    monkeypatch.setattr(rendering, "_embedded", lambda: None)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    picture = draw(neuron())
    shown = picture._repr_mimebundle_()
    assert "pip install graphviz-pure" in shown["text/plain"]
    assert "w = 0.5" in shown["text/plain"]
    assert "image/svg+xml" not in shown
    with pytest.raises(RenderError, match="graphviz-pure"):
        picture.svg()
    with pytest.raises(RenderError):
        draw(neuron(), renderer="dot").svg()


def test_without_dot_a_pdf_is_one_clear_error(monkeypatch, tmp_path):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(RenderError, match="pdf"):
        draw(neuron()).save(tmp_path / "neuron.pdf")
    assert not list(tmp_path.iterdir())


@needs_dot
def test_where_no_embedded_renderer_is_made_dot_takes_its_place(monkeypatch):
    monkeypatch.setattr(rendering, "_embedded", lambda: None)
    assert draw(neuron()).svg().count("graphics-document") == 1
    with pytest.raises(RenderError):
        draw(neuron(), renderer="embedded").svg()


def test_a_layout_that_takes_too_long_and_a_text_that_is_no_dot():
    with pytest.raises(RenderError, match="seconds"):
        render(draw(neuron()).source, timeout=1e-5)
    with pytest.raises(RenderError):
        render("digraph {")


def test_a_notebook_shows_svg_that_is_part_of_the_page_and_scales():
    shown = draw(neuron())._repr_mimebundle_()
    assert set(shown) == {"text/html", "image/svg+xml", "text/plain"}
    element = ElementTree.fromstring(shown["text/html"])[0]
    assert element.get("width") == "100%"
    assert element.get("height") is None
    natural = ElementTree.fromstring(shown["image/svg+xml"]).get("width")
    half = float(natural.removesuffix("pt")) / 2
    assert element.get("style") == f"max-width:{natural};min-width:{half:g}pt;height:auto"
    assert element.get("viewBox")
    png = draw(neuron())._repr_mimebundle_(
        include=["image/png", "text/plain"], exclude=["text/plain"]
    )
    assert list(png) == ["image/png"]
    assert inline(svg("digraph { a }")).startswith("<svg")


# Files


def test_the_pictures_of_the_readme_are_those_of_the_program():
    demos = ROOT / "demos"
    w, x, b = Value(0.5, label="w"), Value(2.0, label="x"), Value(-0.5, label="b")
    z = w * x + b
    a = z.tanh()
    a.backward()
    z.label, a.label = "z", "a"
    data = datasets.digits(seed=0)
    model = MLP(
        64,
        [16, 10],
        activation="sigmoid",
        output_activation="sigmoid",
        init="xavier",
        rng=Random(0),
    )
    y = [Value(t, label=f"y{j}") for j, t in enumerate(data.train.Y[0], 1)]
    cost = costs.quadratic(model(data.train.X[0]), y)
    cost.backward()
    for name, picture in (
        ("neuron", draw(a, highlight=w)),
        ("digits", draw(cost, zoom="layer")),
    ):
        shown = ElementTree.fromstring((demos / f"{name}.svg").read_text(encoding="utf-8"))
        assert texts(shown) == texts(ElementTree.fromstring(picture.svg())), name


@pytest.mark.parametrize(
    ("suffix", "begins"),
    [
        ("svg", b"<?xml"),
        ("png", b"\x89PNG"),
        ("jpg", b"\xff\xd8"),
        ("gv", b"digraph"),
        ("PNG", b"\x89PNG"),
    ],
)
def test_a_file_is_of_the_kind_that_its_suffix_says(suffix, begins, tmp_path):
    assert draw(neuron()).save(str(tmp_path / f"graph.{suffix}")) == str(
        tmp_path / f"graph.{suffix}"
    )
    assert (tmp_path / f"graph.{suffix}").read_bytes().startswith(begins)


@pytest.mark.parametrize("name", ["graph.svgz2", "graph", "graph.py"])
def test_a_bad_suffix_is_one_clear_error(name, tmp_path):
    with pytest.raises(ValueError, match=rf"{name}.*ends in no format.*\.svg"):
        draw(neuron()).save(tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_a_place_that_is_not_there_is_one_clear_error(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"graph\.svg"):
        draw(neuron()).save(tmp_path / "nowhere" / "graph.svg")


def test_it_is_a_digraph_as_any_other(tmp_path):
    picture = draw(neuron(), format="png")
    assert isinstance(picture, graphviz.Digraph)
    rendered = picture.render("graph", directory=tmp_path, cleanup=True)
    assert Path(rendered).read_bytes().startswith(b"\x89PNG")
    assert [path.name for path in tmp_path.iterdir()] == ["graph.png"]
    rendered = picture.render(outfile=tmp_path / "other.svg")
    assert {path.name for path in tmp_path.iterdir()} == {"graph.png", "other.svg", "other.gv"}
    with pytest.raises(graphviz.FileExistsError):
        picture.render(outfile=tmp_path / "other.svg", raise_if_result_exists=True)
    assert picture.pipe("svg", encoding="utf-8") == picture.svg()
    copy = picture.copy()
    copy.node("mine", "a note")
    copy.edge("mine", "n0")
    assert "a note" in texts(ElementTree.fromstring(copy.svg()))
    assert "a note" not in picture.source
    assert all(way in repr(picture) for way in ("scalar", ".save('graph.svg')", ".source"))


@needs_dot
def test_what_only_graphviz_knows_goes_to_graphviz():
    assert draw(neuron()).pipe("png", renderer="cairo").startswith(b"\x89PNG")
    assert draw(neuron()).pipe("svg", engine="neato").startswith(b"<?xml")


# What cannot be drawn


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"zoom": "neurons"}, "no zoom 'neurons': there are auto, scalar"),
        ({"rankdir": "XY"}, "no rankdir 'XY'"),
        ({"format": "bmp3"}, "no format 'bmp3'"),
        ({"renderer": "neato"}, "no renderer 'neato'"),
        ({"max_nodes": 3}, "more than 3 nodes"),
    ],
)
def test_options_that_make_no_sense(options, named):
    with pytest.raises(ValueError, match=named):
        draw(neuron(), **options)


def test_values_that_are_none():
    with pytest.raises(ValueError):
        draw([])
    with pytest.raises(TypeError):
        draw("x")
    with pytest.raises(TypeError):
        draw(3.0)
    with pytest.raises(TypeError, match="inputs"):
        draw(neuron(), inputs=3)


def test_several_values_in_one_picture_and_a_single_leaf():
    x = Value(1.0, label="x")
    picture = draw([x + 1, [x * 2, x + 1]])
    assert picture.source.count("peripheries=2") == 3
    assert draw([x, x]).source.count("peripheries=2") == 1


def test_a_graph_too_large_says_so_without_walking_all_of_it():
    x = Value(1.0)
    for _ in range(100_000):
        x = x + 1.0
    with pytest.raises(ValueError, match=r"2,000 .*zoom='layer'"):
        draw(x, zoom="scalar")


def test_a_thousand_nodes_are_drawn():
    C = costs.quadratic(MLP(2, [16, 16, 1], rng=Random(0)).forward([1.0, 2.0]).output, [1.0])
    picture = draw(C, zoom="scalar")
    assert len(groups(picture.svg(), "node")) > 1_000


def test_a_wide_character_is_as_wide_as_its_typeface_is_high():
    assert text_width("重", 10) == 10.0
    assert text_width("e\u0301", 10) == text_width("e", 10)


def test_where_lifting_fails_the_layer_zoom_says_so():
    import sympy

    x, t = Value(1.0, label="x"), Value(sympy.Symbol("t"))
    with pytest.raises(ValueError, match="zoom="):
        draw(x * t, zoom="layer")


@pytest.mark.parametrize("granularity", ["atomic", "neuron"])
def test_the_neurons_are_found_at_either_granularity(granularity):
    model = MLP(2, [3, 1], activation="tanh", rng=Random(0), granularity=granularity)
    out = model.forward([1.0, -2.0]).output
    found = GraphView([out]).neurons
    assert [[w for w, _ in each.weights] for each in found] == [
        neuron.w for layer in model.layers for neuron in layer.neurons
    ]


def test_a_weight_without_its_neuron_is_no_weight_of_another():
    z, w, stray, x = (Value(1.0, label=name) for name in ("z", "w¹₁₁", "w¹₂₁", "x"))
    z = w * x + 0
    z.label = "z¹₁"
    (found,) = GraphView([z + stray * x]).neurons
    assert found.weights == [(w, x)]


def test_a_layer_of_ones_own_may_begin_at_computed_numbers():
    w, x, b = Value(2.0, label="w¹₁₁"), Value(3.0, label="u"), Value(0.0, label="b¹₁")
    z = w * x.tanh() + b
    z.label = "z¹₁"
    source = draw(z, zoom="neuron").source
    assert 'class=computed label="0.9951' in source
    assert "class=input" not in source


def test_weights_of_one_entry_of_a_layer_are_no_neurons():
    W = [[Value(k + 3.0 * j) for k in range(2)] for j in range(3)]
    x = [Value(1.0), Value(-1.0)]
    a = [sum(w * v for w, v in zip(row, x, strict=True)).tanh() for row in W]
    roots = [*a, *(w * x[0] for row in W for w in row)]  # a matrix times a⁰₁
    options = {"inputs": x, "targets": [], "parameters": [w for row in W for w in row]}
    found = GraphView(roots, **options).neurons
    assert [[w for w, _ in each.weights] for each in found] == W


def test_constants_have_no_arrow_of_their_own():
    model = MLP(2, [3, 2], activation="tanh", rng=Random(0))
    forward = model.forward([1.0, 2.0])
    source = draw(costs.quadratic(forward.output, [1, 0]), zoom="layer").source
    arrows = [line.split(" [")[0].strip() for line in source.splitlines() if " -> " in line]
    assert '"a1" -> "z2"' in arrows
    assert not [arrow for arrow in arrows if arrow.startswith('"k')]


def test_formulas_have_no_thickness():
    import sympy

    w, x, b = (Value(sympy.Symbol(name), label=name) for name in ("w¹₁₁", "x", "b¹₁"))
    z = w * x + b
    z.label = "z¹₁"
    z.backward()
    assert "penwidth=0.40" in draw(z, zoom="neuron").source


def test_another_layout_than_dots_is_graphvizs_own(monkeypatch, tmp_path):
    asked = []
    monkeypatch.setattr(graphviz, "render", lambda *given, **options: asked.append(given) or "a")
    assert draw(neuron()).render(tmp_path / "a", engine="neato") == "a"
    assert asked[0][:2] == ("neato", "svg")


def test_what_the_renderer_cannot_do_is_said(monkeypatch):
    with pytest.raises(ValueError, match="'doc'"):
        render("digraph { a }", "doc")
    with pytest.raises(ValueError, match="'neato'"):
        render("digraph { a }", "svg", "neato")
    monkeypatch.setattr(rendering, "_program", lambda *asked: "/nowhere/graphviz-pure")
    with pytest.raises(RenderError, match="/nowhere/graphviz-pure"):
        render("digraph { a }", "svg")


def test_the_embedded_renderer_is_found_through_its_package(monkeypatch):
    class Package:
        files = None

    def absent(name):
        raise PackageNotFoundError(name)

    found = rendering._embedded.__wrapped__
    assert Path(found()).stem == "graphviz-pure"
    monkeypatch.setattr(rendering, "distribution", lambda name: Package)
    assert found() is None
    Package.files = [Path("METADATA"), Path("graphviz-pure.py")]
    assert found() is None
    monkeypatch.setattr(rendering, "distribution", absent)
    assert found() is None


@pytest.mark.parametrize("zoom", ["scalar", "neuron", "layer"])
def test_the_dot_of_a_zoom_is_still_there_by_its_old_name(zoom):
    C = network()
    with pytest.warns(DeprecationWarning, match=rf"draw\(..., zoom='{zoom}'\).source"):
        assert getattr(drawing, zoom)([C], rankdir="TB") == draw(C, zoom=zoom, rankdir="TB").source


def products(row, xs):
    return total([w * x for w, x in zip(row, xs, strict=True)])


def leaves(*sizes):
    rng = Random(0)
    if len(sizes) == 1:
        return [Value(rng.gauss(0, 1)) for _ in range(sizes[0])]
    return [leaves(*sizes[1:]) for _ in range(sizes[0])]


def test_a_layer_whose_operands_are_added_to_it_has_neurons():
    W, x = leaves(3, 3), leaves(3)
    y = [v.tanh() for v in x]
    z = [products(row, y) + v for row, v in zip(W, y, strict=True)]
    cost = total([v.tanh() for v in z])
    parameters = [w for row in W for w in row]
    view = GraphView([cost], inputs=x, targets=[], parameters=parameters)
    assert [[w for w, _ in each.weights] for each in view.neurons] == W
    view = GraphView([cost], inputs=x, targets=[], parameters=parameters)
    z1 = view.matrices.variables["z1"]
    view.matrices.variables["z1"] = replace(z1, nodes=(None, *z1.nodes[1:]))
    assert [[w for w, _ in each.weights] for each in view.neurons] == W[1:]


def test_a_layer_of_what_has_no_name_has_no_neurons():
    W, x, b = leaves(3, 3), leaves(3), leaves(3)
    h = [(u + v).tanh() for u, v in zip(x, b, strict=True)]
    z = [products(row, h) + v for row, v in zip(W, b, strict=True)]
    options = {"inputs": x, "targets": [], "parameters": [*(w for row in W for w in row), *b]}
    view = GraphView([total([v.tanh() for v in z])], **options)
    assert view.matrices.equations[0].text == "z1 = W1 tanh(a0 + b1) + b1"
    assert view.neurons == []


def test_a_window_and_one_position_of_several_are_no_layer_of_neurons():
    w, x = leaves(3), leaves(7)
    z = [products(w, x[k : k + 3]) for k in range(5)]
    options = {"inputs": x, "targets": [], "parameters": w}
    assert GraphView([total([v.tanh() for v in z])], **options).neurons == []
    X, W, u = leaves(4, 3), leaves(3, 3), leaves(3)
    A = [[products(row, xs).tanh() for row in W] for xs in X]
    cost = products(u, A[2]).tanh() + total([a * a for row in A for a in row])
    parameters = [*(w for row in W for w in row), *u]
    options = {"inputs": [v for xs in X for v in xs], "targets": [], "parameters": parameters}
    assert GraphView([cost], **options).neurons == []


def test_scores_that_are_masked_have_no_box():
    graph = attention(causal=True)
    leaves_of = {"inputs": graph.inputs, "parameters": graph.parameters}
    source = draw(graph.cost, **leaves_of, zoom="layer").source
    assert '"A" -> "O"' in source and '"S" ->' not in source


@pytest.mark.parametrize(
    "graph", [recurrence(3, 4, 2), demo_batch(3, listed=True, hidden=4), convolution(6)]
)
def test_loops_that_are_no_layers_have_no_neurons_or_those_of_their_layers(graph):
    view = GraphView([graph.cost], inputs=graph.inputs, targets=[], parameters=graph.parameters)
    assert all(w in graph.parameters for each in view.neurons for w, _ in each.weights)
