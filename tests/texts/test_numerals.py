"""Numbers as text: each says what the number is, and the page says the same."""

import json
import math
import re
import struct
from decimal import Decimal
from fractions import Fraction
from importlib.resources import files

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from mpmath import inf, mpf, nan

from microgradnet.numerals import full_numeral, numeral, percent

TIES = st.builds(lambda n, k: n * 2.0**k, st.integers(-99_999, 99_999), st.integers(-12, 12))
"""Many of these lie just between two numerals of four digits."""


def read(text):
    return float(text.replace("−", "-").replace("∞", "inf"))


@given(st.floats(), st.integers(2, 17))
def test_a_numeral_is_the_number_to_its_digits(x, digits):
    text = numeral(x, digits)
    assert not set(text) & {"-", "+", "E"}
    got = read(text)
    if math.isnan(x):
        assert text == "NaN"
    elif x == 0:
        assert text == "0"
    else:
        assert got == float(f"{x:.{digits}g}")


@given(st.floats(allow_nan=False))
def test_whole_is_every_digit_and_the_sign_of_zero(x):
    got = read(full_numeral(x))
    assert struct.pack("d", got) == struct.pack("d", x)


@given(st.fractions() | st.integers())
def test_what_is_exact_is_written_so_or_rounded(x):
    text = numeral(x)
    exact = str(x).replace("-", "−")
    assert text == exact if len(exact) <= 12 else len(text) <= 12
    assert Fraction(full_numeral(x).replace("−", "-")) == x


def test_numbers_of_every_kind():
    import sympy

    t = sympy.Symbol("t")
    for x, want in (
        (Decimal("1E-9"), "1e−9"),
        (Decimal("-Infinity"), "−∞"),
        (Decimal("0.12345678901"), "0.1235"),
        (inf, "∞"),
        (nan, "NaN"),
        (-sympy.oo, "−∞"),
        (mpf("1.23456789e-400"), "1.23456789e−400"),  # below the floats, and not called 0
        (t**2 - 1, "t**2 − 1"),
        (1 + t + t**2 + t**3, "t**3 + t**2 + t + 1"),
        (1 + t + t**2 + t**3 + t**4, "t**4 + t**3 + t**2 + t …"),
        (10**400, "10000000000000000000000…"),
        (2**20_000, "a rational too long to b…"[:23] + "…"),
    ):
        assert numeral(x) == want
    assert full_numeral(t**2 * 10**400).startswith("1000") and len(full_numeral(10**400)) == 300
    assert full_numeral(2**20_000) == "a rational too long to be written"
    assert percent(0.975) == "97.5 %" and percent(None) == ""


@pytest.fixture(scope="session")
def page_numerals(browser):
    """The texts of numbers as the page writes them."""
    script = (files("microgradnet.exploring") / "page" / "numbers.js").read_text(encoding="utf-8")
    context = browser.new_context()
    tab = context.new_page()
    script = re.sub(r"^export ", "", script, flags=re.M)
    tab.evaluate(f"{script};globalThis.of = [numeral, fullNumeral]")

    def texts(x):
        told = x if isinstance(x, str) else struct.pack(">d", x).hex()
        return tab.evaluate(
            """([told, isText]) => {
                const bytes = isText ? [] : told.match(/../g).map(pair => parseInt(pair, 16));
                const x = isText ? told : new DataView(Uint8Array.from(bytes).buffer).getFloat64(0);
                const [numeral, fullNumeral] = globalThis.of;
                return [numeral(x), numeral(x, 3), fullNumeral(x)];
            }""",
            [told, isinstance(x, str)],
        )

    yield texts
    context.close()


@given(st.floats() | TIES)
@example(1000.5)  # JavaScript would make it 1001
@example(-0.0)
@example(1e16)
@example(9999.5)
def test_the_page_writes_the_same(page_numerals, x):
    assert page_numerals(x) == [numeral(x), numeral(x, 3), full_numeral(x)]


@pytest.mark.parametrize("x", [Fraction(1, 3), Fraction(-(10**9) - 1, 10**9), 7, 10**40, 10**11])
def test_the_page_writes_rationals_the_same(page_numerals, x):
    assert page_numerals(str(x)) == [numeral(x), numeral(x, 3), full_numeral(x)]


def test_the_page_reads_pythons_words_and_formulas(page_numerals):
    assert [page_numerals(word)[0] for word in ("inf", "-inf", "nan")] == ["∞", "−∞", "NaN"]
    formula = "t**4 + t**3 + t**2 + t + 1"
    assert page_numerals(formula)[0] == "t**4 + t**3 + t**2 + t …"
    assert page_numerals("t - 1") == ["t − 1"] * 3
    json.dumps(page_numerals("0/1"))
