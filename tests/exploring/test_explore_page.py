"""The page in a real browser: clicked, keyed, scrubbed, and held against Python's numbers."""

import math
import re
from itertools import pairwise
from random import Random

import pytest
from support.numerals import plain_ascii
from support.oracles import operands as count

from microgradnet import MLP, Value, costs, explain, explore, minimum, operation, relu
from microgradnet.graph import topological_order
from microgradnet.numerals import numeral
from microgradnet.operation import operations

FAMILIES = "all => all.map(e => e.closest('.family').dataset.key)"


@pytest.fixture
def visit(browser, tmp_path):
    """Open the page of a graph; afterwards nothing may have been requested or complained about."""
    contexts = []

    def open_page(cost, forward=None, fragment="", edit=None, trouble=(), **options):
        path = explore(cost, tmp_path / "page.html", forward, **options.pop("explore", {})).path
        if edit is not None:
            path.write_text(edit(path.read_text(encoding="utf-8")), encoding="utf-8")
        size = {"width": 1280, "height": 860}
        context = browser.new_context(**{"viewport": size, **options})
        context.set_default_timeout(10_000)
        tab = context.new_page()
        tab.troubles, tab.requests = [], []
        tab.on("console", lambda message: tab.troubles.append(message.text))
        tab.on("pageerror", lambda error: tab.troubles.append(str(error)))
        tab.on("request", lambda request: tab.requests.append(request.url))
        tab.goto(path.as_uri() + fragment)
        contexts.append((context, tab, path))
        return tab

    yield open_page
    for context, tab, path in contexts:
        assert [url for url in tab.requests if not url.startswith(path.as_uri())] == []
        assert tab.troubles == []
        context.close()


def network(sizes=(2, 3, 2), seed=0, **options):
    arguments = {"activation": "sigmoid", "output_activation": "sigmoid", **options}
    model = MLP(sizes[0], sizes[1:], rng=Random(seed), **arguments)
    rng = Random(seed + 1)
    forward = model.forward([rng.uniform(-1, 1) for _ in range(sizes[0])])
    cost = costs.quadratic(forward.output, [rng.random() for _ in range(sizes[-1])])
    cost.label = "C"
    return model, forward, cost


def boxes(tab):
    """Of every scalar its data and gradient as the page has them: number, "not yet", "… so far"."""
    titles = tab.evaluate(
        "[...document.querySelectorAll('#picture-scalar .box title')].map(t => t.textContent)"
    )
    lines = [plain_ascii(title) for title in titles]
    return [dict(re.findall(r"^(data|gradient) (.*)$", title, re.MULTILINE)) for title in lines]


def entries(tab):
    """The numbers in the matrices by their names, with all their digits."""
    titles = tab.evaluate(
        "[...document.querySelectorAll('mtd.slot')].map(e => e.getAttribute('title'))"
    )
    named = (title.split(" = ", 1) for title in titles)
    return {name: plain_ascii(number) for name, number in named}


def steps(tab):
    return int(tab.get_attribute("#scrub", "max"))


def scrub(tab, step):
    tab.evaluate(
        "step => { const s = document.getElementById('scrub'); s.value = step;"
        " s.dispatchEvent(new Event('input')); }",
        step,
    )


def until(tab, condition):
    """Wait for a condition; not by Playwright's own means, which the page's policy forbids."""
    for _ in range(100):
        if tab.evaluate(condition):
            return
        tab.wait_for_timeout(50)
    pytest.fail(f"never: {condition}")


def close(told, want, terms=None):
    scale = abs(want) if terms is None else terms
    return abs(float(plain_ascii(str(told))) - want) <= 2**-40 * scale + 1e-300


def test_every_number_at_every_step_is_pythons(visit):
    _, forward, cost = network((2, 3, 1))
    tab = visit(cost, forward, "#zoom=scalar")
    order = topological_order([cost])
    interior = [node for node in order if node.op is not None]
    uses = {node: 0 for node in order}
    for node in interior:
        for parent in node.parents:
            uses[parent] += 1
    cost.backward()
    known = {node for node in order if node.op is None}
    heard = {node: [] for node in order}
    visits = [None, *reversed(interior)]
    assert steps(tab) == len(interior) + len(visits)
    for step in range(steps(tab) + 1):
        if 0 < step <= len(interior):
            known.add(interior[step - 1])
        elif step > len(interior):
            node = visits[step - len(interior) - 1]
            if node is None:
                heard[cost].append(1.0)
            else:
                numbers = [parent.data for parent in node.parents]
                for parent, product in zip(
                    node.parents, node.op.vjp(node.grad, *numbers, out=node.data), strict=True
                ):
                    heard[parent].append(product)
        for node, told in zip(order, boxes(tab), strict=True):
            want = repr(node.data) if node in known else "not yet"
            assert told["data"] == want or float(told["data"]) == node.data
            if "gradient" not in told:
                assert not node.label and node.op is None  # a constant
            elif not heard[node]:
                assert told["gradient"] == "not yet"
            elif len(heard[node]) < uses[node]:
                number, so_far = told["gradient"].split(" ", 1)
                assert so_far == "so far"
                assert close(number, sum(heard[node]), sum(map(abs, heard[node])))
            else:
                assert close(told["gradient"], node.grad, sum(map(abs, heard[node])))
        tab.keyboard.press("n")


def test_stepping_back_shows_what_stepping_forward_did(visit):
    _, forward, cost = network((2, 3, 1))
    tab = visit(cost, forward, "#zoom=scalar")
    last = steps(tab)
    seen = []
    for _ in range(last + 1):
        seen.append((boxes(tab), entries(tab), tab.inner_text("#sentence")))
        tab.click("#next") if len(seen) <= last else None
    assert all(a != b for a, b in pairwise(seen))
    for before in reversed(seen[:-1]):
        tab.keyboard.press("p")
        assert (boxes(tab), entries(tab), tab.inner_text("#sentence")) == before
    for step in (last, 3, last // 2, 0):
        scrub(tab, step)
        assert (boxes(tab), entries(tab), tab.inner_text("#sentence")) == seen[step]


@pytest.mark.parametrize("options", [
    {},
    {"granularity": "neuron", "activation": "tanh", "output_activation": "linear"},
    {"activation": "relu", "output_activation": "softmax"},
])  # fmt: skip
def test_at_the_end_the_matrices_hold_the_numbers_of_the_equations(visit, options):
    model, forward, cost = network((3, 4, 3), **options)
    cost.backward()
    tab = visit(cost, forward)
    tab.keyboard.press("End")
    found = entries(tab)
    assert "not yet" not in found.values()
    want = {"C": cost.data}
    for l, layer in enumerate(model.layers, 1):
        for j, neuron in enumerate(layer.neurons):
            z, a = forward.z[l][j], forward.a[l][j]
            want[f"z{'⁰¹²'[l]}{'₁₂₃₄'[j]}"] = z.data
            if a is not z:
                want[f"a{'⁰¹²'[l]}{'₁₂₃₄'[j]}"] = a.data
            want[f"δ{'⁰¹²'[l]}{'₁₂₃₄'[j]}"] = forward.delta[l][j]
            for p in (*neuron.w, neuron.b):
                want |= {p.label: p.data, f"∂C/∂{p.label}": p.grad}
                want[f"new {p.label}"] = p.data - 0.5 * p.grad
    for name, number in want.items():
        assert close(found[name], number, abs(number) + 1e-3), name
    slopes = [float(x) for name, x in found.items() if name.startswith(("σ′", "tanh′", "relu′"))]
    assert len(slopes) >= 4 and all(0 <= slope <= 1 for slope in slopes)


def test_the_sentences_are_those_of_explain(visit):
    _, forward, cost = network()
    tab = visit(cost, forward)
    cost.backward()
    interior = [node for node in topological_order([cost]) if node.op is not None]
    for k, node in enumerate(reversed(interior)):
        scrub(tab, len(interior) + 2 + k)
        sentence = tab.inner_text("#sentence")
        for parent in node.parents:
            # Of the parent's lines those through this node, word by word.
            through = f"through {node.label + ' = ' if node.label else ''}"
            lines = explain(cost, parent).splitlines()[1:]
            assert any(
                line.strip().split(" through ")[0] in sentence and through in line for line in lines
            )
        told = [line for line in tab.inner_text("#explanation-text").splitlines() if line]
        if node is not cost:
            assert told == [line.strip() for line in explain(cost, node).splitlines()]


def test_pointing_at_an_error_shows_why_the_matrix_is_transposed(visit):
    _, forward, cost = network()
    tab = visit(cost, forward, "#zoom=neuron")
    tab.keyboard.press("End")
    tab.hover("[data-key=BP2] mtd.slot >> nth=1")  # δ¹₂
    lit = tab.evaluate("[...document.querySelectorAll('.box.lit')].map(b => b.dataset.title)")
    assert lit == ["neuron 2, layer 1", "neuron 1, layer 2", "neuron 2, layer 2"]
    assert tab.evaluate("document.querySelector('.box.main').dataset.title") == lit[0]
    titles = tab.evaluate(
        "[...document.querySelectorAll('[data-key=BP2] .source')].map(e => e.dataset.name)"
    )
    assert titles == ["w²₁₂", "w²₂₂", "δ²₁", "δ²₂", "σ′(z¹₂)"]
    # The same two weights are lit in the forward row, and a line joins the two places of each.
    forward_lit = "[...document.querySelectorAll('[data-key=forward] .source')]"
    assert tab.evaluate(f"{forward_lit}.map(e => e.dataset.name)") == ["w²₁₂", "w²₂₂"]
    assert tab.locator("#joins path").count() == 2
    assert tab.locator(".arrow.lit").count() == 2
    text = tab.inner_text("#explanation-text")
    assert "column 2 of W²" in text
    assert "row 2 of (W²)ᵀ is column 2 of W²" in text
    tab.hover("h1")
    assert tab.locator(".box.lit, mtd.source, mtd.lit, #joins path").count() == 0


def test_pointing_at_a_node_lights_every_entry_it_appears_in(visit):
    model, forward, cost = network()
    tab = visit(cost, forward, "#zoom=scalar")
    tab.keyboard.press("End")
    weight = model.layers[1].neurons[0].w[1]
    place = topological_order([cost]).index(weight)
    box = tab.locator(f"#picture-scalar .box[data-box='{place}']")
    box.dispatch_event("pointerenter")
    lit = tab.locator("mtd.lit").evaluate_all(FAMILIES)
    assert set(lit) == {"forward", "BP2", "BP4", "update"}
    tab.hover("[data-key=forward] mtd.slot[data-name='w²₁₂']")
    lit = tab.locator("mtd.lit").evaluate_all(FAMILIES)
    assert lit == ["forward", "BP2", "update"]
    assert tab.locator("#joins path").count() == 1
    assert "box parameter lit main" in " ".join(box.get_attribute("class").split())


def test_the_entry_being_computed_is_lit(visit):
    _, forward, cost = network()
    tab = visit(cost, forward)
    names = set()
    for _ in range(steps(tab)):
        tab.keyboard.press("n")
        now = tab.locator("mtd.now").evaluate_all("all => all.map(e => e.dataset.name)")
        names.update(now)
    assert names >= {"z¹₁", "a¹₃", "z²₂", "C", "δ²₁", "δ¹₂", "σ′(z¹₂)", "∂C/∂w²₁₂", "∂C/∂b¹₃"}


def test_a_click_keeps_and_the_address_links_to_the_moment(visit):
    _, forward, cost = network()
    tab = visit(cost, forward, "#step=30&zoom=layer&order=wrong")
    assert tab.input_value("#scrub") == "30"
    assert tab.is_checked("#wrong")
    assert tab.get_attribute("button[data-zoom=layer]", "aria-pressed") == "true"
    tab.click("[data-key=BP1] mtd.slot >> nth=0")
    tab.click("button[data-zoom=scalar]")
    tab.uncheck("#wrong")
    tab.hover("h1")
    assert "kept" in tab.inner_text("#explanation-heading")
    until(tab, "/scalar&keep=grad:[0-9]+$/.test(location.hash)")
    address = tab.url
    assert "step=30&zoom=scalar&keep=grad:" in address
    again = tab.context.new_page()
    again.goto(address)
    assert again.inner_text("#explanation-heading") == tab.inner_text("#explanation-heading")
    assert again.inner_text("#sentence") == tab.inner_text("#sentence")
    again.evaluate("location.hash = '#step=2&keep=grad:99999&zoom=nothing'")
    until(again, "document.getElementById('scrub').value === '2'")
    assert "kept" not in again.inner_text("#explanation-heading")
    tab.keyboard.press("Escape")
    assert "kept" not in tab.inner_text("#explanation-heading")


def test_a_layer_opens_its_neurons_and_a_neuron_its_scalars(visit):
    _, forward, cost = network()
    tab = visit(cost, forward, "#zoom=layer")
    tab.click(".box[data-title='z²']")
    assert tab.is_visible("#picture-neuron") and not tab.is_visible("#picture-layer")
    tab.click("#picture-neuron .box[data-title='neuron 2, layer 2']")
    assert tab.is_visible("#picture-scalar")
    canvas = tab.locator("#canvas").bounding_box()
    box = tab.locator("#picture-scalar .box[data-title='z²₂']").bounding_box()
    assert canvas["x"] < box["x"] < canvas["x"] + canvas["width"]
    assert canvas["y"] < box["y"] < canvas["y"] + canvas["height"]


def test_dragging_pans_and_the_wheel_zooms(visit):
    _, forward, cost = network()
    tab = visit(cost, forward, "#zoom=scalar")
    place = tab.locator("#canvas").bounding_box()
    box = tab.locator("#picture-scalar .box >> nth=0")
    before = box.bounding_box()
    x, y = place["x"] + place["width"] / 2, place["y"] + place["height"] / 2
    tab.mouse.move(x, y)
    tab.mouse.down()
    tab.mouse.move(x + 40, y - 30, steps=4)
    tab.mouse.up()
    after = box.bounding_box()
    assert after["x"] - before["x"] == pytest.approx(40, abs=1.5)
    assert after["y"] - before["y"] == pytest.approx(-30, abs=1.5)
    assert "kept" not in tab.inner_text("#explanation-heading")
    tab.mouse.wheel(0, -300)
    tab.wait_for_timeout(100)
    assert box.bounding_box()["width"] > 1.5 * after["width"]
    tab.click("#whole")
    assert box.bounding_box()["width"] < after["width"]


def test_the_numbers_follow_what_is_changed(visit):
    model, forward, cost = network()
    tab = visit(cost, forward)
    tab.keyboard.press("End")
    weight, bias = model.layers[0].neurons[1].w[0], model.layers[1].neurons[0].b
    weight.data, bias.data = 1.25, -0.75
    x = [0.375, forward.a[0][1].data]
    for name, number in ((weight.label, 1.25), (bias.label, -0.75), ("a⁰₁", 0.375)):
        field = tab.locator(f"input[aria-label='{name}, as a number']")
        field.fill(str(number))
        field.press("Enter")
    again = model.forward(x)
    moved = costs.quadratic(again.output, targets(cost))
    moved.backward()
    compare(entries(tab), model, again, moved)
    # One step of gradient descent by the page, and by Python.
    tab.fill("#eta", "2")
    tab.click("#descend")
    for parameter in model.parameters():
        parameter.data -= 2 * parameter.grad
        parameter.grad = 0
    third = model.forward(x)
    fallen = costs.quadratic(third.output, targets(cost))
    fallen.backward()
    compare(entries(tab), model, third, fallen)
    assert fallen.data < moved.data
    assert f"{numeral(moved.data)} → {numeral(fallen.data)}" in tab.inner_text("#costs-caption")
    assert tab.locator("#costs circle").count() == 2
    tab.click("#restore")
    assert close(entries(tab)["C"], cost.data)


def targets(cost):
    return [node.data for node in topological_order([cost])
            if node.op is None and not node.label and node.data != 2]  # fmt: skip


def compare(found, model, forward, cost):
    assert close(found["C"], cost.data)
    for l, layer in enumerate(forward.z[1:], 1):
        for j, z in enumerate(layer):
            assert close(found[f"z{'⁰¹²'[l]}{'₁₂₃'[j]}"], z.data, 1)
            assert close(found[f"δ{'⁰¹²'[l]}{'₁₂₃'[j]}"], z.grad, 1)
    for parameter in model.parameters():
        assert close(found[parameter.label], parameter.data, 1)
        assert close(found[f"∂C/∂{parameter.label}"], parameter.grad, 1)


def test_a_slider_moves_its_number(visit):
    model, forward, cost = network()
    tab = visit(cost, forward)
    slider = tab.locator("input[type=range][aria-label='w¹₁₁']")
    slider.focus()
    before = float(entries(tab)["w¹₁₁"])
    slider.press("ArrowRight")
    slider.press("ArrowRight")
    after = float(entries(tab)["w¹₁₁"])
    assert before == model.layers[0].neurons[0].w[0].data
    assert before < after < before + 0.5
    tab.keyboard.press("End")  # a slider's own End: to its far end
    assert float(entries(tab)["w¹₁₁"]) > after + 1


def test_the_check_finds_the_same_gradient_three_times(visit):
    model, forward, cost = network()
    cost.backward()
    tab = visit(cost, forward)
    rows = tab.locator("#check tbody tr").evaluate_all(
        "rows => rows.map(r => [r.querySelector('th').textContent,"
        " ...[...r.querySelectorAll('td')].map(d => Number(d.title.replaceAll('−', '-')))])"
    )
    assert [row[0] for row in rows] == [parameter.label for parameter in model.parameters()]
    for (_, graph, equations, difference), parameter in zip(rows, model.parameters(), strict=True):
        assert close(graph, parameter.grad)
        assert close(equations, parameter.grad, 1e-3)
        assert abs(difference - parameter.grad) < 1e-8  # h² and u/h, with h = u^(1/3)
    assert tab.locator("tr.differs").count() == 0
    assert "same gradient" in tab.inner_text("#check-verdict")


def test_the_wrong_order_loses_what_comes_too_late(visit):
    # b = 2a, c = 3b, d = b + c: ∂d/∂a is 8, of which the hasty order passes on 2.
    a = Value(1.0, label="a")
    b = a * 2
    d = b + b * 3
    tab = visit(d, fragment="#zoom=scalar")
    tab.keyboard.press("End")
    assert boxes(tab)[0]["gradient"] == "8.0"
    tab.keyboard.press("w")
    assert boxes(tab)[0]["gradient"] == "2.0"
    assert tab.locator(".box.late").count() == 1
    assert "1 of 1 gradients are wrong" in tab.inner_text("#check-verdict")
    sentences = []
    for step in range(steps(tab) + 1):
        scrub(tab, step)
        sentences.append(tab.inner_text("#sentence"))
    assert any("too late" in sentence for sentence in sentences)
    tab.uncheck("#wrong")
    assert "wrong" not in tab.inner_text("#check-verdict")


def test_the_wrong_order_does_no_harm_to_a_chain(visit):
    x = Value(0.5, label="w")
    tab = visit(x.tanh().exp(), fragment="#order=wrong")
    assert "no harm" in tab.inner_text("#check-verdict")


def test_keys_alone_do_everything(visit):
    _, forward, cost = network()
    tab = visit(cost, forward)
    last = steps(tab)
    press = tab.keyboard.press
    press("End")
    assert tab.input_value("#scrub") == str(last)
    press("Home")
    assert tab.input_value("#scrub") == "0"
    press("Space")
    until(tab, "Number(document.getElementById('scrub').value) > 0")
    assert tab.inner_text("#play") == "❚❚ Pause"
    press("Space")
    stopped = tab.input_value("#scrub")
    tab.wait_for_timeout(1200)
    assert tab.input_value("#scrub") == stopped
    press("?")
    assert tab.is_visible("#help")
    press("n")
    assert tab.input_value("#scrub") == stopped  # the page behind waits
    press("Escape")
    assert not tab.is_visible("#help")
    press("3")
    assert tab.is_visible("#picture-scalar")
    press("2")
    # Into the graph by Tab, along an edge by an arrow, open by Enter.
    tab.locator("#whole").focus()
    press("Tab")
    focused = "document.activeElement.dataset.title"
    assert tab.evaluate(focused) == "a⁰₁"
    press("ArrowRight")
    assert "layer 1" in tab.evaluate(focused)
    assert "layer 1" in tab.evaluate("document.querySelector('.box.main').dataset.title")
    press("ArrowRight")
    assert "layer 2" in tab.evaluate(focused)
    press("ArrowLeft")
    assert "layer 1" in tab.evaluate(focused)
    press("Enter")
    assert tab.is_visible("#picture-scalar")
    press("Enter")
    assert "kept" in tab.inner_text("#explanation-heading")
    # Into the equations, from number to number.
    tab.locator("#sheet").focus()
    cursor = "document.querySelector('.cursor').dataset.name"
    press("ArrowRight")
    assert tab.evaluate(cursor) == "z¹₂"
    press("ArrowDown")
    assert tab.evaluate(cursor) == "z¹₃"
    assert tab.inner_text("#spoken").startswith("z¹₃ ")
    assert tab.inner_text("#explanation-heading") == "z¹₃"
    press("Enter")
    assert "kept" in tab.inner_text("#explanation-heading")


def test_an_expression_has_the_equations_that_lift_finds(visit):
    w, x, b = Value(0.5, label="w"), Value(2.0, label="x"), Value(-1.25, label="b")
    cost = (w * x + b).tanh()
    cost.backward()
    tab = visit(cost, explore={"inputs": [x]})
    tab.keyboard.press("End")
    assert "∂C/∂w = δ1 x" in tab.inner_text("#sheet")
    found = entries(tab)
    assert close(found["∂C/∂w"], w.grad) and close(found["∂C/∂b"], b.grad)
    assert close(found["δ of z1"], b.grad)
    tab.hover("mtd[data-name='∂C/∂w']")
    assert tab.evaluate("document.querySelector('.box.main').dataset.title") == "w"
    # The column of the equations is the lifted program's, for the numbers that Python had.
    row = tab.locator("#check tbody tr >> nth=0").locator("td")
    assert all(close(cell.get_attribute("title"), w.grad) for cell in row.all()[:2])
    tab.fill("input[aria-label='b, as a number']", "0.25")
    tab.press("input[aria-label='b, as a number']", "Enter")
    assert row.nth(1).inner_text() == "n/a"
    assert tab.locator("tr.differs").count() == 0


def test_a_loop_written_by_hand_has_matrices_too(visit):
    W = [[Value(0.1 * (3 * j + k), label=f"w{j}{k}") for k in range(3)] for j in range(2)]
    x = [Value(0.5 - k, label=f"x{k}") for k in range(3)]
    z = [sum((w * a for w, a in zip(row, x, strict=True)), Value(0.0)) for row in W]
    cost = z[0].tanh() * z[1].tanh()
    tab = visit(cost, explore={"inputs": x}, fragment="#zoom=layer")
    titles = "[...document.querySelectorAll('#picture-layer .box')].map(b => b.dataset.title)"
    assert {"W1", "a0", "z1", "C"} <= set(tab.evaluate(titles))
    tab.keyboard.press("End")
    assert "not yet" not in entries(tab).values()


def test_every_operation_is_known_to_the_page(visit):
    rng = Random(3)
    total = Value(0.0)
    domain = {"acosh": (1.1, 3), "acos": (-0.9, 0.9), "asin": (-0.9, 0.9), "atanh": (-0.9, 0.9)}
    for op in operations():
        for variant in [op, *([op.variant(exponent=3)] if op.name == "power_constant" else [])]:
            low, high = domain.get(op.name, (0.1, 2.9))
            for _ in range(4):
                operands = [
                    Value(rng.uniform(low, high), label=f"{op.name}{k}") for k in range(count(op))
                ]
                total = total + variant(*operands)
    negative = [op for op in operations() if op.arity == 1 and op.name in
                ("sigmoid", "relu", "leaky_relu", "elu", "softplus", "silu", "gelu", "softsign",
                 "hard_tanh", "hard_sigmoid", "erf", "erfc", "abs", "tanh", "expm1")]  # fmt: skip
    for op in negative:
        for x in (-40.0, -6.0, -3.0, -1.0, -0.3, 0.0, 1.0, 3.0, 7.0):
            total = total + op(Value(x, label=f"{op.name} at {x}"))
    tab = visit(total)
    assert tab.is_hidden("#alarm"), tab.inner_text("#alarm")
    assert tab.is_hidden("#fixed") or "numbers can be moved" in tab.inner_text("#fixed")
    # And computed anew, all of them: a leaf of each is moved to where it is.
    before = tab.inner_text("#costs-caption")
    field = tab.locator("#sliders input[type=number] >> nth=0")
    field.fill(field.input_value())
    field.dispatch_event("change")
    assert tab.inner_text("#costs-caption") == before


def test_a_number_that_is_not_pythons_raises_the_alarm(visit):
    _, forward, cost = network()
    z = forward.z[1][1].data
    tab = visit(
        cost, forward, edit=lambda text: text.replace(f'"data":{z!r}', f'"data":{z + 1e-9!r}')
    )
    assert tab.is_visible("#alarm")
    assert "not those of Python" in tab.inner_text("#alarm")
    assert tab.get_attribute("#alarm", "role") == "alert"


def test_ones_own_operation_is_played_and_moved(visit, own_table):
    def bump_vjp(m, g, y, x, *, width):
        return (m.where(m.abs(x) < m.convert(width), -2 * g * x, 0) * m.exp(-x * x),)

    def bump(m, x, *, width=3):
        return m.where(m.abs(x) < m.convert(width), m.exp(-x * x), m.exp(m.convert(-9)))

    bump.__name__ = "</script><script>window.hit=1</script>"
    own = operation(bump_vjp, "bump $x")(bump)
    x = Value(2.0, label="x")
    y = own(x) + 1
    y.label = "C"
    tab = visit(y, fragment="#zoom=scalar")
    assert tab.is_hidden("#alarm")
    tab.keyboard.press("End")
    field = tab.locator("input[aria-label='x, as a number']")
    field.fill("0.5")
    field.press("Enter")
    x.data = 0.5
    again = own(x) + 1
    again.backward()
    assert float(boxes(tab)[-1]["data"]) == pytest.approx(again.data, rel=1e-15)
    assert float(boxes(tab)[0]["gradient"]) == pytest.approx(x.grad, rel=1e-15)
    assert tab.evaluate("window.hit") is None


def test_what_has_no_part_passes_nothing_on_when_moved(visit):
    x, y = Value(1.0, label="x"), Value(2.0, label="y")
    cost = minimum(1 / (x * x), 5) + relu(y - 1 / (x * x))
    tab = visit(cost, fragment="#zoom=scalar")
    assert tab.is_hidden("#alarm")
    tab.keyboard.press("End")
    field = tab.locator("input[aria-label='x, as a number']")
    field.fill("0")
    field.press("Enter")
    place = topological_order([cost]).index(x)
    assert float(boxes(tab)[place]["gradient"]) == 0


def test_what_has_no_rule_in_javascript_is_played_but_not_moved(visit, own_table):
    @operation(lambda m, g, y, x: (g * 3 * x * x,), "$x³")
    def cube(m, x):
        return x**3 if x > 0 else -((-x) ** 3)

    x = Value(2.0, label="x")
    tab = visit(cube(x) + 1, fragment="#zoom=scalar")
    assert "cube" in tab.inner_text("#fixed")
    assert tab.locator("#sliders input").count() == 0
    assert not tab.is_visible("#descend")
    tab.keyboard.press("End")
    assert boxes(tab)[0]["gradient"] == "12.0"


def test_formulas_are_played_too(visit, require_oracle):
    sympy = require_oracle("sympy")
    x = Value(sympy.Symbol("t"), label="x")
    tab = visit(x * x * x, fragment="#zoom=scalar&order=wrong")
    assert not tab.is_checked("#wrong")
    told = []
    for step in range(steps(tab) + 1):
        scrub(tab, step)
        told.append(boxes(tab)[0]["gradient"])
    assert told[-1] == str(3 * sympy.Symbol("t") ** 2)
    assert any(gradient.endswith("so far") for gradient in told)
    assert "nan" not in " ".join(told).lower()
    assert "formulas" in tab.inner_text("#fixed")


@pytest.mark.parametrize("numbers", [(0.0, 1.0), (math.inf, 2.0), (1e200, 1e200)])
def test_infinities_are_pythons(visit, numbers):
    x, y = (Value(number, label=label) for number, label in zip(numbers, "xy", strict=True))
    cost = x.log() * y + x * y
    cost.backward()
    tab = visit(cost, fragment="#zoom=scalar")
    assert tab.is_hidden("#alarm")
    tab.keyboard.press("End")
    order = topological_order([cost])
    for node, told in zip(order, boxes(tab), strict=True):
        assert told["data"] == repr(node.data) or float(told["data"]) == node.data
        assert told["gradient"] == repr(node.grad) or float(told["gradient"]) == node.grad


def test_hostile_labels_do_nothing(visit):
    evil = ['</script><script>window.hit=1</script>', '"><img src=x onerror="window.hit=1">',
            "{{ 7*7 }}", "</title><svg onload=window.hit=1>"]  # fmt: skip
    leaves = [Value(0.5 + k, label=label) for k, label in enumerate(evil)]
    total = leaves[0]
    for leaf in leaves[1:]:
        total = total * leaf
    total.label = "<b>" + evil[0]
    tab = visit(total, explore={"title": evil[0]})
    tab.keyboard.press("End")
    for box in tab.locator("#picture-scalar .box").all():
        box.dispatch_event("pointerenter")
    tab.hover("#check tbody tr >> nth=1")
    tab.wait_for_timeout(200)
    assert tab.evaluate("window.hit === undefined")
    assert tab.locator("img, b").count() == 0
    assert tab.inner_text("h1") == evil[0]
    assert "49" not in tab.inner_text("#check")


def test_nothing_can_be_fetched_or_injected(visit):
    _, forward, cost = network()
    tab = visit(cost, forward)
    refused = tab.evaluate("fetch('http://127.0.0.1:9/').then(() => 'fetched', () => 'refused')")
    assert refused == "refused"
    tab.evaluate(
        "() => { const s = document.createElement('script'); s.textContent = 'window.hit = 1';"
        " document.body.append(s); }"
    )
    assert tab.evaluate("window.hit === undefined")
    assert tab.troubles and all("Content Security Policy" in told for told in tab.troubles)
    tab.troubles.clear()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_axe_finds_nothing(visit, axe, scheme, width):
    _, forward, cost = network()
    window = {"width": width, "height": 800}
    tab = visit(cost, forward, color_scheme=scheme, viewport=window, bypass_csp=True)
    tab.evaluate(axe)
    scrub(tab, 45)
    tab.hover("[data-key=BP1] mtd.slot >> nth=0")
    assert violations(tab) == []
    tab.click(f"button[data-zoom={'layer' if width == 360 else 'scalar'}]")
    tab.keyboard.press("End")
    tab.keyboard.press("w")
    assert violations(tab) == []
    tab.keyboard.press("?")
    assert violations(tab) == []


def violations(tab):
    return [
        {"rule": v["id"], "at": [node["html"][:150] for node in v["nodes"]][:3]}
        for v in tab.evaluate("axe.run()")["violations"]
    ]


@pytest.mark.parametrize("width", [360, 768, 1920])
def test_the_page_fits_its_window(visit, width):
    _, forward, cost = network()
    tab = visit(cost, forward, viewport={"width": width, "height": 740})
    tab.keyboard.press("End")
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    assert tab.is_visible("#canvas") and tab.is_visible("#play")


def test_motion_is_reduced_where_that_is_asked_for(visit):
    _, forward, cost = network()
    tab = visit(cost, forward)
    seconds = """parseFloat(
        getComputedStyle(document.querySelector('.box .back')).transitionDuration)"""
    assert tab.evaluate(seconds) > 0
    tab.emulate_media(reduced_motion="reduce")
    assert tab.evaluate(seconds) == 0


def test_the_sentence_is_read_aloud_but_not_while_it_plays(visit):
    _, forward, cost = network()
    tab = visit(cost, forward)
    assert tab.get_attribute("#sentence", "aria-live") == "polite"
    tab.keyboard.press("Space")
    assert tab.get_attribute("#sentence", "aria-live") == "off"
    tab.keyboard.press("Space")
    assert tab.get_attribute("#sentence", "aria-live") == "polite"
    labels = tab.locator("#picture-neuron .box").evaluate_all(
        "all => all.map(b => b.getAttribute('aria-label'))"
    )
    assert all(re.search(r"(data|gradient) (−?\d|not yet)", label) for label in labels)


def test_in_a_notebooks_frame_it_plays_too(browser, tmp_path):
    _, forward, cost = network()
    notebook = tmp_path / "notebook.html"
    page = explore(cost, None, forward)._repr_html_()
    notebook.write_text(f"<meta charset=utf-8>{page}", encoding="utf-8")
    context = browser.new_context()
    tab, troubles = context.new_page(), []
    tab.on("console", lambda message: troubles.append(message.text))
    tab.on("pageerror", lambda error: troubles.append(str(error)))
    tab.goto(notebook.as_uri())
    frame = tab.frames[1]
    frame.click("#last")
    assert "receives" in frame.inner_text("#sentence")
    tab.wait_for_timeout(300)  # the address is written a while later
    assert not troubles
    context.close()


def test_a_derivative_that_cancels_is_not_called_wrong(visit):
    x = Value(-0.7517915246935645, label="x")  # where gelu is least
    tab = visit(x.gelu(), fragment="#zoom=scalar")
    assert not tab.is_visible("#alarm")
