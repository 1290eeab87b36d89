"""Tables as data, and the three ways in which they are read."""

from html.parser import HTMLParser
from io import StringIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from rich.text import Text

from microgradnet.tables import Table, Tabular

texts = st.text(st.characters(codec="ascii", categories=["L", "N", "P"]), min_size=1, max_size=9)


def printed(table, width=80, **options):
    console = Console(width=width, file=StringIO(), **options)
    console.print(table)
    return console.file.getvalue()


class Cells(HTMLParser):
    """The cells of an HTML table, row by row."""

    def __init__(self, page):
        super().__init__()
        self.rows = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_data(self, data):
        if self.rows:
            self.rows[-1][-1] += data


@given(st.integers(1, 4).flatmap(
    lambda n: st.lists(st.lists(texts, min_size=n, max_size=n), min_size=2, max_size=5)
))  # fmt: skip
def test_each_way_has_every_cell(rows):
    table = Table(rows[0], rows[1:])
    assert [line.split() for line in str(table).splitlines()] == rows
    assert [line.split() for line in printed(table).splitlines()] == rows
    assert Cells(table._repr_html_()).rows == rows


def test_numbers_are_flush_right_and_words_left_in_any_script():
    table = Table(["name", "n"], [["花", "1"], ["e\u0301e", "10"]], left=["name"])
    assert str(table).splitlines() == ["name   n", "花     1", "e\u0301e    10"]
    assert table._repr_html_().count("text-align:left") == 2


def test_a_column_without_any_entry_is_left_out():
    table = Table(["a", "b", "c"], [["1", "", ("", "dim")], ["2", "", "3"]])
    assert str(table).splitlines() == ["a  c", "1", "2  3"]
    assert Cells(table._repr_html_()).rows == [["a", "c"], ["1", ""], ["2", "3"]]
    assert str(Table(["a"], [])) == ""


@pytest.mark.parametrize(("width", "shown"), [(80, "abcd"), (19, "abcd"), (18, "abd"), (13, "ab")])
def test_where_there_is_no_room_columns_are_left_out_in_their_order(width, shown):
    table = Table("abcd", [["1111"] * 4] * 2, optional=["c", "d"], gap=1)
    lines = printed(table, width).splitlines()
    assert lines[0].split() == list(shown)
    assert str(table).split()[:4] == list("abcd")


def test_marks_are_colours_and_nothing_in_plain_text():
    table = Table(["a", "b"], [[("x", "bad"), ("y", "good")], [("z", "dim"), "[b]<i>"]])
    assert str(table).split() == ["a", "b", "x", "y", "z", "[b]<i>"]
    page = table._repr_html_()
    assert page.count("color:") == 2 and page.count("opacity") == 1
    assert "[b]&lt;i&gt;" in page
    shown = Text.from_ansi(printed(table, force_terminal=True, color_system="standard"))
    styles = {shown.plain[s.start : s.end].strip(): str(s.style) for s in shown.spans}
    assert "color(1)" in styles["x"] and "color(2)" in styles["y"] and "dim" in styles["z"]
    assert shown.plain.split() == str(table).split()


class Result(Tabular):
    def __init__(self, title, verdict, ok):
        self.texts = (title, verdict, ok)

    title = property(lambda self: self.texts[0])
    verdict = property(lambda self: self.texts[1])
    ok = property(lambda self: self.texts[2])
    table = property(lambda self: Table(["a"], [["1"]]))


@pytest.mark.parametrize("ok", [True, False, None])
@pytest.mark.parametrize(("title", "verdict"), [("<t>\n2", "[v]"), ("", "")])
def test_a_title_and_a_verdict_stand_above_and_below(title, verdict, ok):
    result = Result(title, verdict, ok)
    lines = [*title.splitlines(), "a", "1", *verdict.splitlines()]
    assert str(result).splitlines() == printed(result).splitlines() == lines
    page = result._repr_html_()
    assert ("<p>&lt;t&gt;<br>2</p>" in page, "<b>[v]</b>" in page) == (bool(title), bool(verdict))
    shown = Text.from_ansi(printed(result, force_terminal=True, color_system="standard"))
    colours = " ".join(str(span.style) for span in shown.spans)
    assert ("color(2)" in colours, "color(1)" in colours) == (
        (ok is True, ok is False) if verdict else (False, False)
    )


def test_by_itself_a_result_has_no_title_and_no_verdict():
    class Bare(Tabular):
        table = property(lambda self: Table(["a"], [["1"]]))

    assert str(Bare()) == "a\n1"
    assert Bare().ok is None
