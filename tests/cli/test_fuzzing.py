"""What comes from outside, made hostile: one clear line for it, and nothing else comes about.

Of the command line every option is tried, as the parsers declare it, so that a new one is tried by
itself. How many inputs there were is told at the end of a run; `HYPOTHESIS_PROFILE=thorough` tries
forty times as many.
"""

from __future__ import annotations

import argparse
import ast
import io
import json
import os
import re
import shutil
import struct
import warnings
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from functools import lru_cache
from html.parser import HTMLParser
from pathlib import Path
from random import Random
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from support import hostile
from support.expressions import names_in
from support.hostile import guarded, numerals, texts

from microgradnet import MLP, Value, cli, draw, explain, explore, lift, load, operation, ops, save
from microgradnet.drawing import rendering
from microgradnet.experiments import nudge
from microgradnet.exploring.contents import names_of
from microgradnet.exploring.inlining import bundle
from microgradnet.expression import ExpressionError, read_expression
from microgradnet.graph import topological_order
from microgradnet.notation import printable
from microgradnet.operation import _TABLE
from microgradnet.views import GraphView

same_folder = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


def many(times: int) -> settings:
    """So many times the examples of the profile."""
    return settings(same_folder, max_examples=times * settings.default.max_examples)


few = settings(same_folder, max_examples=max(8, settings.default.max_examples // 6))
typed = texts().map(lambda text: text.replace("/", "|").replace("\0", "0"))
"""What may be typed where a path is wanted, too: no text leads out of the folder."""

PROGRAMS = [found for found in (rendering._embedded(), shutil.which("dot")) if found]


# --- The command line -----------------------------------------------------------------------------

BASES = {
    "verify": [["--data", "xor", "--sizes", "2,2,2", "--steps", "1"]],
    "train": [["--data", "xor", "--epochs", "1"]],
    "draw": [["w*x", "w=1", "x=2"], ["--sizes", "2,2,1"]],
    "explore": [["w*x", "w=1", "x=2"], ["--data", "xor"]],
    "lift": [["w*x", "w=1", "x=2"], ["--sizes", "2,2,1"]],
}
"""What makes a verb quick, before the option that is tried; of several the last counts."""

AS_MUCH_AS_IS_ASKED_FOR = ("--epochs", "--steps")
"""A billion epochs are no mistake: they take long, and Ctrl-C ends them."""

VERBS = next(
    action for action in cli._parser()._actions if isinstance(action, argparse._SubParsersAction)
).choices
OPTIONS = [
    (verb, action)
    for verb, parser in VERBS.items()
    for action in parser._actions
    if not isinstance(action, argparse._HelpAction)
]

FILES = [
    "", ".", "..", "/", "new.npz", "new.safetensors", "new.svg", "new.html", "new.png", "new.pdf",
    "new.pgf", "new", ".npz", "model.npz", "other.npz", "damaged.npz", "damaged.safetensors",
    "folder", "folder.npz", "folder.svg", "file/new.svg", "file/new.npz", "file/new.html",
    "absent/new.npz", "absent/new.svg", "link.npz", "loop.npz", "loop.svg", "full.npz", "full.svg",
    "/dev/full", "/dev/null", "/proc/version", "/proc/nothing/new.npz", "/proc/nothing/new.svg",
    "a" * 300 + ".npz", "a" * 300 + ".svg", "\udcff.npz", "\udcff.svg", "[/b].npz", "[/b].svg",
    "\x1b[31m.npz", "new\nline.npz", "new\nline.svg", "\0.npz", "\0.svg", "\0",
]  # fmt: skip
WORDS = [
    "w*x",
    "w",
    "x",
    "y",
    "w=1",
    "w=nan",
    "x=1/3",
    "x=1/0",
    "w",
    "=",
    "x=",
    "x=1=2",
    "\udcff",
    "1,,2",
    ",",
    "1,",
    "2,2,2",
    "2,2,1",
    "2,1",
    "2,0,2",
    "2,-1,2",
    "2,99999999999,2",
    "2,2,3",
    "x,x",
    "x,,x",
    "--",
    "-",
    "--help",
    "--version",
    "-x",
    "--no-such",
    "9**9**9",
    "1/0",
    "x(",
    "x.y",
    "__import__('os').abort()",
    "hinge",
    "log_likelihood",
    "cross_entropy_from_z",
    "softmax",
    "linear",
    "relu",
    "hard_sigmoid",
    "digits",
    "iris",
    "moons",
    "xor",
    "SIGMOID",
]


def hostile_to(action: argparse.Action) -> list[str]:
    """Values for an option: all that is hostile, and the words in its help, which it may take."""
    words = re.findall(r"[\w.-]+", action.help or "")
    choices = [str(choice) for choice in action.choices or ()]
    return [*dict.fromkeys([*choices, *words, *WORDS, *FILES, *NUMERALS, *PIECES])]


NUMERALS = ["-1", "0", "1", "2", "3", "1/3", "nan", "inf", "-inf", "1e999", "1e-999", "-1e999",
            "1e999999999", "1e-999999999", "9" * 30, "9" * 5_000, "-" + "9" * 5_000, "1_0", "½",
            "1" + "0" * 400, "0.5", "0x10", "１"]  # fmt: skip
PIECES = [piece for piece in hostile._PIECES if len(piece) > 2 and "/" not in piece]


def written(action: argparse.Action, value: str) -> list[str]:
    """The option with this value, as typed."""
    if not action.option_strings:
        return [value]
    option = action.option_strings[-1]
    if action.nargs == 0:
        return [option]
    return [f"{option}={value}"] if value.startswith("-") else [option, value]


def has_work_to_do(arguments: list[str]) -> bool:
    """Whether more than a few epochs or steps are asked for."""
    for option, value in zip(arguments, [*arguments[1:], ""], strict=True):
        name, equals, joined = option.partition("=")
        number = (joined if equals else value).replace("_", "").strip("+ ")
        is_whole = number.isdigit() and len(number) < 4_300
        if name in AS_MUCH_AS_IS_ASKED_FOR and is_whole and int(number) > 3:
            return True
    return False


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with all that a path may turn out to be, to work in."""
    place = tmp_path_factory.mktemp("hostile")
    (place / "file").write_text("a file")
    for name in ("folder", "folder.npz", "folder.svg"):
        (place / name).mkdir()
    save(MLP(2, [8, 2]), place / "model.npz")
    save(MLP(3, [2]), place / "other.npz")
    for name in ("damaged.npz", "damaged.safetensors"):
        (place / name).write_bytes((place / "model.npz").read_bytes()[:-9])
    for name, target in (("link.npz", "behind.npz"), ("loop.npz", "loop.npz"),
                         ("loop.svg", "loop.svg"), ("full.npz", "/dev/full"),
                         ("full.svg", "/dev/full")):  # fmt: skip
        (place / name).symlink_to(target)
    before = os.getcwd()
    os.chdir(place)
    for verb, bases in BASES.items():  # what is imported late is imported now
        for base in bases:
            output = {"explore": ["-o", "new.html"], "draw": ["-o", "new.svg"],
                      "train": ["--save", "new.safetensors", "--plot", "new.pdf"]}  # fmt: skip
            assert cli.main([verb, *base, *output.get(verb, [])]) == 0
    yield place
    os.chdir(before)


@contextmanager
def kept(folder: Path) -> Iterator[set[str]]:
    """The names of new files in the folder, which are then removed."""
    before = set(os.listdir(folder))
    new: set[str] = set()
    try:
        yield new
    finally:
        new |= set(os.listdir(folder)) - before
        for name in new:
            (folder / name).unlink()


def type_in(arguments: list[str], folder: Path) -> None:
    """Run the command line; it may say one line and 2, or do what was asked, and no more."""
    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for _ in range(2))
    shown = repr(arguments)[:600]
    reader = f"microgradnet {arguments[0]}" if arguments[0] in VERBS else "no verb"
    with (
        kept(folder) as new,
        redirect_stdout(out),
        redirect_stderr(err),
        guarded(reader, places=[folder, *arguments], programs=PROGRAMS),
    ):
        try:
            status = cli.main(arguments)
        except SystemExit as stop:
            status = int(stop.code or 0)
    said = err.buffer.getvalue().decode()
    assert status in (0, 2), shown
    if status == 0:
        assert said == "", shown
    else:
        assert said.startswith("microgradnet"), shown
        assert said.endswith("\n") and said[:-1].isprintable(), (shown, said)
        assert len(said) < 1_000, shown
    asked = {name for text in arguments for name in (text, text.partition("=")[2])}
    asked |= {"explore.html"} if arguments[0] == "explore" else set()
    asked |= {"behind.npz"} if "link.npz" in asked else set()
    assert new <= asked, shown


each_option = pytest.mark.parametrize(
    ("verb", "action"), OPTIONS, ids=[f"{verb} {action.dest}" for verb, action in OPTIONS]
)


@each_option
@given(data=st.data())
@few
def test_every_option_with_hostile_values(
    verb: str, action: argparse.Action, folder: Path, data: st.DataObject
) -> None:
    base = data.draw(st.sampled_from(BASES.get(verb, [[]])))
    value = data.draw(st.sampled_from(hostile_to(action)) | numerals() | typed)
    arguments = [verb, *base, *written(action, value)]
    assume(not has_work_to_do(arguments))
    type_in(arguments, folder)


@given(data=st.data())
@many(2)
def test_several_options_at_once(folder: Path, data: st.DataObject) -> None:
    verb = data.draw(st.sampled_from([*VERBS]))
    arguments = [verb, *data.draw(st.sampled_from(BASES.get(verb, [[]])))]
    actions = [action for each, action in OPTIONS if each == verb]
    for action in data.draw(st.lists(st.sampled_from(actions), min_size=2, max_size=4)):
        arguments += written(action, data.draw(st.sampled_from(hostile_to(action))))
    assume(not has_work_to_do(arguments))
    type_in(arguments, folder)


@given(st.lists(st.sampled_from([*VERBS, *WORDS, *PIECES]) | typed, min_size=1, max_size=4))
@many(1)
def test_words_in_any_order(folder: Path, arguments: list[str]) -> None:
    assume(arguments[0] not in ("verify", "train"))  # by default these are long
    type_in(arguments, folder)


@pytest.mark.skipif(
    os.environ.get("HYPOTHESIS_PROFILE") != "thorough", reason="in the thorough profile alone"
)
@each_option
def test_every_option_with_every_hostile_value(
    verb: str, action: argparse.Action, folder: Path
) -> None:
    for base in BASES.get(verb, [[]]):
        for value in hostile_to(action):
            arguments = [verb, *base, *written(action, value)]
            if not has_work_to_do(arguments):
                type_in(arguments, folder)


# --- Expressions ----------------------------------------------------------------------------------

NUMBERS = st.one_of(
    st.floats(), st.integers(-9, 9), st.fractions(max_denominator=9), st.just(10**400)
)
CALLS = ["tanh({})", "log({})", "power({}, {})", "log_sum_exp({}, {})", "softmax({})", "relu({})"]
TERMS = st.recursive(
    st.sampled_from(["x", "w", "2", "0", "1e308", "9", "0.5", "1e-320", "99999"]),
    lambda inner: st.builds(
        lambda form, *parts: form.format(*parts),
        st.sampled_from(["({} + {})", "({} - {})", "({} * {})", "({} / {})", "({} ** {})", "-{}",
                         "{} ** {}", *CALLS]),
        inner,
        inner,
    ),
    max_leaves=30,
)  # fmt: skip
ENDLESS = [
    "-" * 1_999 + "x",
    "(" * 999 + "x" + ")" * 999,
    "2**" * 600 + "2",
    "x**" * 600 + "x",
    "9**9**9**9",
    "log_sum_exp(" + "x," * 900 + "x)",
    "x" * 2_000,
    "9" * 2_000,
    "0x" + "f" * 1_990,
    "tanh(" * 300 + "x" + ")" * 300,
    "x+" * 999 + "x",
    "1" + "0" * 1_990,
    "(9**9999)" + "*(9**9999)" * 180,
    "2**9999" + "*x" * 900,
    "[" * 1_000,
    "f(" * 600,
    "'" * 1_999,
    "\\\n" * 600,
    "1_" * 999 + "1",
    "x if x else " * 150 + "x",
    "lambda:" * 250,
]

CLOSE = st.lists(st.sampled_from(
    ["x", "w", "2", "1e300", "+", "-", "*", "/", "**", "(", ")", ",", " ", "tanh(", "power(", ".",
     "[", "]", ":=", "=", "lambda ", "__", "'", "if ", "\n", "for ", "await ", "\\", "#", ";", "@"]
), max_size=20).map("".join)  # fmt: skip


@given(st.one_of(texts(), TERMS, st.sampled_from(ENDLESS), CLOSE), st.lists(NUMBERS, min_size=9))
@many(4)
def test_any_expression_is_a_value_or_one_line(text: str, numbers: list[Any]) -> None:
    with guarded("expressions"):
        try:
            value = read_expression(text, dict(zip(names_in(text), numbers, strict=False)))
        except ExpressionError as error:
            assert str(error).isprintable()
            assert len(str(error)) < 1_000
        else:
            assert isinstance(value, Value)
            assert {n.label for n in topological_order([value]) if n.label} <= {*names_in(text)}


# --- Labels, operations' names and notation -------------------------------------------------------


@contextmanager
def own_operation(name: str, notation: str) -> Iterator[Callable[..., Any]]:
    """An operation of that name and notation, forgotten afterwards."""

    def twice(m: Any, x: Any) -> Any:
        return x + x

    twice.__name__ = name
    before = dict(_TABLE)
    try:
        yield operation(lambda m, g, y, x: (g + g,), notation, notation)(twice)
    finally:
        for each in _TABLE.keys() - before.keys():
            del _TABLE[each]
            if each in vars(Value):
                delattr(Value, each)


def graph(labels: list[str], numbers: list[Any], twice: Callable[..., Any]) -> list[Value]:
    """Three leaves, a weighted sum, an operation of one's own, and a product at the end."""
    w, x, b = (Value(n, label=label) for n, label in zip(numbers, labels[:3], strict=True))
    z = w * x + b
    z.label = labels[3]
    y = twice(z) * w
    y.label = labels[4]
    return [w, x, b, z, y]


class Read(HTMLParser):
    """A page as a browser reads it: elements with their attributes, and the text in each kind."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: set[tuple[str, frozenset[str]]] = set()
        self.attributes: dict[str, list[str]] = {}
        self.texts: dict[str, list[str]] = {}
        self.open = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, given: list[tuple[str, str | None]]) -> None:
        self.elements.add((tag, frozenset(name for name, _ in given)))
        for name, value in given:
            self.attributes.setdefault(name, []).append(value or "")
        self.open = tag
        self.texts.setdefault(tag, []).append("")

    def handle_data(self, data: str) -> None:
        if self.open:
            self.texts[self.open][-1] += data

    def handle_endtag(self, tag: str) -> None:
        self.open = ""

    def handle_comment(self, data: str) -> None:
        raise AssertionError(f"a comment: {data}")

    def handle_pi(self, data: str) -> None:
        raise AssertionError(f"an instruction: {data}")


@lru_cache(maxsize=1)
def harmless() -> set[tuple[str, frozenset[str]]]:
    """The elements of pages whose labels are letters."""
    elements = set()
    for label in ("", "a", "a long, long, long label"):
        w, x, b, _, y = graph([label] * 5, [0.5, 2.0, -1.0], ops.tanh)
        elements |= Read(explore(y, inputs=[x], parameters=[w, b]).html).elements
        elements |= Read(explore(y, title=label).html).elements
    return elements


five_texts = st.lists(texts(), min_size=5, max_size=5)
three_numbers = st.lists(st.floats() | st.fractions() | st.integers(), min_size=3, max_size=3)
names = st.sampled_from(["twice", "import os", "x'); os.abort(", "</script>", "\n", "class", "∂"])


@given(five_texts, three_numbers, names, texts(), texts())
@many(1)
def test_a_page_shows_every_text_as_text(
    labels: list[str], numbers: list[Any], name: str, notation: str, title: str
) -> None:
    with own_operation(name, notation) as twice, guarded("pages", programs=PROGRAMS):
        w, x, b, _, y = order = graph(labels, numbers, twice)
        text = explore(y, inputs=[x], parameters=[w, b], title=title).html
        read = Read(text.encode().decode())
    assert read.elements <= harmless()
    assert len(read.texts["script"]) == 2
    assert read.texts["script"][1].strip().endswith(bundle().strip())
    assert read.texts["h1"] == [
        printable(title or f"Backpropagation through {names_of(GraphView([y]))[-1]}")
    ]
    told = json.loads(read.texts["script"][0])["nodes"]
    shown = {printable(node["label"]) for node in told}
    assert shown == {printable(node.label) for node in topological_order([y])}
    assert {printable(node.label) for node in order if node.label} <= {
        *read.attributes["data-title"]
    }


@given(five_texts, three_numbers, names, texts())
@many(1)
def test_a_picture_shows_every_text_as_text(
    labels: list[str], numbers: list[Any], name: str, notation: str
) -> None:
    with own_operation(name, notation) as twice, guarded("pictures", programs=PROGRAMS):
        w, _, _, _, y = graph(labels, numbers, twice)
        y.backward()
        picture = draw(y, zoom="scalar", highlight=w)
        shown = picture._repr_mimebundle_()
        explain(y, w)
    svg = ElementTree.fromstring(shown["image/svg+xml"])
    tags = {element.tag.rpartition("}")[2] for element in svg.iter()}
    assert tags <= {"svg", "g", "title", "desc", "text", "path", "polygon", "ellipse", "polyline"}
    classes = [element.get("class", "") for element in svg.iter()]
    assert sum(each.startswith("node ") for each in classes) == 7 + 4  # values, operations
    for element in svg.iter():
        assert not [name for name in element.attrib if name.startswith("on") or "href" in name]
    read = Read(shown["text/html"])
    assert {tag for tag, _ in read.elements} <= tags | {"div"}


def but_for_names(source: str) -> str:
    """Write what a source does, its variables numbered in the order in which they stand there."""
    tree = ast.parse(source)
    numbers: dict[str, str] = {}
    for node in ast.walk(tree):
        for field in ("id", "arg"):
            if isinstance(name := getattr(node, field, None), str):
                setattr(node, field, numbers.setdefault(name, f"v{len(numbers)}"))
    return ast.dump(tree)


@given(five_texts, st.lists(st.floats(), min_size=3, max_size=3))
@many(1)
def test_labels_are_no_more_than_names_in_a_lifted_program(
    labels: list[str], numbers: list[Any]
) -> None:
    programs = []
    with guarded("lifted programs"):
        for each in (labels, ["w", "x", "b", "z", "y"]):
            w, x, b, _, y = graph(each, numbers, ops.tanh)
            programs.append(lift(y, inputs=[x], parameters=[w, b]))
            programs[-1].value_and_grad([[0.5]])
    assert but_for_names(programs[0].source) == but_for_names(programs[1].source)
    if not any(label.isidentifier() or label.endswith("]") for label in labels[:3]):
        w, x, b, _, y = graph([""] * 5, numbers, ops.tanh)
        unnamed = lift(y, inputs=[x], parameters=[w, b])
        assert str(programs[0]) == str(unnamed)
        assert programs[0]._repr_latex_() == unnamed._repr_latex_()


@given(texts())
@many(1)
def test_a_result_in_a_notebook_is_text(label: str) -> None:
    w = Value(0.5, label=label)
    with guarded("results in a notebook"):
        read = Read(nudge(lambda: w * w, w)._repr_html_())
    table = {("td", frozenset({"style"}))}
    table |= {(tag, frozenset()) for tag in ("p", "table", "thead", "tbody", "tr", "th")}
    assert read.elements - {("br", frozenset())} == table


def test_in_a_browser_nothing_hostile_runs(browser: Any, tmp_path: Path) -> None:
    """Neither what labels hold nor what stands in the address."""
    leaves = [Value(0.5 + k, label=piece) for k, piece in enumerate(hostile._PIECES)]
    total = leaves[0]
    for leaf in leaves[1:]:
        total = total * leaf
        total.label = leaf.label + "2"
    path = explore(total, title="".join(hostile._PIECES)).save(tmp_path / "page.html")
    context = browser.new_context()
    tab = context.new_page()
    troubles: list[str] = []
    tab.on("dialog", lambda dialog: (troubles.append(dialog.message), dialog.dismiss()))
    tab.on("pageerror", lambda error: troubles.append(str(error)))
    tab.on("console", lambda message: troubles.append(message.text))
    tab.on(
        "request",
        lambda request: troubles.extend(
            [] if request.url.startswith(path.as_uri()) else [request.url]
        ),
    )
    tab.goto(path.as_uri())
    fragments = [
        f"{key}={value}"
        for key in ("step", "zoom", "keep", "order")
        for value in (
            "NaN",
            "-1",
            "1e99",
            "9" * 400,
            "<img src=x onerror=window.hit=1>",
            "data:0",
            "slope:1:99",
            "data:99999999999",
            "constructor",
            "%ff",
            "\u202e",
            "javascript:window.hit=1",
        )
    ]
    for fragment in ["zoom=scalar", *fragments, "", "&&==&", "#" * 99]:
        hostile.TRIED["addresses of a page"] += 1
        tab.evaluate("fragment => { location.hash = fragment; }", fragment)
        tab.evaluate("() => new Promise(done => setTimeout(done, 5))")
    tab.keyboard.press("End")
    for box in tab.locator("#picture-scalar .box").all()[:200]:
        box.dispatch_event("pointerenter")
    assert troubles == []
    assert tab.evaluate("window.hit === undefined")
    assert tab.locator("script").count() == 2
    assert tab.locator("img, iframe, object, embed, a, b, [onload], [onerror]").count() == 0
    context.close()


# --- Files and states -----------------------------------------------------------------------------

SHAPES = {"layers.1.weight": (3, 2), "layers.1.bias": (3,)}


def fresh() -> MLP:
    return MLP(2, [3], rng=Random(0))


def refused_or_loaded(place: Path, reader: str) -> None:
    """All of the file or nothing of it, and one line if nothing."""
    model = fresh()
    before = [p.data for p in model.parameters()]
    with guarded(reader):
        try:
            load(model, place)
        except (ValueError, OSError) as error:
            assert str(error).count("\n") == 0
            assert place.name in str(error)
            assert [p.data for p in model.parameters()] == before
        else:
            assert all(type(p.data) is float for p in model.parameters())


DTYPES = [
    "<f8",
    ">f4",
    "<f2",
    "<i8",
    "|b1",
    "|O",
    "O",
    "<c16",
    "<U9",
    "<U999999999",
    "|S1",
    "<M8[s]",
    "|V8",
    "(9999999,)f8",
    "<f8,<f8",
    "f16",
    "",
    "x",
    "__import__('os').abort()",
    "\0",
]
SIZES = st.sampled_from(
    [
        (3, 2),
        (3,),
        (),
        (-3, 2),
        (3, 2, 1),
        (10**12,),
        (2**63, 2),
        (True, 2),
        (0,),
        (3.0, 2),
        "x",
        None,
        (1,) * 99,
    ]
)


@st.composite
def npy(draw: st.DrawFn, name: str) -> bytes:
    """An array as NumPy writes it, but for a lie here and there."""
    good = draw(st.booleans())
    shape = SHAPES[name] if good else draw(SIZES)
    descr = draw(st.sampled_from(DTYPES if not good else DTYPES[:4]))
    header = draw(
        st.sampled_from(
            [
                "{{'descr': {0!r}, 'fortran_order': {2}, 'shape': {1!r}, }}",
                "{{'descr': {0!r}}}",
                "{{" * 99,
                "(" * 5000,
                "__import__('os').abort()",
                "{{'descr': [('', {0!r})] * 9**9, 'shape': {1!r}}}",
            ]
        )
        if not good
        else st.just("{{'descr': {0!r}, 'fortran_order': {2}, 'shape': {1!r}, }}")
    )
    text = header.format(descr, shape, draw(st.sampled_from(["False", "True", "2", "None"])))
    version = draw(st.sampled_from([b"\1\0", b"\2\0", b"\1\0", b"\3\0", b"\xff\0"]))
    length = draw(st.sampled_from([len(text), len(text), 0, 65_535]))
    packed = struct.pack("<H" if version == b"\1\0" else "<I", length)
    content = draw(st.sampled_from([48, 24, 0, 7])) * draw(st.sampled_from([b"\0", b"\xff"]))
    return b"\x93NUMPY" + version + packed + text.encode() + content


@given(st.data())
@many(2)
def test_archives_of_lies(tmp_path: Path, data: st.DataObject) -> None:
    place = tmp_path / "model.npz"
    entries = [
        *SHAPES,
        *data.draw(
            st.lists(
                st.sampled_from(["../evil", "/etc/evil", "layers.1.weight", "x\ny", "", "C:evil"]),
                max_size=1,
            )
        ),
    ]
    with warnings.catch_warnings(), zipfile.ZipFile(place, "w") as archive:
        warnings.simplefilter("ignore")  # of two of one name
        for name in entries:
            how = data.draw(st.sampled_from([0, 0, zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA]))
            content = data.draw(npy(name if name in SHAPES else "layers.1.bias"))
            archive.writestr(f"{name}.npy", content, how)
    place.write_bytes(data.draw(harmed(place.read_bytes())))
    refused_or_loaded(place, "model files")


@st.composite
def harmed(draw: st.DrawFn, content: bytes) -> bytes:
    """The bytes, or with some changed, left out, put in, or doubled."""
    harmed = bytearray(content)
    for _ in range(draw(st.sampled_from([0, 0, 1, 2, 5]))):
        where, length = draw(st.integers(0, len(harmed))), draw(st.integers(0, 9))
        put = draw(st.binary(max_size=9) | st.just(bytes(harmed[where : where + 99])))
        harmed[where : where + length] = put
    return bytes(harmed)


@given(data=st.data())
@many(2)
def test_safetensors_of_lies(
    tmp_path: Path, require_oracle: Callable[[str], Any], data: st.DataObject
) -> None:
    require_oracle("safetensors")
    place = tmp_path / "model.safetensors"
    entry = st.fixed_dictionaries({
        "dtype": st.sampled_from(["F64", "F32", "F16", "BF16", "I64", "BOOL", "F8_E4M3", "x", 1]),
        "shape": SIZES.map(lambda shape: list(shape) if isinstance(shape, tuple) else shape),
        "data_offsets": st.lists(st.sampled_from([0, 24, 48, 72, -1, 2**63, 1.5]), max_size=3),
    })  # fmt: skip
    good = {
        "layers.1.weight": {"dtype": "F64", "shape": [3, 2], "data_offsets": [0, 48]},
        "layers.1.bias": {"dtype": "F64", "shape": [3], "data_offsets": [48, 72]},
    }
    header = {name: data.draw(st.just(good[name]) | entry) for name in SHAPES}
    header |= data.draw(
        st.sampled_from([{}, {}, {"__metadata__": {"x": "y"}}, {"__metadata__": 1}])
    )
    text = data.draw(st.sampled_from([json.dumps(header), "{" * 9_999, "null", '{"a":' * 9_999]))
    length = data.draw(st.sampled_from([len(text)] * 3 + [0, 10**9, 2**63, 2**64 - 1]))
    whole = struct.pack("<Q", length) + text.encode() + bytes(72)
    place.write_bytes(data.draw(harmed(whole)))
    refused_or_loaded(place, "model files")


@pytest.mark.parametrize("ending", ["npz", "safetensors"])
def test_what_is_no_file_is_refused_and_not_waited_for(
    ending: str, tmp_path: Path, require_oracle: Callable[[str], Any]
) -> None:
    if ending == "safetensors":
        require_oracle("safetensors")
    place = tmp_path / f"model.{ending}"
    makers: list[Callable[[], None]] = [
        place.mkdir,
        lambda: place.symlink_to(place),
        lambda: place.symlink_to(tmp_path),
    ]
    if os.name == "posix":
        makers += [lambda: place.symlink_to("/dev/zero"), lambda: os.mkfifo(place)]
    for make in makers:
        make()
        with guarded("model files"), pytest.raises((OSError, ValueError)):
            load(fresh(), place)
        with guarded("model files", places=[tmp_path]), suppress(OSError):
            save(fresh(), place)  # may take the place of a link to itself, and of nothing else
        assert os.listdir(tmp_path) == [place.name]
        assert os.name != "posix" or Path("/dev/zero").is_char_device()
        place.rmdir() if place.is_dir() and not place.is_symlink() else place.unlink()


anything = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | texts() | st.complex_numbers()
    | st.fractions() | st.binary(max_size=9) | st.just(object()) | st.builds(Value, st.floats()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=9,
)  # fmt: skip
some_arrays = arrays.arrays(
    arrays.scalar_dtypes(),
    st.sampled_from([(3, 2), (3,), (), (2, 3), (0,), (3, 2, 1)]),
)


@given(
    st.dictionaries(
        st.sampled_from([*SHAPES, "layers.2.bias", ""]) | texts(), anything | some_arrays
    ),
    st.booleans(),
)
@many(2)
def test_any_state_is_refused_or_loaded_as_a_whole(state: dict[str, Any], strict: bool) -> None:
    model = fresh()
    before = [p.data for p in model.parameters()]
    with guarded("states"):
        try:
            model.load_state_dict(state, strict=strict)
        except (TypeError, ValueError):
            assert [p.data for p in model.parameters()] == before
        else:
            for p in model.parameters():
                p.data = p.data  # the engine's own door
